"""From DFT to the laboratory: how far a few measured labels correct models of DFT, way by way and label by label.

    python -m benchmarks.studies.experiment --data ../shared/data --arms line "start cryskit-mp" --sizes 10 30 100 300 1000

Six draws: reduced formulas are dealt into six parts, and each part is the test part once, so no polymorph or duplicate crosses and
every crystal is judged once. Of the other five parts the first labels of a random order train, as many as asked for or as
there are. A fifth of them, by formula, chooses: the epoch of a network, and the two ways whose mean is taken
(`experiment_card`); regressions choose their settings by cross-validation within the labels and are fitted to all of them. Networks learn
the gap and the enthalpy together. Every run leaves a file in `--runs` and is not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.svm import SVR

from benchmarks.studies.experiment_draws import DRAWS, MODEL, Study, draws, known, physical, rows_of
from benchmarks.studies.experiment_networks import NETWORKS, fine_tuned
from cryskit.atomic_write import write_json
from cryskit.cli.memory import keep_pages
from cryskit.predict.card import read_card
from cryskit.predict.published import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.studies.experiment_draws import Draw

SIZES = (10, 30, 100, 300, 1000)
_FOLDS = 5
_MANY = 300  # labels from which two folds choose the settings of a regression
_GRID = {"C": [3.0, 10.0], "gamma": [0.0007, 0.002]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiment"), help="folder of the runs")
    parser.add_argument("--arms", nargs="+", choices=[*REGRESSIONS, *NETWORKS], default=[*REGRESSIONS])
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=SIZES, help="measured labels")
    parser.add_argument("--draws", nargs="+", type=int, choices=range(DRAWS), default=range(DRAWS))
    asked = parser.parse_args(arguments)
    keep_pages()
    torch.set_num_threads(1)
    asked.runs.mkdir(parents=True, exist_ok=True)
    study = Study(asked.data, asked.runs)
    every = draws(study.crystals)
    for size in asked.sizes:
        for arm in asked.arms:
            for draw in asked.draws:
                path = asked.runs / f"{arm.replace(', ', '-').replace(' ', '-')}-{size}-{draw}.json"
                if path.exists():
                    continue
                started = time.process_time()
                found = run(study, arm, size, every[draw], draw)
                seconds = round(time.process_time() - started, 1)
                write_json({"arm": arm, "size": size, "draw": draw, "cpu_seconds": seconds, **found}, path)
                errors = {name: round(_error(study, name, rows["test"]), 4) for name, rows in found["values"].items()}
                print(arm, size, draw, seconds, json.dumps(errors), flush=True)


def run(study: Study, arm: str, size: int, draw: Draw, seed: int) -> dict[str, Any]:
    """Return what a way predicts for the crystals that choose and that test, by property."""
    if arm in NETWORKS:
        return fine_tuned(study, NETWORKS[arm], size, draw, seed)
    values = {}
    for column, name in enumerate(study.names):
        used, test = known(study, draw, size, column)
        found = REGRESSIONS[arm](study, column, used, test)
        values[name] = {part: rows_of(study, at, found) for part, at in (("choose", used), ("test", test))}
    return {"values": values}


def _line(study: Study, column: int, used: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return predictions of a straight line through those of the model of DFT."""
    dft = study.dft[:, column : column + 1]
    return _fitted(study, column, dft, used, test, Ridge(1e-3), {}, difference=False)


def _ridge(study: Study, column: int, used: np.ndarray, test: np.ndarray) -> np.ndarray:
    inputs = _inputs(study, used, (MODEL,))
    return _fitted(study, column, inputs, used, test, Ridge(), {"alpha": np.logspace(0, 4, 9)})


def _svr(
    study: Study,
    column: int,
    used: np.ndarray,
    test: np.ndarray,
    models: Sequence[str] = (MODEL,),
    *,
    difference: bool = True,
) -> np.ndarray:
    inputs = _inputs(study, used, models)
    return _fitted(study, column, inputs, used, test, SVR(epsilon=0.02), _GRID, difference=difference)


REGRESSIONS: Mapping[str, Callable[[Study, int, np.ndarray, np.ndarray], np.ndarray]] = {
    "line": _line,
    "ridge of the difference": _ridge,
    "SVR of the difference": _svr,
    "SVR of the difference, three models": partial(_svr, models=(MODEL, "crysae", "crysxpp")),
    "SVR of the label": partial(_svr, difference=False),
}
"""Ways that train no network, by name."""


def _inputs(study: Study, used: np.ndarray, models: Sequence[str]) -> np.ndarray:
    """Return vectors and predictions of models, standardised over the labels in use; predictions count double."""
    parts = []
    for model in models:
        parts.append(_standardised(study.vectors(model), used))
        if read_card(path_of(model)).properties:
            parts.append(2 * _standardised(study.predicted(model), used))
    return np.concatenate(parts, axis=1)


def _standardised(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    deviation = values[used].std(0)
    return (values - values[used].mean(0)) / np.where(deviation > 1e-6, deviation, 1)


def _fitted(
    study: Study,
    column: int,
    inputs: np.ndarray,
    used: np.ndarray,
    test: np.ndarray,
    kind: Any,
    grid: Mapping[str, Any],
    *,
    difference: bool = True,
) -> np.ndarray:
    """Return predictions of a regression: for the labels in use those of fits without their fold of formulas, for tests that of all."""
    base = study.dft[:, column] if difference else np.zeros(len(inputs))
    wanted, groups = study.labels[:, column] - base, study.formulas[used]
    folded = GroupKFold(min(_FOLDS, len(set(groups))))
    search = GridSearchCV(
        kind, dict(grid), scoring="neg_mean_absolute_error", cv=folded if len(used) < _MANY else GroupKFold(2)
    )
    best = search.fit(inputs[used], wanted[used], groups=groups).best_estimator_
    found = np.full(len(inputs), np.nan)
    found[test] = best.predict(inputs[test])
    found[used] = cross_val_predict(best, inputs[used], wanted[used], groups=groups, cv=folded)
    return physical(study.names[column], found + base)


def _error(study: Study, name: str, rows: Mapping[str, float]) -> float:
    truth = {c.id: c.targets[name] for c in study.crystals if name in c.targets}
    return float(np.mean([abs(value - truth[each]) for each, value in rows.items()]))


if __name__ == "__main__":
    main()
