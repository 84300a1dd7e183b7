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
import pandas as pd

from benchmarks.speed import machine
from benchmarks.studies.experiment_draws import DRAWS, MODEL, Study, physical
from benchmarks.studies.experiment_networks import NETWORKS
from benchmarks.studies.joined_corpus import Held
from benchmarks.studies.measured import DFT_OF
from cryskit import properties
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.elements import formula
from cryskit.plots.learning_curves import Point, plot_learning
from cryskit.predict.card import digest
from cryskit.predict.published import path_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BEST = "mean of the two best"
_DFT, _MODEL = "DFT", "model of DFT"
_RESAMPLES = 1000
_TWO = 2
_ENOUGH = 5  # draws
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
    parser.add_argument("--corpus", type=Path, required=True, help="crystals with labels of DFT")
    parser.add_argument("--split", type=Path, required=True, help="split of the corpus; its training part was learned")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiment"), help="folder of the runs")
    parser.add_argument(
        "--picture",
        type=Path,
        help="file of the learning curves; -band and -formation are added to its name",
    )
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    study = Study(asked.data, asked.runs)
    crystals = study.crystals
    alike = _alike(asked.corpus, crystals)
    split = Split.load(asked.split)
    trained = set(split.train)
    new = unseen(crystals, [c for c in alike if c.id in trained])
    runs = _runs(asked.runs)
    card: dict[str, Any] = {
        "title": "Measured band gaps and formation enthalpies from models of DFT",
        **machine.facts(1),
        "data": {"manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash},
        "model": {"name": MODEL, "sha256": digest(path_of(MODEL))},
        "draws": DRAWS,
    }
    labels = {c.id: c.targets for c in alike}
    rows: dict[str, list[dict[str, Any]]] = {}
    for column, (name, old) in enumerate(DFT_OF.items()):
        truth = {c.id: c.targets[name] for c in crystals if name in c.targets}
        own = dict(zip((c.id for c in crystals), physical(name, study.dft[:, column]).tolist(), strict=True))
        fixed = {
            _DFT: {each: labels[each][old] for each in truth if old in labels.get(each, {})},
            _MODEL: {each: own[each] for each in truth},
        }
        untrained = [{"way": way, "labels": 0, **judged(values, truth, new)} for way, values in fixed.items()]
        rows[name] = [*untrained, *_curves(runs, name, truth, new)]
        if asked.picture:
            plot(rows[name], name, asked.picture.with_stem(f"{asked.picture.stem}-{old.split('_')[0]}"))
    card |= {f"{_shown(name)}, by number of measured labels": _by_size(found) for name, found in rows.items()}
    card[f"most labels, at least five draws; unseen by DFT: {len(new)} of {len(crystals)} crystals"] = _most(rows)
    card["first draw only"] = _first(rows)
    write_json(card, asked.out / "experiment.json")


def _alike(corpus: Path, crystals: Sequence[Crystal]) -> list[Crystal]:
    """Return the crystals of a corpus that share their id or their formula with one of some others."""
    table = pd.read_parquet(corpus)
    ids, names = {c.id for c in crystals}, {formula(c.numbers) for c in crystals}
    shared = table["atomic_numbers"].map(lambda numbers: formula(np.asarray(numbers)) in names)
    return [row for row in read(table[shared | table["id"].isin(ids)]) if isinstance(row, Crystal)]


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


def plot(rows: Sequence[Mapping[str, Any]], name: str, path: Path) -> None:
    """Draw the learning curves of the main ways.

    Args:
        rows: Errors of every way and size.
        name: Name of the property.
        path: PNG file to write.
    """
    curves: dict[str, list[Point]] = {}
    for way in _DRAWN:
        points = [row for row in rows if row["way"] == way and _is_whole(row) and row["labels"]]
        if points:
            curves[way] = [Point(row["labels"], row["mae"], row["deviation"]) for row in points]
    plot_learning(curves, name.replace("_", " "), properties.get(name).unit, path)


def _shown(name: str) -> str:
    """Return a property and its unit in words."""
    return f"{name.removesuffix('_experimental').replace('_', ' ')}, {properties.get(name).unit}"


def _is_whole(row: Mapping[str, Any]) -> bool:
    """Return whether a row is of enough draws to be compared."""
    return len(row.get("by_draw", range(DRAWS))) >= _ENOUGH


def _by_size(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return one row per way with its error at each size, the mean over crystals and the deviation over draws."""
    table: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        spread = ""
        if row["labels"]:
            draws = len(row["by_draw"])
            spread = f" ± {row['deviation']:.3f}" if _is_whole(row) else ""
            spread += f" ({draws} of {DRAWS} draws)" if draws < DRAWS else ""
        table[row["way"]][f"{row['labels']} labels" if row["labels"] else "no label"] = f"{row['mae']:.3f}{spread}"
    return [{"predicted by": way, **found} for way, found in table.items()]


def _most(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the errors with their intervals of what needs no label and of all ways at most labels."""
    return [
        {
            "property": _shown(name),
            "predicted by": row["way"],
            "draws": len(row.get("by_draw", ())) or None,
            "MAE": row["mae"],
            "95 % interval": f"{row['mae_low']:.3f} to {row['mae_high']:.3f}",
            "median": row["median"],
            "crystals": row["crystals"],
            "MAE, unseen by DFT": row.get("mae_unseen"),
            "crystals unseen": row.get("unseen"),
        }
        for name, found in rows.items()
        for row in found
        if row["labels"] in {0, max(each["labels"] for each in found)} and _is_whole(row)
    ]


def _first(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the errors on the first draw, on which every way was run, at the sizes that networks were run at."""
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, found in rows.items():
        sizes = {row["labels"] for row in found if row["way"] in NETWORKS}
        for row in found:
            if row["labels"] in sizes and 0 in row.get("by_draw", ()):
                table[row["way"]][f"{_shown(name)}, {row['labels']} labels"] = row["by_draw"][0]
    return [{"predicted by": way, **errors} for way, errors in table.items()]


def _runs(folder: Path) -> Runs:
    """Return way and size to draw to what was predicted."""
    found: Runs = defaultdict(dict)
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        found[run["arm"], run["size"]][run["draw"]] = run
    return found


def _curves(runs: Runs, name: str, truth: Mapping[str, float], new: set[str]) -> list[dict[str, Any]]:
    """Return the rows of every way and size, and of the mean of the two best where all draws have a choice.

    Args:
        runs: Way and size to draw to what was predicted.
        name: Name of the property.
        truth: Id of a crystal to what was measured.
        new: Ids of unseen crystals.
    """
    rows = []
    for size in sorted({size for _, size in runs}):
        here = {way: found for (way, of), found in runs.items() if of == size}
        for way, found in here.items():
            tests = {draw: run["values"][name]["test"] for draw, run in found.items()}
            seconds = round(float(np.mean([run["cpu_seconds"] for run in found.values()])), 1)
            rows.append({"way": way, "labels": size, **_over_draws(tests, truth, new), "cpu_seconds": seconds})
        drawn = {
            draw: {way: found[draw]["values"][name] for way, found in here.items() if draw in found}
            for draw in range(DRAWS)
        }
        if all(len(found) > _TWO for found in drawn.values()):
            tests = {draw: mean_of_best(found, truth)[1] for draw, found in drawn.items()}
            rows.append({"way": BEST, "labels": size, **_over_draws(tests, truth, new)})
    return rows


def _over_draws(tests: Mapping[int, Mapping[str, float]], truth: Mapping[str, float], new: set[str]) -> dict[str, Any]:
    every = {each: value for test in tests.values() for each, value in test.items()}
    errors = {
        draw: round(float(np.mean([abs(value - truth[each]) for each, value in test.items()])), 4)
        for draw, test in sorted(tests.items())
    }
    deviation = round(float(np.std(list(errors.values()), ddof=1)), 4) if len(errors) > 1 else None
    return {**judged(every, truth, new), "deviation": deviation, "by_draw": errors}


if __name__ == "__main__":
    main()
