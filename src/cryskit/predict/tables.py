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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from cryskit.types import Prediction, Property

_OUTCOME = [pa.field("status", pa.string()), pa.field("reason", pa.string())]
UNIT = "unit"
"""Key of the unit in the metadata of a column."""

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
RANKING = pa.schema([("id", pa.string()), ("similarity", pa.float64()), *_OUTCOME])
"""Crystals ranked by how well they fit words."""


def prediction_schema(
    properties: Iterable[Property], *, deviations: bool = False, intervals: bool = False, domain: bool = False
) -> pa.Schema:
    """Return the columns of predictions: id, those of each property, domain, status, reason; of a class its name, `_p` and `_set`.

    Of a tensor there is a column for each independent component, `<property>_c11` and so on, in Voigt's notation.

    Args:
        properties: Properties in the order of their columns.
        deviations: Whether the model gives standard deviations; then each property has a column `<property>_std`.
        intervals: Whether the model gives intervals; then each property has columns `<property>_lo` and `<property>_hi`.
        domain: Whether the model has a domain.
    """
    endings = ["", *["_std"] * deviations, *["_lo", "_hi"] * intervals]
    values = [field for wanted in properties for field in _fields(wanted, endings)]
    return pa.schema([("id", pa.string()), *values, *[("domain", pa.string())] * domain, *_OUTCOME])


def _fields(wanted: Property, endings: Sequence[str]) -> list[pa.Field]:
    """Return the columns of a property."""
    if wanted.classes:
        return classes.fields_of(wanted)
    if wanted.tensor:
        return tensors.fields_of(wanted, UNIT)
    return [pa.field(f"{wanted.name}{end}", pa.float64(), metadata={UNIT: wanted.unit}) for end in endings]


def traced(schema: pa.Schema, *, path: bool) -> pa.Schema:
    """Return the columns of predictions with those that say of which crystal they are: `path` and `formula`, behind the id.

    Args:
        schema: Columns of predictions.
        path: Whether crystals are read from files, so that there is a column with the path of each.
    """
    names = [*["path"] * path, "formula"]
    return pa.schema([schema.field(0), *((name, pa.string()) for name in names), *list(schema)[1:]])


def with_units(schema: pa.Schema) -> pa.Schema:
    """Return columns whose names have the unit behind them, "band_gap (eV)", where there is one.

    Args:
        schema: Columns of a table.
    """
    units = units_of(schema)
    names = [f"{name} ({units[name]})" if units.get(name) else name for name in schema.names]
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def renamed(rows: Iterable[Mapping[str, Any]], before: pa.Schema, after: pa.Schema) -> Iterator[dict[str, Any]]:
    """Yield rows with the names that columns have now.

    Args:
        rows: Column to value.
        before: Columns that the rows have.
        after: The same columns in the same order, under other names.
    """
    names = list(zip(before.names, after.names, strict=True))
    for row in rows:
        yield {**row, **{now: row.get(was) for was, now in names}}


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


def units_of(schema: pa.Schema) -> dict[str, str]:
    """Return the unit of each column that holds a physical quantity, "" where it has no dimension."""
    return {field.name: field.metadata[UNIT.encode()].decode() for field in schema if field.metadata}


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as a row: column to value, for all that the model gives."""
    row: dict[str, Any] = {"id": prediction.id, "path": prediction.path or None, "formula": prediction.formula or None}
    row |= prediction.values
    row |= {f"{name}_std": deviation for name, deviation in prediction.deviations.items()}
    for name, (low, high) in prediction.intervals.items():
        row |= {f"{name}_lo": low, f"{name}_hi": high}
    for name, found in prediction.classes.items():
        row |= classes.cells_of(name, found)
    for name, matrix in prediction.tensors.items():
        row |= tensors.cells_of(name, matrix)
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
        rows: Column to value; what a row lacks is missing, what is no column is left out.
        schema: Columns of the table, which keeps the schema's metadata.
    """
    columns = [[row.get(name) for row in rows] for name in schema.names]
    arrays = [
        pa.array([_valid(text) for text in column] if field.type == pa.string() else column, field.type)
        for field, column in zip(schema, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _valid(text: str | None) -> str | None:
    """Return a text as UTF-8 can hold it: the name of a file may have bytes that are no UTF-8."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


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
