"""Whether the intervals of a model keep their word on crystals that nothing was fitted to, and write a result card.

    python -m benchmarks.studies.intervals --model cryskit-mp --data runs/corpus/labelled.parquet --split benchmarks/splits/corpus.json \
        --new benchmarks/splits/corpus-new.json

Intervals are fitted here to the calibration part of the split alone (the published model is calibrated on its test part, too) and
judged on the test crystals: those with formulas of the older table, and those with new formulas. Then they are fitted again, to 500
crystals with new formulas, and judged on the others. Beside them stand intervals of one width for all crystals, the quantile of the
errors of the calibration crystals. Widths are on the scale on which a property is learned.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from benchmarks.studies.scales import learned
from cryskit.atomic_write import write_json
from cryskit.data.read import read
from cryskit.data.splits import Split, make
from cryskit.evaluate.coverage import rank_correlation
from cryskit.evaluate.evaluate import Evaluation, evaluate
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.training.calibrate import calibrate, calibrated
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Property

LEVELS = (0.5, 0.8, 0.9, 0.95)
AGAIN = 500
"""Crystals with new formulas to which intervals are fitted again."""
_FEWEST = 100  # labels that a property needs to be judged


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, judge and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cryskit-mp")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument(
        "--new", required=True, type=Path, help="split whose test part are the crystals with new formulas"
    )
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    options = parser.parse_args(arguments)
    facts = machine.facts(torch.get_num_threads())
    crystals = [item for item in read(options.data) if isinstance(item, Crystal)]
    divided = Split.load(options.split).divide(crystals)
    new = set(Split.load(options.new).test)
    known = [c for c in divided.test if c.id not in new]
    others = [c for c in divided.test if c.id in new]
    again = make(others, "formula", fractions=(AGAIN / len(others), 0.0, 1 - AGAIN / len(others)), seed=0).divide(
        others
    )
    predictor = load(options.model)
    begun = time.perf_counter()
    calibrated(predictor, calibrate(predictor, divided.train, divided.calibration), "calibration part")
    fitted = time.perf_counter() - begun
    constant = _constant(predictor, divided.calibration)
    card: dict[str, Any] = {
        "title": f"Intervals of {predictor.card.name} on crystals that nothing was fitted to",
        **facts,
        "data": Path(options.data).name,
        "split": {"file": options.split.name, "calibration": len(divided.calibration)},
        "model": {"version": predictor.card.version, "sha256": digest(path_of(options.model))},
        "seconds_to_fit": round(fitted, 1),
        "bytes": sum(t.numel() * t.element_size() for t in predictor.reliability.state_dict().values()),
        "test": {},
    }
    for name, part in (("known formulas", known), ("new formulas", others)):
        card["test"][name] = _figures(predictor, part, constant)
        print(name, card["test"][name])
    calibrated(predictor, calibrate(predictor, [], again.train), "new formulas")
    card["fitted again"] = {"crystals": len(again.train), "test": _figures(predictor, again.test, constant)}
    print("fitted again", card["fitted again"])
    write_json(card, options.out / f"intervals-{predictor.card.name}.json")


def _constant(predictor: Predictor, crystals: Sequence[Crystal]) -> dict[str, float]:
    """Return half the width of intervals of one width for all crystals, by property, on its learned scale."""
    judged = evaluate(predictor, crystals)
    found = {}
    for wanted in _judged(predictor, judged):
        errors = np.sort(np.abs(_differences(judged, wanted)))
        found[wanted.name] = float(errors[int(np.ceil(0.9 * (len(errors) + 1))) - 1])
    return found


def _figures(predictor: Predictor, crystals: Sequence[Crystal], constant: dict[str, float]) -> dict[str, Any]:
    """Return for each property the figures of its intervals on crystals."""
    judged = {level: evaluate(predictor, crystals, interval=level) for level in LEVELS}
    found: dict[str, Any] = {}
    for wanted in _judged(predictor, judged[0.9]):
        if wanted.name not in constant:
            continue
        errors, width = np.abs(_differences(judged[0.9], wanted)), _widths(judged[0.9], wanted)
        found[wanted.name] = {
            "crystals": len(errors),
            "coverage": {
                str(level): _round(each.coverage[wanted.name]["all"]["coverage"]) for level, each in judged.items()
            },
            "width": _round(width.mean()),
            "median width": _round(float(np.median(width))),
            "rank correlation": _round(rank_correlation(width, errors)),
            "kinds": {
                kind: {"crystals": row["crystals"], "coverage": _round(row["coverage"])}
                for kind, row in judged[0.9].coverage[wanted.name].items()
            },
            "one width": {
                "coverage": _round((errors <= constant[wanted.name]).mean()),
                "width": _round(_one_width(judged[0.9], wanted, constant[wanted.name])),
            },
        }
    return found


def _judged(predictor: Predictor, judged: Evaluation) -> list[Property]:
    labelled = {p.name: int(judged.table[f"{p.name}_true"].notna().sum()) for p in predictor.card.properties}
    return [p for p in predictor.card.properties if labelled[p.name] >= _FEWEST and p.name in judged.coverage]


def _differences(judged: Evaluation, wanted: Property) -> np.ndarray:
    found: np.ndarray = learned(wanted, judged.table[wanted.name]) - learned(
        wanted, judged.table[f"{wanted.name}_true"]
    )
    return found[np.isfinite(found)]


def _widths(judged: Evaluation, wanted: Property) -> np.ndarray:
    truth = learned(wanted, judged.table[f"{wanted.name}_true"])
    width: np.ndarray = learned(wanted, judged.table[f"{wanted.name}_hi"]) - learned(
        wanted, judged.table[f"{wanted.name}_lo"]
    )
    return width[np.isfinite(truth)]


def _one_width(judged: Evaluation, wanted: Property, half: float) -> float:
    """Return the mean width of intervals of one width, which end at 0 where the property does."""
    values = learned(wanted, judged.table[wanted.name])[
        np.isfinite(learned(wanted, judged.table[f"{wanted.name}_true"]))
    ]
    low = values - half
    if wanted.transform == "none" and wanted.range[0] >= 0:
        low = np.maximum(low, 0.0)
    return float((values + half - low).mean())


def _round(value: float) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    main()
