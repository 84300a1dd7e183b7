"""How many labels it takes to find the best crystals of a set, when each batch is chosen by what is known so far.

    python -m benchmarks.studies.replay --shared ../shared/data --folder runs/replay

All labels of a set are known and hidden. A replay begins with random crystals and asks for the labels of a batch after the other, as
`cryskit suggest` would: a Gaussian process on vectors of an encoder that has seen no label, all levels pooled. Counted are the labels until
half, and until four fifths, of the best twentieth of the set are found. Ways of choosing are compared on the same random beginnings, in
pairs, with bootstrap intervals over seeds. The card is `results/replay.json`; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from benchmarks.studies.fit import CASES
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.goals import Goal
from cryskit.small_data.folds import some
from cryskit.small_data.sources import source_of, vectors_of
from cryskit.small_data.table import Table, table_of
from cryskit.suggestions.acquisition import ACQUISITIONS
from cryskit.suggestions.next_batch import next_batch
from cryskit.suggestions.surrogate import Prior, Space
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

SETS = ("bulk modulus", "refractive index", "critical temperature, measured", "band gap, measured")
WAYS = ("random", "mean", "ei", "ucb")
FIRST, BATCH = 20, 20
"""Random crystals that a replay begins with, and crystals of a batch."""
BEST = 0.05
"""Share of the set that is looked for: the largest values."""
FOUND = {"half": 0.5, "four fifths": 0.8}
"""Shares of these after which labels are counted."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", required=True, type=Path, help="folder of the sets that do not come with the package"
    )
    parser.add_argument("--folder", required=True, type=Path, help="folder of replays that are done")
    parser.add_argument("--set", nargs="+", default=list(SETS), choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--most", type=int, default=1000, help="crystals of a set")
    parser.add_argument("--encoder", default="crysae")
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "replay.json")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    card: dict[str, Any] = {
        "title": "Replay: labels until the best crystals of a set are found",
        **machine.facts(1),
        "settings": {
            "encoder": asked.encoder,
            "first": FIRST,
            "batch": BATCH,
            "best": BEST,
            "seeds": asked.seeds,
            "most": asked.most,
        },
        "sets": [],
        "labels": [],
    }
    for name in asked.set:
        table = _table(name, asked)
        card["sets"].append(
            {"set": name, "target": table.wanted.name, "crystals": len(table), "manifest": manifest(table.crystals)}
        )
        card["labels"] += _summary(name, _replays(name, table, asked))
        write_json(card, asked.out)


def _table(name: str, asked: argparse.Namespace) -> Table:
    """Return the set, or whole formulas of it drawn at random where it is large."""
    case = CASES[name]
    source: Any = asked.shared / case.source if case.source.endswith(".parquet") else case.source
    crystals = [item for item in read(source) if isinstance(item, Crystal)]
    every = table_of(crystals, case.target, cache=asked.folder)
    rows = some(np.arange(len(every)), every.groups, asked.most, 0)
    return every if len(rows) == len(every) else table_of([every.crystals[row] for row in rows], case.target)


def _replays(name: str, table: Table, asked: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Return the counts of each way and seed, those that are kept in the folder not anew."""
    path = asked.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
    kept: dict[str, list[dict[str, float]]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    points = Space(vectors := vectors_of(table.graph, source_of(asked.encoder)))(vectors)
    values = table.learned(table.wanted.transform)
    for seed in range(asked.seeds):
        for way in WAYS:
            done = kept.setdefault(way, [])
            if len(done) <= seed:
                done.append(replay(points, values, way, seed))
                write_json(kept, path)
                print(name, way, seed, done[-1], flush=True)
    return kept


def replay(points: np.ndarray, values: np.ndarray, way: str, seed: int) -> dict[str, float]:
    """Return the number of labels after which each share of the best crystals is found.

    Args:
        points: (n, components) the crystals.
        values: (n,) their labels, on the scale on which they are learned.
        way: "random" or an acquisition.
        seed: Seed of the first crystals.
    """
    order = np.random.default_rng(seed).permutation(len(values))
    best = set(np.argsort(-values)[: max(1, round(BEST * len(values)))].tolist())
    known, counts = order[:FIRST].tolist(), {}
    while len(counts) < len(FOUND):
        share = len(best & set(known)) / len(best)
        counts |= {name: float(len(known)) for name, wanted in FOUND.items() if share >= wanted and name not in counts}
        known += order[len(known) :][:BATCH].tolist() if way == "random" else _chosen(points, values, known, way)
    return counts


def _chosen(points: np.ndarray, values: np.ndarray, known: list[int], way: str) -> list[int]:
    """Return the crystals of the next batch, as `cryskit suggest` chooses them with a model that does not predict the property."""
    seen = np.full(len(values), np.nan)
    seen[known] = values[known]
    free = np.setdiff1d(np.arange(len(values)), known)
    found: list[int] = next_batch(
        points, seen, Prior.of_values(seen), free, Goal("", "max"), ACQUISITIONS[way], BATCH
    ).rows.tolist()
    return found


def _summary(name: str, replays: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Return means over seeds, and their ratios to random search with bootstrap intervals."""
    found = []
    for share in FOUND:
        counts = {way: np.array([each[share] for each in done]) for way, done in replays.items()}
        draws = np.random.default_rng(0).integers(len(counts["random"]), size=(2000, len(counts["random"])))
        for way, labels in counts.items():
            ratios = labels[draws].mean(1) / counts["random"][draws].mean(1)
            low, high = np.quantile(ratios, (0.025, 0.975))
            found.append(
                {
                    "set": name,
                    "found": share,
                    "way": way,
                    "labels": round(float(labels.mean()), 1),
                    "of_random": round(float(labels.mean() / counts["random"].mean()), 3),
                    "low": round(float(low), 3),
                    "high": round(float(high), 3),
                }
            )
    return found


if __name__ == "__main__":
    main()
