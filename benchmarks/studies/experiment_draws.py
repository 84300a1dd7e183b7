"""What the study of measured labels knows of its crystals, and which of them train, choose and test in each draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.studies.measured import DFT_OF, measured
from cryskit import load
from cryskit.data.splits import folds
from cryskit.elements import formula
from cryskit.graphs.build import build
from cryskit.predict.card import digest
from cryskit.predict.published import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Graph, GraphSpec

DRAWS = 6
MODEL = "cryskit-mp"
"""The model of DFT that is corrected."""
_GAP = "band_gap_experimental"
_CHOOSING = 5  # a fifth of the labels


class Draw(NamedTuple):
    """Crystals of a draw by position: a random order of those that may train, and those that test."""

    order: np.ndarray
    test: np.ndarray


class Labels(NamedTuple):
    """Labels of a run: positions that train a network, that choose its epoch, and that test."""

    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray


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
    first = [known(study, draw, size, column)[0] for column in columns]
    used = np.unique(np.concatenate(first))
    names = sorted(set(study.formulas[used]))
    choose = {names[i] for i in np.random.default_rng(size).permutation(len(names))[: max(1, len(names) // _CHOOSING)]}
    chooses = np.array([name in choose for name in study.formulas[used]])
    return Labels(used[~chooses], used[chooses], draw.test)


def known(study: Study, draw: Draw, size: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the labels of one property that are known, and of those that test.

    Args:
        study: The crystals.
        draw: The draw.
        size: Number of labels.
        column: Column of the property.
    """
    there = np.isfinite(study.labels[:, column])
    return draw.order[there[draw.order]][:size], draw.test[there[draw.test]]


def hidden(study: Study, draw: Draw, size: int) -> np.ndarray:
    """Return the labels without those that are not among the known ones of their property.

    Args:
        study: The crystals.
        draw: The draw.
        size: Number of labels.
    """
    kept = np.full(study.labels.shape, np.nan)
    for column in range(kept.shape[1]):
        used, _ = known(study, draw, size, column)
        kept[used, column] = study.labels[used, column]
    return kept


def physical(name: str, values: np.ndarray) -> np.ndarray:
    """Return predictions of a property, gaps below zero at zero.

    Args:
        name: Name of the property.
        values: Predictions, in its unit.
    """
    return np.maximum(values, 0) if name == _GAP else values


def _predictions(model: Predictor, crystals: Sequence[Crystal]) -> np.ndarray:
    table = model.predict(list(crystals))
    columns = [np.log10(table[p.name]) if p.transform == "log10" else table[p.name] for p in model.card.properties]
    return np.stack(columns, axis=1)


def rows_of(study: Study, positions: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Return ids with predictions.

    Args:
        study: The crystals.
        positions: Which of them.
        values: Predictions for all crystals.
    """
    return {study.crystals[at].id: round(float(values[at]), 5) for at in positions}
