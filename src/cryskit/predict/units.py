"""Units of the columns of a table: in the metadata of each column, or in its name.

A column that belongs to a matrix names it in its metadata, too; `with_matrices` puts one list in place of all of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

UNIT = "unit"
"""Key of the unit in the metadata of a column."""
MATRIX = "matrix"
"""Key of the name of the matrix to which a column belongs."""


def units_of(schema: pa.Schema) -> dict[str, str]:
    """Return the unit of each column that holds a physical quantity, "" where it has no dimension."""
    return {field.name: field.metadata[UNIT.encode()].decode() for field in schema if field.metadata}


def with_matrices(schema: pa.Schema) -> pa.Schema:
    """Return columns with one list in place of the components of each matrix, all of them row by row.

    Args:
        schema: Columns of a table; without tensors it stays as it is.
    """
    fields: dict[str, pa.Field] = {}
    for field in schema:
        about = field.metadata or {}
        name = about.get(MATRIX.encode(), b"").decode()
        listed = pa.field(name, pa.list_(pa.float64()), metadata={UNIT: about.get(UNIT.encode(), b"")})
        fields.setdefault(name or field.name, listed if name else field)
    return pa.schema(list(fields.values()), schema.metadata)


def with_units(schema: pa.Schema) -> pa.Schema:
    """Return columns whose names have the unit behind them, "band_gap (eV)", where there is one.

    Args:
        schema: Columns of a table.
    """
    return pa.schema([_with_unit(field) for field in schema])


def _with_unit(field: pa.Field) -> pa.Field:
    about = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    if not about.get(UNIT):
        return field
    if MATRIX in about:
        field = field.with_metadata(about | {MATRIX: f"{about[MATRIX]} ({about[UNIT]})"})
    return field.with_name(f"{field.name} ({about[UNIT]})")


def renamed(rows: Iterable[Mapping[str, Any]], before: pa.Schema, after: pa.Schema) -> Iterator[dict[str, Any]]:
    """Yield rows with the names that columns have now.

    Args:
        rows: Column to value.
        before: Columns that the rows have.
        after: The same columns in the same order, under other names.
    """
    pairs = ((before, after), (with_matrices(before), with_matrices(after)))
    names = dict(pair for was, now in pairs for pair in zip(was.names, now.names, strict=True))
    for row in rows:
        yield {**row, **{now: row.get(was) for was, now in names.items()}}
