"""What nested cross-validation says of models of a class: logits of rows that a model has not seen, and figures with their deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryskit.evaluate.class_metrics import class_metrics
from cryskit.predict.classes import calibrate, class_prediction, softmax
from cryskit.small_data.folds import without
from cryskit.small_data.judge import FIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.small_data.job import Figures
    from cryskit.small_data.table import Table
    from cryskit.types import ClassPrediction, Property

GUESS_CLASS = "most frequent class"
"""Name of the guess that models are compared with: the frequencies of the classes as the probabilities of every crystal."""

_WITHIN = frozenset(
    {"roc_auc"}
)  # figures that compare rows, which are those of one model: the mean over folds is taken


@dataclass(frozen=True)
class JudgedClasses:
    """What the outer folds say.

    Attributes:
        folds: The rows of each outer fold.
        labels: (n,) the numbers of the classes.
        wanted: The property.
        logits: Name of what is judged to its (n, classes) logits of rows that it has not seen; NaN where it was not tried in the fold.
        predictions: What the fit predicts of each row, with temperature and sets that were calibrated on the other folds.
    """

    folds: list[np.ndarray]
    labels: np.ndarray
    wanted: Property
    logits: dict[str, np.ndarray]
    predictions: list[ClassPrediction]

    def figures(self) -> Figures:
        """Return the figures of merit of everything that was tried in every fold, with their deviations over folds."""
        found = {FIT: self._of(self.predictions)}
        for name, logits in self.logits.items():
            if name != FIT and np.isfinite(logits).all():
                found[name] = self._of([class_prediction(self.wanted.classes, one) for one in softmax(logits)])
        return found

    def metrics(self) -> dict[str, float]:
        """Return the figures of merit of the fit."""
        return {name: value for name, (value, _) in self._of(self.predictions).items()}

    def _of(self, predictions: Sequence[ClassPrediction]) -> dict[str, tuple[float, float | None]]:
        """Return figures of merit and their deviations over the folds that have them."""
        whole = class_metrics(predictions, self.labels.tolist(), self.wanted)
        parts = [
            class_metrics([predictions[row] for row in fold], self.labels[fold].tolist(), self.wanted)
            for fold in self.folds
        ]
        found: dict[str, tuple[float, float | None]] = {}
        for name, value in whole.items():
            values = [part[name] for part in parts if name in part]
            several = len(values) > 1
            if name not in _WITHIN:
                found[name] = value, float(np.std(values)) if several else None
            elif several:
                found[name] = float(np.mean(values)), float(np.std(values))
        return found


def judged_classes(
    table: Table, folds: Sequence[np.ndarray], values: Sequence[Mapping[str, np.ndarray]]
) -> JudgedClasses:
    """Return what the outer folds say, from the logits of each.

    Args:
        table: The table.
        folds: Rows of the outer folds.
        values: Name of what is judged to the (rows, classes) logits of the rows of a fold, for each fold.
    """
    labels, classes = table.numbers, table.wanted.classes
    frequencies = np.bincount(labels, minlength=len(classes)) / len(labels)
    logits = {GUESS_CLASS: np.tile(np.log(frequencies), (len(labels), 1))}
    for fold, found in zip(folds, values, strict=True):
        for name, each in found.items():
            logits.setdefault(name, np.full((len(labels), len(classes)), np.nan))[fold] = each
    predictions: dict[int, ClassPrediction] = {}
    for fold in folds:
        rest = without(np.arange(len(labels)), fold)
        known = calibrate(logits[FIT][rest], labels[rest])
        for row, one in zip(fold.tolist(), softmax(logits[FIT][fold], known.temperature), strict=True):
            predictions[row] = class_prediction(classes, one, known.thresholds)
    return JudgedClasses(list(folds), labels, table.wanted, logits, [predictions[row] for row in range(len(labels))])
