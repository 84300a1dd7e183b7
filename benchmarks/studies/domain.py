"""Measure the domain of a model: what it says of test crystals, of the same corrupted, and of what cannot be.

    python -m benchmarks.studies.domain --model cryskit-mp --data runs/corpus/labelled.parquet --split benchmarks/splits/corpus.json \
        --known benchmarks/splits/corpus-known.json --new benchmarks/splits/corpus-new.json

The domain is learned from the training and calibration parts of the split, with the published weights. Judged are test crystals with
known and with new formulas: shares of in, edge and out; the area under the ROC curve of the score between them and the same
crystals with their atoms shuffled, their volume scaled, or their elements replaced by unlike ones; errors of the formation energy by
domain; bytes; processor time per crystal compared with that of the network. Shuffled crystals that are another description of the same
crystal (near-duplicates) stay in, and their number is given.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.batching import Batcher
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.elements import quantities
from cryskit.graphs.build import build_usable
from cryskit.graphs.duplicates import near_duplicates
from cryskit.graphs.plausible import doubts_of
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.reliability.domain_geometry import TABLE, pair_of
from cryskit.training.corrupted_crystals import scaled, shuffled
from cryskit.training.fit_domain import fit_domain
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.reliability.domain import Domain, Verdict
    from cryskit.types import Encoding

PROPERTY = "formation_energy_per_atom"
MODULES = ("volumes", "pairs", "surroundings", "references", "classifier")


def swapped(crystal: Crystal, elements: np.ndarray, rng: np.random.Generator, *, every: bool) -> Crystal:
    """Return the crystal with one or every element replaced by an unlike one.

    Args:
        crystal: The crystal.
        elements: Atomic numbers to choose from.
        rng: Generator of random numbers.
        every: Whether every element is replaced.
    """
    table, numbers = quantities(), crystal.numbers.copy()
    present = np.unique(crystal.numbers)
    for number in present if every else rng.choice(present, 1):
        distance = np.linalg.norm(table[elements] - table[number], axis=1)
        numbers[crystal.numbers == number] = rng.choice(elements[distance >= np.median(distance)])
    return Crystal(crystal.id, crystal.lattice, crystal.fractional, numbers)


def reshuffled(crystal: Crystal, elements: np.ndarray, rng: np.random.Generator) -> Crystal | None:
    """Return the crystal with its atoms in another order on its sites; None if all are of one element."""
    if len(set(crystal.numbers.tolist())) == 1:
        return None
    made = shuffled(crystal, elements, rng)
    return made if (made.numbers != crystal.numbers).any() else reshuffled(crystal, elements, rng)


KINDS: Mapping[str, Callable[[Crystal, np.ndarray, np.random.Generator], Crystal | None]] = {
    "atoms shuffled": reshuffled,
    "volume times 0.7": lambda crystal, _elements, _rng: scaled(crystal, 0.7),
    "volume times 1.4": lambda crystal, _elements, _rng: scaled(crystal, 1.4),
    "one element swapped": partial(swapped, every=False),
    "every element swapped": partial(swapped, every=True),
}
"""Corruptions by name."""


def absurd() -> dict[str, list[Crystal]]:
    """Return crystals that cannot be, by name."""
    rng = np.random.default_rng(0)
    face_centred = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.715
    diamond = [[0, 0, 0], [0.25, 0.25, 0.25]]

    def boxes(numbers: list[int], edge: float) -> list[Crystal]:
        return [
            Crystal(f"box {i}", np.eye(3) * edge, rng.random((len(numbers), 3)), rng.permutation(numbers))
            for i in range(50)
        ]

    return {
        "silicon squeezed by 20 % along each axis": [Crystal("Si", face_centred * 0.8, diamond, [14, 14])],
        "silicon in nanometre": [Crystal("Si", face_centred * 0.1, diamond, [14, 14])],
        "silicon in picometre": [Crystal("Si", face_centred * 100, diamond, [14, 14])],
        "six oxygens at random in a box of 5 angstrom": boxes([8] * 6, 5.0),
        "Na3 Cl3 O2 at random in a box of 6 angstrom": boxes([11] * 3 + [17] * 3 + [8] * 2, 6.0),
        "one atom in a box of 20 angstrom": [Crystal("one", np.eye(3) * 20, [[0, 0, 0]], [z]) for z in (2, 8, 26, 79)],
    }


class Judged(NamedTuple):
    """Crystals of which there are graphs, what the domain says of them, and the processor time of network and domain, seconds.

    `values` are the predicted formation energies, NaN where the model has none.
    """

    crystals: list[Crystal]
    verdicts: list[Verdict]
    values: np.ndarray
    network: float
    domain: float

    @property
    def scores(self) -> np.ndarray:
        """Scores of the crystals, (B,)."""
        return np.array([verdict.score for verdict in self.verdicts])

    @property
    def shares(self) -> dict[str, float]:
        """Share of the crystals in each domain."""
        found = [verdict.domain for verdict in self.verdicts]
        return {name: round(found.count(name) / max(len(found), 1), 4) for name in ("in", "edge", "out")}


def judge(predictor: Predictor, domain: Domain, crystals: Sequence[Crystal]) -> Judged:
    """Return what the domain says of crystals.

    Args:
        predictor: The model.
        domain: Its domain.
        crystals: The crystals.
    """
    graph, errors = build_usable(list(crystals), replace(predictor.card.spec, text=""))
    kept = [crystal for row, crystal in enumerate(crystals) if row not in errors]
    batcher, tables, values, network, own = Batcher(graph), [], [], 0.0, 0.0
    with torch.inference_mode():
        for rows in batcher.batches(predictor.batch_edges):
            batch = batcher.take(rows)
            begun = time.process_time()
            encoding = predictor.encoder(batch)
            values.append(_energies(predictor, encoding))
            between = time.process_time()
            tables.append(domain.read_out(batch, encoding.atoms))
            network, own = network + between - begun, own + time.process_time() - between
    doubts = doubts_of(kept, graph)
    begun = time.process_time()
    verdicts = domain.judge(kept, torch.cat(tables), doubts)
    return Judged(kept, verdicts, torch.cat(values).numpy(), network, own + time.process_time() - begun)


def _energies(predictor: Predictor, encoding: Encoding) -> torch.Tensor:
    """Return the predicted formation energies of a batch, NaN where the model has none."""
    if PROPERTY not in predictor.properties:
        return torch.full((len(encoding.crystals),), torch.nan)
    column = predictor.properties.index(PROPERTY)
    return predictor.heads.physical(predictor.heads(encoding.crystals))[:, column]


def auc(real: np.ndarray, unreal: np.ndarray) -> float:
    """Return the area under the ROC curve of scores that should be higher for real crystals."""
    ranks = rankdata(np.concatenate([real, unreal]))[: len(real)].sum()
    return float((ranks - len(real) * (len(real) + 1) / 2) / (len(real) * len(unreal)))


def corruptions(predictor: Predictor, domain: Domain, crystals: Sequence[Crystal], seed: int) -> list[dict[str, Any]]:
    """Return a row of figures for each kind of corruption and for all together.

    Args:
        predictor: The model.
        domain: Its domain.
        crystals: Real crystals.
        seed: Seed of the random numbers.
    """
    rng = np.random.default_rng(seed)
    elements = np.array([number for number in range(1, TABLE) if domain.elements.seen[pair_of(number, number)]])
    real, scores, rows = judge(predictor, domain, crystals), [], []
    for name, make in KINDS.items():
        made = [found for crystal in crystals if (found := make(crystal, elements, rng)) is not None]
        judged = judge(predictor, domain, made)
        same = sum(c.id in ids for c, ids in _pairs(judged.crystals, crystals)) if name == "atoms shuffled" else 0
        scores.append(judged.scores)
        rows.append(
            {
                "corruption": name,
                "crystals": len(judged.crystals),
                "auc": round(auc(real.scores, judged.scores), 4),
                "same_crystal": same,
                **judged.shares,
            }
        )
    every = np.concatenate(scores)
    return [*rows, {"corruption": "all", "crystals": len(every), "auc": round(auc(real.scores, every), 4)}]


def _pairs(crystals: Sequence[Crystal], others: Sequence[Crystal]) -> list[tuple[Crystal, list[str]]]:
    found = near_duplicates(crystals, others)
    return [(crystal, found.get(row, [])) for row, crystal in enumerate(crystals)]


def errors(judged: Judged) -> dict[str, dict[str, float]]:
    """Return the mean error of the formation energy and the number of crystals, by domain.

    Args:
        judged: Crystals with their verdicts.
    """
    off = np.abs(judged.values - np.array([c.targets.get(PROPERTY, np.nan) for c in judged.crystals]))
    found = np.array([verdict.domain for verdict in judged.verdicts])
    known = np.isfinite(off)
    return {
        name: {
            "crystals": int((known & (found == name)).sum()),
            "mae": round(float(off[known & (found == name)].mean()), 4),
        }
        for name in ("in", "edge", "out")
        if (known & (found == name)).any()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument(
        "--split", required=True, type=Path, help="split whose training and calibration parts are learned from"
    )
    parser.add_argument("--known", type=Path, help="split whose test part has formulas of the training part")
    parser.add_argument("--new", type=Path, help="split whose test part has no formula of the training part")
    parser.add_argument("--count", type=int, default=1000, help="test crystals that are corrupted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "domain.json")
    options = parser.parse_args(arguments)
    crystals = [item for item in read(options.data) if isinstance(item, Crystal)]
    split = Split.load(options.split)
    parts, predictor = split.divide(crystals), load(options.model)
    begun = time.process_time()
    domain = fit_domain(predictor, parts.train, parts.calibration or parts.validation, options.seed)
    seconds = time.process_time() - begun
    tests = {
        name: Split.load(path).divide(crystals).test for name in ("known", "new") if (path := getattr(options, name))
    }
    judged = {name: judge(predictor, domain, test) for name, test in (tests or {"test": parts.test}).items()}
    drawn = np.random.default_rng(options.seed).permutation(len(parts.test))[: options.count]
    network, own = (sum(getattr(each, what) for each in judged.values()) for what in ("network", "domain"))
    count = sum(len(each.crystals) for each in judged.values())
    card = {
        "title": f"Domain of {predictor.card.full_name}",
        **machine.facts(torch.get_num_threads()),
        "data": {"file": Path(options.data).name, "manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"file": options.split.name, "hash": split.hash, "seed": split.seed, "kind": split.kind},
        "model": {"sha256": digest(path_of(options.model))},
        "seed": options.seed,
        "sizes": domain.sizes,
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in domain.buffers()),
        "seconds_to_learn": round(seconds, 1),
        "milliseconds_per_crystal": {
            "network": round(1000 * network / count, 3),
            "domain": round(1000 * own / count, 3),
        },
        "real": [{"formulas": name, "crystals": len(each.crystals), **each.shares} for name, each in judged.items()],
        "errors": {name: errors(each) for name, each in judged.items()},
        "absurd": [
            {"crystals": name, "made": len(each), "no_graph": len(each) - len(found.crystals), **found.shares}
            for name, each in absurd().items()
            for found in [judge(predictor, domain, each)]
        ],
    }
    write_json(card, options.out)
    card["corruptions"] = corruptions(predictor, domain, [parts.test[row] for row in drawn], options.seed)
    write_json(card, options.out)
    for name in ("bytes", "seconds_to_learn", "milliseconds_per_crystal", "real", "errors", "corruptions", "absurd"):
        print(name, card[name])


if __name__ == "__main__":
    main()
