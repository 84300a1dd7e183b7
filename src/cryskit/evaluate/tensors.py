"""Figures of merit of tensors: errors in the Frobenius norm, whether expected errors hold, and the scalars that follow from tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import DataError
from cryskit.evaluate.coverage import figures_by_kind
from cryskit.evaluate.metrics import compare
from cryskit.predict.tensors import ERROR
from cryskit.properties import get
from cryskit.reliability.judged import JUDGED
from cryskit.tensors.derived import derived, quantities
from cryskit.tensors.kinds import tensor_kind
from cryskit.tensors.notation import components_to_matrix, voigt_to_mandel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from cryskit.types import Crystal, Failure, Property


def following(wanted: Iterable[Property]) -> dict[str, Property]:
    """Return the scalar properties by which tensors are judged besides, by name: moduli, mean permittivity, refractive index.

    Args:
        wanted: The properties that are judged; scalars among them are not named again.
    """
    chosen = {each.name: each for each in wanted}
    names = [found.name for each in chosen.values() for found in quantities(each) if found.name in JUDGED]
    return {name: get(name) for name in names if name not in chosen}


def followed(crystal: Crystal, wanted: Iterable[Property]) -> dict[str, float]:
    """Return what follows from the known tensors of a crystal, by the names of `following`; nothing from one of an unstable crystal.

    Args:
        crystal: Crystal with labels.
        wanted: Tensor properties.
    """
    found: dict[str, float] = {}
    for each in wanted:
        if (matrix := crystal.tensors.get(each.name)) is not None:
            try:
                values = derived((matrix + matrix.T) / 2 if _symmetric(each) else matrix, crystal, each)
            except DataError:
                continue
            found |= {name: float(value) for name, value in values.items() if name in JUDGED}
    return found


def tensor_metrics(values: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """Compare predicted tensors with labels as `metrics` does numbers, errors being Frobenius norms; rows that lack either are left out.

    Args:
        values: (n, k) predictions in Mandel's notation, whose norm is that of the Cartesian tensor, in the unit of the property.
        truth: (n, k) labels, in the same unit.

    Returns:
        n, mae (mean norm of the error), rmse, r2, mad (the mae of always guessing the mean of the labels), and share (mae over mad), absent where
        all labels are equal.

    Raises:
        DataError: No row has both.
    """
    predicted, known = np.asarray(values, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    both = np.isfinite(predicted + known).all(1)
    if not both.any():
        raise DataError("No row has both a prediction and a label", "Give data that has labels for this property")
    found = compare(predicted[both], known[both])
    return found | ({"share": found["mae"] / found["mad"]} if found["mad"] > 0 else {})


def tensor_coverage(
    table: pd.DataFrame, wanted: Property, items: Sequence[Crystal | Failure]
) -> dict[str, dict[str, float]]:
    """Return how often the error of a tensor is at most the expected one, both as shares of the norm of the prediction.

    Args:
        table: Predictions with expected errors and labels, one row per item.
        wanted: The tensor property.
        items: The crystals and failures that were predicted, in the order of the rows.

    Returns:
        Kind of crystals to figures, as `coverage` gives them, with width_share, the mean of the expected error, in place of width. Empty if nothing
        has one.
    """
    expected = table[f"{wanted.name}_{ERROR}"].to_numpy(float)
    values, truth = mandel(table, wanted), mandel(table, wanted, "_true")
    norms = np.linalg.norm(values, axis=1)
    differences = np.linalg.norm(np.nan_to_num(values - truth), axis=1)
    known = np.isfinite(expected) & np.isfinite(values + truth).all(1) & (norms > 0)
    if not known.any():
        return {}
    errors = differences / np.where(known, norms, 1.0)
    return figures_by_kind(items, known, expected, errors, errors <= expected, {"width_share": expected})


def mandel(table: pd.DataFrame, wanted: Property, ending: str = "") -> np.ndarray:
    """Return the tensors of a table in Mandel's notation, whose norm is that of the tensor, (rows, numbers).

    Args:
        table: Table with the components.
        wanted: The tensor property.
        ending: What stands behind the names of the columns.
    """
    kind = tensor_kind(wanted.symmetry)
    components = table[[f"{column}{ending}" for column in wanted.columns]].to_numpy(float)
    return voigt_to_mandel(components_to_matrix(components, kind), kind).reshape(len(components), -1)


def _symmetric(wanted: Property) -> bool:
    return tensor_kind(wanted.symmetry).symmetric
