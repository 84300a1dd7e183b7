"""Judge what `experiment` left in its folder, and write the card and the picture of its learning curves.

    python -m benchmarks.studies.experiment_card --data ../shared/data --corpus runs/corpus/labelled.parquet \
        --split benchmarks/splits/corpus.json --picture docs/methods/experiment.png

Every way is judged on the test crystals of all draws together, each crystal once. `unseen` is the part of them whose id and whose
cell (reduced formula, volume per atom within 5 %) no training on labels of DFT had. The mean of two is that of the ways with
the least error on the labels that choose, in each draw and size anew.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed import machine
from benchmarks.studies.experiment import DRAWS, MODEL, draws
from benchmarks.studies.joined_corpus import Held
from benchmarks.studies.measured import DFT_OF, measured
from cryskit import properties
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.plots.learning_curves import Point, plot_learning
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BEST = "mean of the two best"
_DFT, _MODEL = "DFT", "model of DFT"
_RESAMPLES = 1000
_TWO = 2
_DRAWN = (
    "line",
    "SVR of the difference",
    "scratch",
    "start crysae",
    "start crysgnn",
    "start crysxpp",
    f"start {MODEL}",
    BEST,
)

Runs = dict[tuple[str, int], dict[int, dict[str, Any]]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge every run and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--corpus", required=True, help="crystals with labels of DFT")
    parser.add_argument("--split", type=Path, required=True, help="split of the corpus; its training part was learned")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiment"), help="folder of the runs")
    parser.add_argument(
        "--picture",
        type=Path,
        help="file of the learning curve of the gap; -enthalpy is added to its name for the other",
    )
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    crystals = measured(asked.data)
    corpus = [row for row in read(asked.corpus) if isinstance(row, Crystal)]
    split = Split.load(asked.split)
    trained = set(split.train)
    new = unseen(crystals, [c for c in corpus if c.id in trained])
    runs = _runs(asked.runs)
    card: dict[str, Any] = {
        "title": "Measured band gaps and formation enthalpies from models of DFT",
        **machine.facts(1),
        "data": {"manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash},
        "model": {"name": MODEL, "sha256": digest(path_of(MODEL))},
        "draws": DRAWS,
        "properties": {},
    }
    labels = {c.id: c.targets for c in corpus}
    own = {p.id: p.values for p in load(MODEL).stream(crystals)}
    for name, old in DFT_OF.items():
        truth = {c.id: c.targets[name] for c in crystals if name in c.targets}
        fixed = {
            _DFT: {each: labels[each][old] for each in truth if old in labels.get(each, {})},
            _MODEL: {each: max(own[each][old], 0) if "gap" in name else own[each][old] for each in truth},
        }
        rows = [{"way": way, "labels": 0, **judged(values, truth, new)} for way, values in fixed.items()]
        tests = [{crystals[i].id for i in draw.test} for draw in draws(crystals)]
        card["properties"][name] = {
            "crystals": len(truth),
            "unseen": len(new & truth.keys()),
            "unit": properties.get(name).unit,
            "rows": rows + _curves(runs, name, truth, new),
            "tests": [len(part & truth.keys()) for part in tests],
        }
    write_json(card, asked.out / "experiment.json")
    if asked.picture:
        for name, path in zip(
            DFT_OF, (asked.picture, asked.picture.with_stem(f"{asked.picture.stem}-enthalpy")), strict=True
        ):
            plot(card["properties"][name], name, path)


def unseen(crystals: Iterable[Crystal], trained: Iterable[Crystal]) -> set[str]:
    """Return the ids of the crystals that are like no training crystal, by id and by cell.

    Args:
        crystals: The crystals.
        trained: Training crystals of models of DFT.
    """
    seen = Held(trained)
    return {crystal.id for crystal in crystals if crystal not in seen}


def judged(values: Mapping[str, float], truth: Mapping[str, float], new: set[str]) -> dict[str, Any]:
    """Return the error of predictions with its 95 % interval over crystals, overall and on unseen crystals.

    Args:
        values: Id of a crystal to its prediction.
        truth: Id to what was measured.
        new: Ids of unseen crystals.
    """
    errors = np.array([abs(value - truth[each]) for each, value in values.items()])
    fresh = np.array([each in new for each in values])
    resampled = np.random.default_rng(0).choice(errors, (_RESAMPLES, len(errors))).mean(1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    found = {
        "crystals": len(errors),
        "mae": errors.mean(),
        "mae_low": low,
        "mae_high": high,
        "median": np.median(errors),
    }
    if fresh.any():
        found |= {"unseen": int(fresh.sum()), "mae_unseen": errors[fresh].mean()}
    return {key: value if isinstance(value, int) else round(float(value), 4) for key, value in found.items()}


def mean_of_best(
    found: Mapping[str, Mapping[str, Mapping[str, float]]], truth: Mapping[str, float]
) -> tuple[tuple[str, ...], dict[str, float]]:
    """Return the two ways that err least on the labels that all of them were chosen by, and the mean of their predictions.

    Args:
        found: Name of a way to its predictions for the crystals that choose and for those that test.
        truth: Id of a crystal to what was measured.
    """
    common = set.intersection(*(set(each["choose"]) for each in found.values()))
    errors = {way: sum(abs(each["choose"][one] - truth[one]) for one in common) for way, each in found.items()}
    best = tuple(sorted(errors, key=lambda way: errors[way])[:_TWO])
    tests = [found[way]["test"] for way in best]
    return best, {each: sum(test[each] for test in tests) / len(tests) for each in tests[0]}


def plot(rows: Mapping[str, Any], name: str, path: Path) -> None:
    """Draw the learning curves of the main ways.

    Args:
        rows: What the card says of a property.
        name: Name of the property.
        path: PNG file to write.
    """
    curves: dict[str, list[Point]] = {}
    for way in _DRAWN:
        points = [row for row in rows["rows"] if row["way"] == way and row["draws"] == DRAWS]
        if len(points) > 1:
            curves[way] = [Point(row["labels"], row["mae"], row["deviation"]) for row in points]
    plot_learning(curves, name.replace("_", " "), rows["unit"], path)


def _runs(folder: Path) -> Runs:
    """Return way and size to draw to what was predicted."""
    found: Runs = defaultdict(dict)
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        found[run["arm"], run["size"]][run["draw"]] = run
    return found


def _curves(runs: Runs, name: str, truth: Mapping[str, float], new: set[str]) -> list[dict[str, Any]]:
    """Return the rows of every way and size, and of the mean of the two best where all draws have a choice."""
    rows = []
    for size in sorted({size for _, size in runs}):
        here = {way: found for (way, of), found in runs.items() if of == size}
        for way, found in here.items():
            tests = {draw: run["values"][name]["test"] for draw, run in found.items()}
            seconds = round(float(np.mean([run["cpu_seconds"] for run in found.values()])), 1)
            rows.append({"way": way, "labels": size, **_over_draws(tests, truth, new), "cpu_seconds": seconds})
        whole = {way: found for way, found in here.items() if len(found) == DRAWS}
        if len(whole) > _TWO:
            picked = {
                draw: mean_of_best({way: found[draw]["values"][name] for way, found in whole.items()}, truth)
                for draw in range(DRAWS)
            }
            tests = {draw: values for draw, (_, values) in picked.items()}
            taken = [list(best) for best, _ in picked.values()]
            rows.append({"way": BEST, "labels": size, **_over_draws(tests, truth, new), "taken": taken})
    return rows


def _over_draws(tests: Mapping[int, Mapping[str, float]], truth: Mapping[str, float], new: set[str]) -> dict[str, Any]:
    every = {each: value for test in tests.values() for each, value in test.items()}
    errors = [np.mean([abs(value - truth[each]) for each, value in test.items()]) for test in tests.values()]
    deviation = round(float(np.std(errors, ddof=1)), 4) if len(errors) > 1 else None
    return {"draws": len(tests), **judged(every, truth, new), "deviation": deviation}


if __name__ == "__main__":
    main()
