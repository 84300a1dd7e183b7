"""Predictions and embeddings as data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryskit.types import Prediction


def prediction_row(prediction: Prediction, properties: Sequence[str]) -> dict[str, Any]:
    """Return one row of the output of predict: id, properties (with _std, _lo, _hi where given), status, reason."""
    row: dict[str, Any] = {"id": prediction.id}
    for name in properties:
        row[name] = prediction.values.get(name)
        if name in prediction.deviations:
            row[f"{name}_std"] = prediction.deviations[name]
        if name in prediction.intervals:
            row[f"{name}_lo"], row[f"{name}_hi"] = prediction.intervals[name]
    return row | {"status": prediction.status, "reason": prediction.reason}


def prediction_table(
    predictions: Iterable[Prediction], properties: Sequence[str], units: dict[str, str]
) -> pd.DataFrame:
    """Return one row per prediction, in order.

    Args:
        predictions: Of any model.
        properties: The columns wanted.
        units: Property name to unit, kept in `attrs["units"]`.
    """
    rows = [prediction_row(prediction, properties) for prediction in predictions]
    table = pd.DataFrame(rows, columns=None if rows else ["id", *properties, "status", "reason"])
    table.attrs["units"] = {name: units[name] for name in properties}
    return table.astype(dict.fromkeys(properties, float))


def embedding_table(rows: Sequence[tuple[str, Any, str, str]]) -> pd.DataFrame:
    """Return a table with the columns id, vector, status, reason."""
    return pd.DataFrame(rows, columns=["id", "vector", "status", "reason"])


def atom_table(rows: Sequence[tuple[str, Any, int, int, str, str]]) -> pd.DataFrame:
    """Return a table with the columns id, vectors (atoms x layers x width numbers), layers, width, status, reason."""
    return pd.DataFrame(rows, columns=["id", "vectors", "layers", "width", "status", "reason"])
