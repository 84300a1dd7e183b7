"""Which regressor, on which vectors, with which settings: chosen by cross-validation within the training rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from cryskit.small_data.folds import folds_of, some, without
from cryskit.small_data.regressors import KINDS, Space, rescaled
from cryskit.small_data.table import physical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from cryskit.small_data.sources import Vectors
    from cryskit.small_data.table import Table

INNER = 4
"""Number of inner folds."""
SEARCHED = 1200
"""Most rows on which settings are chosen; the chosen regressor is fitted to all."""
PICKS = 4
"""Most picks of the frozen mean, a candidate counted as often as it is picked."""

_WORTH = 0.995  # factor by which another pick has to lower the error
_FIRST = "kernel ridge"  # the cheap kind by which the transform is chosen
_DEAR = frozenset({"boosted trees"})  # kinds that are tried on the best vectors only


class Candidate(NamedTuple):
    """A regressor on the vectors of frozen encoders.

    Attributes:
        view: Name of the encoder, or of several joined.
        kind: Kind of regressor.
        settings: Settings that the inner folds chose.
        error: Mean absolute error of the inner folds, on the scale on which errors are counted.
    """

    view: str
    kind: str
    settings: dict[str, float]
    error: float

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.view}, {self.kind}"


@dataclass(frozen=True)
class Choice:
    """What the inner folds of some training rows chose.

    Attributes:
        transform: Transform under which the property is learned.
        candidates: Each kind on each vectors with its best settings, the best first.
        shares: Position of a candidate to its share in the mean of the best.
        error: Mean absolute error of that mean on the inner folds.
    """

    transform: str
    candidates: tuple[Candidate, ...]
    shares: dict[int, float]
    error: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` reads."""
        shares = {str(position): share for position, share in self.shares.items()}
        return {**vars(self), "candidates": [list(one) for one in self.candidates], "shares": shares}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Choice:
        """Return a choice from plain values."""
        shares = {int(position): share for position, share in values["shares"].items()}
        return cls(**values | {"candidates": tuple(Candidate(*one) for one in values["candidates"]), "shares": shares})


def choose(
    table: Table,
    vectors: Vectors,
    rows: np.ndarray,
    seed: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Choice:
    """Choose transform, vectors, regressor and settings by cross-validation within some rows.

    Args:
        table: The table.
        vectors: Vectors of all its crystals.
        rows: The training rows; no other label is looked at.
        seed: Seed of the inner folds.
        seconds: Time after which no further candidate is begun.
        clock: Function that gives the seconds that are budgeted.
    """
    end = clock() + seconds
    rows = some(rows, table.groups, SEARCHED, seed)
    folds = [np.searchsorted(rows, rows[fold]) for fold in folds_of(table.groups[rows], INNER, seed)]
    inner = _Inner(table, rows, folds)
    points = {view: _points(vectors[view][rows]) for view in vectors.views[:1]}
    first = [inner.best(_FIRST, vectors.views[0], points[vectors.views[0]], each) for each in table.transforms]
    transform = table.transforms[int(np.argmin([candidate.error for candidate, _ in first]))]
    found = [first[table.transforms.index(transform)]]
    for view, kind in _order(vectors.views):
        if found and clock() > end and len(found) > 1:
            break
        if (view, kind) != (vectors.views[0], _FIRST):
            points.setdefault(view, _points(vectors[view][rows]))
            found.append(inner.best(kind, view, points[view], transform))
    best = min(found, key=lambda one: one[0].error)[0].view
    if clock() < end:
        found.extend(inner.best(kind, best, points[best], transform) for kind in _DEAR)
    found.sort(key=lambda one: one[0].error)
    shares, error = _mean_of_best(table, rows, [values for _, values in found], transform)
    return Choice(transform, tuple(candidate for candidate, _ in found), shares, error)


def _order(views: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield vectors and kinds, the most promising first."""
    kinds = [kind for kind in KINDS if kind not in _DEAR]
    for kind in sorted(kinds, key=lambda kind: kind == "ridge"):
        for view in views:
            yield view, kind


def _points(vectors: np.ndarray) -> np.ndarray:
    """Return the principal components of vectors."""
    return Space.of(vectors)(vectors)


class _Inner:
    """The inner folds of some rows.

    Args:
        table: The table.
        rows: The rows that are divided.
        folds: Positions in `rows` of each fold.
    """

    def __init__(self, table: Table, rows: np.ndarray, folds: Sequence[np.ndarray]) -> None:
        self._table, self._rows, self._folds = table, rows, folds

    def best(self, kind: str, view: str, points: np.ndarray, transform: str) -> tuple[Candidate, np.ndarray]:
        """Return a kind with its best settings on the inner folds, and its predictions there, as they are learned."""
        found = [self._judged(kind, settings, points, transform) for settings in KINDS[kind].grid(points)]
        error, settings, values = min(found, key=lambda one: one[0])
        return Candidate(view, kind, settings, error), values

    def _judged(
        self, kind: str, settings: dict[str, float], points: np.ndarray, transform: str
    ) -> tuple[float, dict[str, float], np.ndarray]:
        labels = self._table.learned(transform)[self._rows]
        values, every = np.empty(len(labels)), np.arange(len(labels))
        for fold in self._folds:
            kept = without(every, fold)
            mean, deviation = scale_of(labels[kept])
            estimator = KINDS[kind].fitted(settings, points[kept], (labels[kept] - mean) / deviation)
            values[fold] = estimator.predict(points[fold]) * deviation + mean
        return error_of(self._table, self._rows, values, transform), settings, values


def scale_of(labels: np.ndarray) -> tuple[float, float]:
    """Return mean and deviation of labels; the deviation is never zero."""
    return float(labels.mean()), float(labels.std()) or 1.0


def error_of(table: Table, rows: np.ndarray, learned: np.ndarray, transform: str) -> float:
    """Return the mean absolute error of predictions, on the scale on which errors are counted.

    Args:
        table: The table.
        rows: The rows that were predicted.
        learned: The predictions, as they are learned.
        transform: Transform under which they are learned.
    """
    return float(errors_of(table, rows, physical(learned, transform)).mean())


def errors_of(table: Table, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the absolute error of each prediction, on the scale on which errors are counted.

    Args:
        table: The table.
        rows: The rows that were predicted.
        values: The predictions, in the unit of the property.
    """
    found: np.ndarray = np.abs(table.judged(values) - table.judged(table.values[rows]))
    return found


def _mean_of_best(
    table: Table, rows: np.ndarray, predictions: Sequence[np.ndarray], transform: str
) -> tuple[dict[int, float], float]:
    """Return the shares of a mean that is made greedily, and its error on the inner folds.

    Args:
        table: The table.
        rows: The rows that were predicted.
        predictions: Inner predictions of each candidate, the best first.
        transform: Transform under which they are learned.
    """
    picked, error = [0], error_of(table, rows, predictions[0], transform)
    while len(picked) < PICKS:
        sums = sum(predictions[one] for one in picked)
        errors = [error_of(table, rows, (sums + each) / (len(picked) + 1), transform) for each in predictions]
        if min(errors) > _WORTH * error:
            break
        error = min(errors)
        picked.append(int(np.argmin(errors)))
    return {one: picked.count(one) / len(picked) for one in sorted(set(picked))}, error


class Part(NamedTuple):
    """A candidate that was fitted.

    Attributes:
        candidate: What it is.
        share: Its share in the mean of the best.
        config: Registry name and sizes of its module.
        module: The function from vectors to what is learned.
    """

    candidate: Candidate
    share: float
    config: dict[str, Any]
    module: nn.Module

    @torch.inference_mode()
    def predict(self, vectors: Vectors, rows: np.ndarray) -> np.ndarray:
        """Return what it predicts for some rows, as it is learned."""
        found: np.ndarray = self.module(torch.from_numpy(vectors[self.candidate.view][rows])).numpy()
        return found


def fitted(table: Table, vectors: Vectors, rows: np.ndarray, choice: Choice, *, every: bool = False) -> list[Part]:
    """Fit chosen candidates to rows.

    Args:
        table: The table.
        vectors: Vectors of all its crystals.
        rows: The training rows.
        choice: What the inner folds chose.
        every: Whether all candidates are fitted, for comparison, and not only those of the mean.
    """
    labels = table.learned(choice.transform)[rows]
    mean, deviation = scale_of(labels)
    spaces: dict[str, Space] = {}
    parts = []
    for position, candidate in enumerate(choice.candidates):
        share = choice.shares.get(position, 0.0)
        if not (share or every):
            continue
        found = vectors[candidate.view][rows]
        if candidate.view not in spaces:
            spaces[candidate.view] = Space.of(found)
        space = spaces[candidate.view]
        kind = KINDS[candidate.kind]
        estimator = kind.fitted(candidate.settings, space(found), (labels - mean) / deviation)
        config, module = kind.module(estimator, space)
        parts.append(Part(candidate, share, config, rescaled(module, mean, deviation)))
    return parts


def mean_of(parts: Sequence[Part], vectors: Vectors, rows: np.ndarray) -> np.ndarray:
    """Return the mean of the best for some rows, as it is learned."""
    found: np.ndarray = np.sum([part.share * part.predict(vectors, rows) for part in parts if part.share], axis=0)
    return found
