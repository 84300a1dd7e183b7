"""Check the explanations of a published model on the test crystals of its split and write a result card.

    python -m benchmarks.studies.explanation_checks --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0.json

Deletion: the strongest k features, or orbits of equal atoms, are replaced by the mean element's, or as many random ones; `top`
and `random` say how far the prediction moves then, `top error` and `random error` how much its error grows, in the unit of
what is learned. Intervals are bootstraps over crystals. Seconds are those of the processor, graph and prediction included.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from benchmarks.studies.advantages import advantages
from cryskit.atomic_write import replacing
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.explain.atoms import Explainer, Explanation
from cryskit.explain.checks import deletions
from cryskit.explain.document import space_of
from cryskit.explain.usage import blocks_used
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Property


def main(arguments: Sequence[str] | None = None) -> None:
    """Check and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cryskit-mp")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--property", dest="properties", action="append")
    parser.add_argument("--crystals", type=int, default=200)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    options = parser.parse_args(arguments)
    facts = machine.facts(torch.get_num_threads())
    predictor = load(options.model)
    split = Split.load(options.split)
    test = split.divide([item for item in read(options.data) if isinstance(item, Crystal)]).test
    card: dict[str, Any] = {
        "title": f"Explanations of {predictor.card.name}, checked on test crystals",
        **facts,
        "split": {"file": options.split.name, "hash": split.hash},
        "model": {"sha256": digest(path_of(options.model))},
        "draws": options.draws,
        "completeness": [],
        "use": [],
        "deletion": [],
    }
    for name in options.properties or ["formation_energy_per_atom", "band_gap", "bulk_modulus"]:
        explainer = Explainer(predictor, name)
        chosen = labelled(test, explainer.wanted.name, options.crystals)
        found, seconds = explained(explainer, chosen)
        card["completeness"].append(completeness(explainer.wanted, found, seconds))
        used = blocks_used([explanation.features.sum(0) for explanation in found])
        card["use"].append(
            {"property": name, "unit": space_of(explainer.wanted), **{use.name: round(use.share, 3) for use in used}}
        )
        card["deletion"] += deleted(explainer, chosen, options.draws)
        print(card["completeness"][-1], card["use"][-1], *card["deletion"][-10:], sep="\n")
    with replacing(options.out / f"explain-{predictor.card.name}.json") as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def labelled(crystals: Sequence[Crystal], name: str, count: int) -> list[Crystal]:
    """Return a random choice of the crystals that have a label."""
    order = np.random.default_rng(0).permutation(len(crystals))
    return list(islice((crystals[i] for i in order if np.isfinite(crystals[i].targets.get(name, np.nan))), count))


def explained(explainer: Explainer, crystals: Sequence[Crystal]) -> tuple[list[Explanation], list[float]]:
    """Return explanations and the processor's seconds for each."""
    found, seconds = [], []
    for crystal in crystals:
        start = time.process_time()
        found.append(explainer.explain(crystal))
        seconds.append(time.process_time() - start)
    return found, seconds


def completeness(wanted: Property, found: Sequence[Explanation], seconds: Sequence[float]) -> dict[str, Any]:
    """Return how nearly attributions add up, and what that took."""
    errors = np.array([abs(explanation.residual) for explanation in found])
    relative = errors / np.array([explanation.scale for explanation in found])
    median, most = np.quantile(relative, [0.5, 0.99])
    return {
        "property": wanted.name,
        "unit": space_of(wanted),
        "crystals": len(found),
        "median_relative_error": round(float(median), 6),
        "relative_error_99_percent": round(float(most), 6),
        "largest_relative_error": round(float(relative.max()), 6),
        "largest_error": round(float(errors.max()), 6),
        "above_1_percent": int((relative > 0.01).sum()),
        "median_steps": int(np.median([explanation.steps for explanation in found])),
        "median_seconds": round(float(np.median(seconds)), 3),
        "mean_seconds": round(float(np.mean(seconds)), 3),
    }


def deleted(explainer: Explainer, crystals: Sequence[Crystal], draws: int) -> list[dict[str, Any]]:
    """Return the deletion curves of features and atoms, and of the error where labels are known."""
    wanted = explainer.wanted
    truth = np.array([crystal.targets.get(wanted.name, np.nan) for crystal in crystals], float)
    if wanted.transform == "log10":
        truth = np.log10(np.where(truth > 0, truth, np.nan))
    rows = []
    for what, found in deletions(explainer, crystals, draws=draws).items():
        pairs = zip(advantages(found), advantages(found, truth), strict=True)
        for moved, worse in ((moved, worse) for moved, worse in pairs if moved.crystals > 1):
            rows.append(
                {
                    "property": wanted.name,
                    "replaced": what,
                    "k": moved.size,
                    "crystals": moved.crystals,
                    **{
                        field: round(getattr(moved, field), 4)
                        for field in ("top", "random", "difference", "low", "high")
                    },
                    **{
                        f"{field}_error": round(getattr(worse, field), 4)
                        for field in ("top", "random", "difference", "low", "high")
                    },
                }
            )
    return rows


if __name__ == "__main__":
    main()
