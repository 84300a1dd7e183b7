"""From DFT to the laboratory: how far a few measured labels correct models of DFT, way by way and label by label.

    python -m benchmarks.studies.experiment --data ../shared/data --arms line ridge svr --sizes 10 30 100 300 1000

Six draws: reduced formulas are dealt into six parts, and each part is the test part once, so no polymorph or duplicate crosses and
every crystal is judged once. Of the other five parts the first labels of a random order train, as many as asked for or as
there are. A fifth of them, by formula, chooses: the epoch of a network, and the two ways whose mean is taken
(`experiment_card`); regressions choose their settings by cross-validation within the labels and are fitted to all of them. Networks learn
the gap and the enthalpy together. Every run leaves a file in `--runs` and is not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.svm import SVR

from benchmarks.studies.measured import DFT_OF, measured, renamed
from cryskit import load, properties
from cryskit.atomic_write import write_json
from cryskit.batching import Batcher, with_targets
from cryskit.cli.memory import keep_pages
from cryskit.data.splits import folds
from cryskit.elements import formula
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.predict.card import digest, read_card
from cryskit.predict.published import path_of
from cryskit.registry import ENCODERS
from cryskit.training.fit import FewValidationCrystals, fit, seeded
from cryskit.training.plan import Optimisation
from cryskit.training.transfer import freeze, rates, transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Graph, GraphSpec, Property

DRAWS = 6
SIZES = (10, 30, 100, 300, 1000)
MODEL = "cryskit-mp"
"""The model of DFT that is corrected."""
_GAP = "band_gap_experimental"
_PASSES = {10: 20, 30: 20, 100: 15, 300: 10, 1000: 6}
_CHOOSING = 5  # a fifth of the labels
_FOLDS = 5
_MANY = 300  # labels from which two folds choose the settings of a regression
_EDGES = 4000
_RANDOM = "crysae"  # whose size a network with random weights has
_KEPT = 0.3  # weight of the loss of each property of DFT that is kept
_GRID = {"C": [3.0, 10.0], "gamma": [0.0007, 0.002]}


class Draw(NamedTuple):
    """Crystals of a draw by position: a random order of those that may train, and those that test."""

    order: np.ndarray
    test: np.ndarray


class Labels(NamedTuple):
    """Labels of a run: positions that train a network, that choose its epoch, and that test."""

    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray


class Network(NamedTuple):
    """How a network learns.

    Attributes:
        start: The published model it starts from; "" for random weights, of the size of crysae.
        heads: Whether it starts with the heads of DFT, too.
        delta: Whether it learns what was measured minus what the model of DFT predicts.
        keep: Whether it goes on learning what the model of DFT predicts, of the same crystals.
        rate: Highest learning rate.
        decay: Factor on the rate of a level for every level above it.
        frozen: Levels that stay as they are.
        passes: Factor on the number of passes.
    """

    start: str
    heads: bool = False
    delta: bool = False
    keep: bool = False
    rate: float = 1e-3
    decay: float = 1.0
    frozen: int = 0
    passes: float = 1.0


NETWORKS = {
    "scratch": Network("", rate=3e-3),
    "start crysae": Network("crysae"),
    "start crysgnn": Network("crysgnn"),
    "start crysxpp": Network("crysxpp", heads=True),
    "start cryskit-mp": Network(MODEL, heads=True),
    "start cryskit-mp, new heads": Network(MODEL),
    "start cryskit-mp, lower rate": Network(MODEL, heads=True, rate=3e-4),
    "start cryskit-mp, rates falling": Network(MODEL, heads=True, decay=0.6),
    "start cryskit-mp, half frozen": Network(MODEL, heads=True, frozen=3),
    "start cryskit-mp, DFT kept": Network(MODEL, heads=True, keep=True),
    "start cryskit-mp, twice as long": Network(MODEL, heads=True, passes=2.0),
    "start cryskit-mp, difference": Network(MODEL, delta=True),
}


class Study:
    """The crystals with their labels, vectors and graphs.

    Args:
        data: Folder of the tables.
        cache: Folder where vectors are kept.
    """

    def __init__(self, data: Path, cache: Path) -> None:
        self.crystals = measured(data)
        self.names = list(DFT_OF)
        self.labels = np.array([[c.targets.get(name, np.nan) for name in self.names] for c in self.crystals])
        self.formulas = np.array([formula(c.numbers) for c in self.crystals])
        self.cache = cache
        self.dft = self.predicted(MODEL)[:, [list(load(MODEL).properties).index(old) for old in DFT_OF.values()]]
        self._graphs: dict[GraphSpec, Graph] = {}

    def predicted(self, model: str) -> np.ndarray:
        """Return what a published model predicts for every crystal, in the order of its properties; moduli as logarithms."""
        return self._kept(model, "predictions", _predictions)

    def vectors(self, model: str) -> np.ndarray:
        """Return the vector that a published model gives every crystal."""
        return self._kept(
            model, "vectors", lambda found, crystals: np.stack(list(found.embed(list(crystals))["vector"]))
        )

    def graph(self, spec: GraphSpec) -> Graph:
        """Return the graph of all crystals."""
        if spec not in self._graphs:
            self._graphs[spec] = build(self.crystals, spec)
        return self._graphs[spec]

    def _kept(self, model: str, what: str, make: Callable[[Predictor, Sequence[Crystal]], np.ndarray]) -> np.ndarray:
        path = self.cache / f"{model}-{digest(path_of(model))[:8]}-{what}.npy"
        if not path.exists():
            np.save(path, make(load(model), self.crystals).astype(np.float32))
        return np.load(path, allow_pickle=False).astype(float)


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


def draws(crystals: Sequence[Crystal]) -> list[Draw]:
    """Return the draws; crystals of one reduced formula are on one side of each.

    Args:
        crystals: The crystals, in the order of their ids.
    """
    place = {crystal.id: position for position, crystal in enumerate(crystals)}
    parts = folds(crystals, DRAWS, "formula", validation=0)
    return [
        Draw(
            np.random.default_rng(number).permutation(sorted(place[each] for each in part.train)),
            np.array(sorted(place[each] for each in part.test)),
        )
        for number, part in enumerate(parts)
    ]


def chosen(study: Study, draw: Draw, size: int, columns: Sequence[int]) -> Labels:
    """Return which crystals train, choose and test where so many labels of each property are known.

    Args:
        study: The crystals.
        draw: The draw.
        size: Number of labels.
        columns: Columns of the properties.
    """
    known = np.isfinite(study.labels)
    first = [draw.order[known[draw.order, column]][:size] for column in columns]
    used = np.unique(np.concatenate(first))
    names = sorted(set(study.formulas[used]))
    choose = {names[i] for i in np.random.default_rng(size).permutation(len(names))[: max(1, len(names) // _CHOOSING)]}
    chooses = np.array([name in choose for name in study.formulas[used]])
    return Labels(used[~chooses], used[chooses], draw.test)


def run(study: Study, arm: str, size: int, draw: Draw, seed: int) -> dict[str, Any]:
    """Return what a way predicts for the crystals that choose and that test, by property."""
    if arm in NETWORKS:
        return _network(study, NETWORKS[arm], size, draw, seed)
    values = {}
    for column, name in enumerate(study.names):
        used, test = _of(study, draw, size, column)
        found = REGRESSIONS[arm](study, column, used, test)
        values[name] = {part: _rows(study, at, found) for part, at in (("choose", used), ("test", test))}
    return {"values": values}


def _of(study: Study, draw: Draw, size: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the labels of one property that are known, and of those that test."""
    known = np.isfinite(study.labels[:, column])
    return draw.order[known[draw.order]][:size], draw.test[known[draw.test]]


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
    return _physical(study.names[column], found + base)


def _network(study: Study, how: Network, size: int, draw: Draw, seed: int) -> dict[str, Any]:
    """Return what a network predicts; the crystals that choose the epoch do not train it."""
    part = chosen(study, draw, size, range(len(study.names)))
    learned, targets = _learned(study, how, _hidden(study, draw, size))
    optimisation = Optimisation(
        epochs=round(_PASSES[size] * how.passes), edges=_EDGES, rate=how.rate, averaging=0.99, seed=seed
    )
    model = load(how.start or _RANDOM)
    with seeded(seed), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FewValidationCrystals)
        encoder = ENCODERS.build(model.card.encoder)
        heads = PropertyHeads(encoder.width, learned)
        objective = PropertyObjective(encoder, heads, weights={p.name: _KEPT for p in learned[len(study.names) :]})
        slow = _started(how, model, encoder)
        graph = Batcher(with_targets(study.graph(encoder.needs), targets))
        parts = graph.take(part.train), graph.take(part.choose)
        heads.fit_scale(parts[0].targets)
        if how.heads:
            heads.take(renamed(model, DFT_OF).heads)
            heads.take(model.heads)
        fit(objective, *parts, optimisation, Path(folder), rates=slow)
    judging = np.concatenate([part.choose, part.test])
    found = np.full(study.labels.shape, np.nan)
    found[judging] = _values(objective, graph, judging)[:, : len(study.names)] + (
        study.dft[judging] if how.delta else 0
    )
    values = {
        name: {
            "choose": _rows(
                study, part.choose[np.isfinite(targets[part.choose, column])], _physical(name, found[:, column])
            ),
            "test": _rows(study, _of(study, draw, size, column)[1], _physical(name, found[:, column])),
        }
        for column, name in enumerate(study.names)
    }
    return {"values": values, "optimisation": optimisation.model_dump(mode="json"), "network": how._asdict()}


def _learned(study: Study, how: Network, labels: np.ndarray) -> tuple[list[Property], np.ndarray]:
    """Return the properties that a network learns, the measured ones first, and their targets, NaN where unknown."""
    measured_ones = [properties.get(name) for name in study.names]
    if how.delta:
        return [replace(p, range=(-np.inf, np.inf)) for p in measured_ones], labels - study.dft
    if not how.keep:
        return measured_ones, labels
    kept, own = load(MODEL).card.properties, study.predicted(MODEL)
    own = np.where([p.transform == "log10" for p in kept], 10**own, own)
    return [*measured_ones, *kept], np.concatenate([labels, own], axis=1)


def _started(how: Network, model: Predictor, encoder: Any) -> dict[str, float]:
    """Give an encoder the weights of the start, and return the factors on its rates."""
    if not how.start:
        return {}
    report = transfer(encoder, {f"encoder.{name}": value for name, value in model.encoder.state_dict().items()})
    freeze(encoder, how.frozen, report)
    return rates(encoder, how.decay, report)


def _hidden(study: Study, draw: Draw, size: int) -> np.ndarray:
    """Return the labels without those that are not among the known ones of their property."""
    kept = np.full(study.labels.shape, np.nan)
    for column in range(kept.shape[1]):
        used, _ = _of(study, draw, size, column)
        kept[used, column] = study.labels[used, column]
    return kept


@torch.inference_mode()
def _values(objective: PropertyObjective, graph: Batcher, rows: np.ndarray) -> np.ndarray:
    """Return predictions in the units of the properties."""
    heads = objective.supervision.heads
    cuts = np.array_split(rows, -(-len(rows) // 50))
    return np.concatenate([heads.physical(heads(objective.encoder(graph.take(at)).crystals)).numpy() for at in cuts])


def _physical(name: str, values: np.ndarray) -> np.ndarray:
    """Return predictions with gaps below zero at zero."""
    return np.maximum(values, 0) if name == _GAP else values


def _predictions(model: Predictor, crystals: Sequence[Crystal]) -> np.ndarray:
    table = model.predict(list(crystals))
    columns = [np.log10(table[p.name]) if p.transform == "log10" else table[p.name] for p in model.card.properties]
    return np.stack(columns, axis=1)


def _rows(study: Study, positions: np.ndarray, values: np.ndarray) -> dict[str, float]:
    return {study.crystals[at].id: round(float(values[at]), 5) for at in positions}


def _error(study: Study, name: str, rows: Mapping[str, float]) -> float:
    truth = {c.id: c.targets[name] for c in study.crystals if name in c.targets}
    return float(np.mean([abs(value - truth[each]) for each, value in rows.items()]))


if __name__ == "__main__":
    main()
