"""Figures of merit: how far predictions are from labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cryskit.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def metrics(values: ArrayLike, truth: ArrayLike, transform: Literal["none", "log10"] = "none") -> dict[str, float]:
    """Compare predictions with labels; rows that lack either are left out.

    Args:
        values: (n,) predictions, in the unit of the property.
        truth: (n,) labels, in the same unit.
        transform: "log10": compare the logarithms too, over the rows where both are positive.

    Returns:
        n (rows compared), mae (mean absolute error), rmse (root mean square error), r2 (coefficient of determination;
        absent where all labels are equal) and mad (mean absolute deviation of the labels: the mae of always guessing their
        mean); for "log10" the same in log10 units as n_log10, mae_log10 and so on, where any row has a logarithm.

    Raises:
        DataError: No row has both, or the lengths differ.
    """
    predicted, known = np.asarray(values, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if predicted.shape != known.shape or predicted.ndim != 1:
        raise DataError(f"{predicted.shape} predictions but {known.shape} labels", "Give one label per prediction")
    both = np.isfinite(predicted) & np.isfinite(known)
    if not both.any():
        raise DataError("No row has both a prediction and a label", "Give data that has labels for this property")
    found = compare(predicted[both], known[both])
    positive = both & (predicted > 0) & (known > 0)
    if transform == "log10" and positive.any():
        logarithmic = compare(np.log10(predicted[positive]), np.log10(known[positive]))
        found |= {f"{name}_log10": value for name, value in logarithmic.items()}
    return found


def _sizes(differences: np.ndarray) -> np.ndarray:
    """Return the absolute value of numbers, the norm of rows, (n,)."""
    return np.abs(differences) if differences.ndim == 1 else np.asarray(np.linalg.norm(differences, axis=1))


def compare(predicted: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Return the figures of merit of numbers, or of rows whose differences are measured by their norms.

    Args:
        predicted: (n,) numbers or (n, k) rows.
        known: Labels of the same shape.
    """
    errors = _sizes(predicted - known)
    deviations = _sizes(known - known.mean(0))
    spread = float(np.square(deviations).sum())
    found = {
        "n": len(known),
        "mae": float(errors.mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
        "r2": float(1 - np.square(errors).sum() / spread) if spread > 0 else np.nan,
        "mad": float(deviations.mean()),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}
