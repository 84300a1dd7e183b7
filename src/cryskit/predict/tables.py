"""The tables that models fill: their columns, their rows, and the same as data frames and as plain values.

The columns of a table follow from the model alone, never from its rows. A schema names them with their types; a unit is in the
metadata of its column.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cryskit.predict import classes, tensors
from cryskit.predict.units import UNIT
from cryskit.reliability.judged import judged_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from cryskit.types import Prediction, Property

_OUTCOME = [pa.field("status", pa.string()), pa.field("reason", pa.string())]
EMBEDDINGS = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32())), *_OUTCOME])
"""One vector per crystal."""
ATOM_EMBEDDINGS = pa.schema(
    [
        ("id", pa.string()),
        ("vectors", pa.list_(pa.float32())),
        ("layers", pa.int64()),
        ("width", pa.int64()),
        *_OUTCOME,
    ]
)
"""Vectors of all atoms of each crystal: atoms x layers x width numbers in a row."""
RANKING = pa.schema([("id", pa.string()), ("formula", pa.string()), ("similarity", pa.float64()), *_OUTCOME])
"""Crystals ranked by how well they fit words."""


def prediction_schema(
    properties: Iterable[Property],
    *,
    deviations: bool = False,
    intervals: bool = False,
    domain: bool = False,
    derive: bool = False,
) -> pa.Schema:
    """Return the columns of predictions: id, those of each property, domain, status, reason; of a class its name, `_p` and `_set`.

    Of a tensor there is a column for each independent component, `<property>_c11` and so on, in Voigt's notation; with intervals one
    `<property>_error`, the largest error that is expected, as a share of the norm of the tensor; and behind all properties `frame` and the
    nine numbers of the rotation to the IEEE standard frame.

    Args:
        properties: Properties in the order of their columns.
        deviations: Whether the model gives standard deviations; then each property has a column `<property>_std`.
        intervals: Whether the model gives intervals; then each property has columns `<property>_lo` and `<property>_hi`.
        domain: Whether the model has a domain.
        derive: Whether there are columns of what follows from tensors.
    """
    chosen, endings = list(properties), ["", *["_std"] * deviations, *["_lo", "_hi"] * intervals]
    values = [field for wanted in chosen for field in _fields(wanted, endings)]
    if derive:
        taken = {wanted.name for wanted in chosen}
        values += tensors.derived_fields(chosen, taken, judged_names(chosen) if intervals else ())
    if any(wanted.tensor for wanted in chosen):
        values += tensors.frame_fields()
    return pa.schema([("id", pa.string()), *values, *[("domain", pa.string())] * domain, *_OUTCOME])


def _fields(wanted: Property, endings: Sequence[str]) -> list[pa.Field]:
    """Return the columns of a property."""
    if wanted.classes:
        return classes.fields_of(wanted)
    if wanted.tensor:
        return tensors.fields_of(wanted, error="_lo" in endings)
    return [pa.field(f"{wanted.name}{end}", pa.float64(), metadata={UNIT: wanted.unit}) for end in endings]


def traced(schema: pa.Schema, *, path: bool) -> pa.Schema:
    """Return the columns of predictions with those that say of which crystal they are: `path` and `formula`, behind the id.

    Args:
        schema: Columns of predictions.
        path: Whether crystals are read from files, so that there is a column with the path of each.
    """
    names = [*["path"] * path, "formula"]
    return pa.schema([schema.field(0), *((name, pa.string()) for name in names), *list(schema)[1:]])


def flat_embeddings(width: int) -> pa.Schema:
    """Return the columns of one vector per crystal with a column `vector_0`, `vector_1` ... for each of its numbers.

    Args:
        width: Length of the vectors.
    """
    return pa.schema([EMBEDDINGS.field(0), *((f"vector_{i}", pa.float32()) for i in range(width)), *_OUTCOME])


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of EMBEDDINGS as one of `flat_embeddings`."""
    vector = () if row["vector"] is None else row["vector"]
    return {**row, **{f"vector_{i}": value for i, value in enumerate(vector)}}


def prediction_row(prediction: Prediction, frame: tensors.Frame = "input") -> dict[str, Any]:
    """Return a prediction as a row: column to value, for all that the model gives.

    Args:
        prediction: The prediction.
        frame: Frame in which tensors are given.
    """
    row: dict[str, Any] = {"id": prediction.id, "path": prediction.path or None, "formula": prediction.formula or None}
    row |= tensors.cells_of(prediction.tensors, frame)
    row |= prediction.values
    row |= {f"{name}_std": deviation for name, deviation in prediction.deviations.items()}
    for name, (low, high) in prediction.intervals.items():
        row |= {f"{name}_lo": low, f"{name}_hi": high}
    for name, found in prediction.classes.items():
        row |= classes.cells_of(name, found)
    row |= {"domain": prediction.domain or None}
    return row | {"status": prediction.status, "reason": prediction.reason}


def frame(rows: Iterable[Mapping[str, Any]], schema: pa.Schema, facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return rows as a data frame.

    Args:
        rows: Column to value; what a row lacks is missing, what is no column is left out.
        schema: Columns of the frame.
        facts: Values that hold for the whole table, kept in its `attrs`.
    """
    table: pd.DataFrame = arrow_table(list(rows), schema).to_pandas()
    table.attrs.update(facts)
    return table


def arrow_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table.

    Args:
        rows: Column to value; what a row lacks is missing, what is no column is left out. A matrix becomes a list, row by row.
        schema: Columns of the table, which keeps the schema's metadata.
    """
    columns = [[row.get(name) for row in rows] for name in schema.names]
    arrays = [pa.array(_valid(column, field.type), field.type) for field, column in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _valid(column: list[Any], kind: pa.DataType) -> list[Any]:
    """Return values as Arrow takes them: texts as UTF-8 can hold them, as the name of a file may have other bytes; matrices as lists."""
    if pa.types.is_string(kind):
        return [
            text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()
            for text in column
        ]
    if pa.types.is_list(kind):
        return [value.ravel() if isinstance(value, np.ndarray) else value for value in column]
    return column


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a data frame as dictionaries that JSON can hold.

    Args:
        table: Columns of text, numbers or arrays.
    """
    columns = {str(name): [plain(value) for value in table[name]] for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what is missing, NaN or infinite is None, an array is a list.

    Numbers of 32 bits have the fewest digits from which they are read back.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = shortest(value) if value.dtype == np.float32 else value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shortest(values: np.ndarray | np.generic) -> Any:
    """Return numbers as Python has them, with the fewest digits from which the same numbers of their precision are read back.

    Args:
        values: Array of any shape, which becomes nested lists; a scalar becomes a float.
    """
    if isinstance(values, np.ndarray) and values.ndim:
        return [shortest(value) for value in values]
    return float(str(values))


def plain_row(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the values of these columns in their order, None where the row has none."""
    return {name: plain(row.get(name)) for name in names}
