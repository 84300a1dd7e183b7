"""Figures of merit of classes: how often the class is right, what the probabilities are worth, what the sets hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, roc_auc_score

from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import ClassPrediction, Property

BINS = 10
"""Number of bins of equally many crystals over which the calibration error is taken."""


def class_metrics(
    predictions: Sequence[ClassPrediction | None], labels: Sequence[float | None], wanted: Property
) -> dict[str, float]:
    """Compare predicted classes with labels; rows that lack either are left out.

    Args:
        predictions: What is predicted of each crystal, None where nothing is.
        labels: Number of the class of each crystal; None where it is not known, below 0 where it is none of the classes.
        wanted: The property.

    Returns:
        n (rows compared), accuracy, error_rate (1 - accuracy), balanced_accuracy (mean over classes of the share of their
        crystals that is right), f1 (of the second of two classes, or the mean over classes), roc_auc (of more than two classes
        the mean of each against the rest), log_loss, calibration_error (mean difference between probability and frequency, see
        `reliability`), coverage (share of crystals whose set has their class), worst_coverage (that of the worst class),
        set_size (mean number of classes in a set), most_frequent (accuracy of always guessing the most frequent class), and
        n_other (labels that are none of the classes) if there are any. Figures that need crystals of every class are absent
        without them.

    Raises:
        DataError: No row has both.
    """
    both = [
        (found, int(label))
        for found, label in zip(predictions, labels, strict=True)
        if found is not None and label is not None and label >= 0
    ]
    if not both:
        raise DataError(
            f"No row has both a prediction and a label of {wanted.name}", "Give data that has labels for it"
        )
    truth = np.array([label for _, label in both])
    chances = np.array([found.probabilities for found, _ in both])
    best = chances.argmax(1)
    covered = np.array([wanted.classes[label] in found.members for found, label in both])
    accuracy = float(accuracy_score(truth, best))
    present = np.unique(truth)
    figures = {
        "n": float(len(both)),
        "accuracy": accuracy,
        "error_rate": 1 - accuracy,
        "log_loss": float(log_loss(truth, chances, labels=range(len(wanted.classes)))),
        "calibration_error": _calibration_error(chances, truth),
        "coverage": float(covered.mean()),
        "worst_coverage": min(float(covered[truth == k].mean()) for k in present),
        "set_size": float(np.mean([len(found.members) for found, _ in both])),
        "most_frequent": float(np.bincount(truth).max() / len(truth)),
    }
    other = sum(label is not None and label < 0 for label in labels)
    figures |= {"n_other": float(other)} if other else {}
    return figures | (_of_all_classes(truth, best, chances) if len(present) == len(wanted.classes) else {})


def _of_all_classes(truth: np.ndarray, best: np.ndarray, chances: np.ndarray) -> dict[str, float]:
    """Return the figures that need crystals of every class."""
    two = chances.shape[1] == 2
    return {
        "balanced_accuracy": float(balanced_accuracy_score(truth, best)),
        "f1": float(f1_score(truth, best, average="binary" if two else "macro", zero_division=0)),
        "roc_auc": float(roc_auc_score(truth, chances[:, 1] if two else chances, multi_class="ovr")),
    }


def reliability(chances: np.ndarray, right: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return how often events happen that are said to be so and so probable, in bins of equally many events.

    Args:
        chances: (n,) probabilities.
        right: (n,) whether the events happened.
        bins: Number of bins; fewer where there are fewer events.

    Returns:
        (bins, 3): mean probability, frequency and number of events of each bin.
    """
    order = np.argsort(chances, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    return np.array([[chances[part].mean(), right[part].mean(), len(part)] for part in parts])


def _calibration_error(chances: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean over bins of |probability - frequency|, of the second of two classes, or of all classes together."""
    events = chances[:, 1:] if chances.shape[1] == 2 else chances
    happened = truth[:, None] == np.arange(chances.shape[1])[-events.shape[1] :]
    table = reliability(events.ravel(), happened.ravel().astype(float))
    return float((np.abs(table[:, 0] - table[:, 1]) * table[:, 2]).sum() / table[:, 2].sum())
