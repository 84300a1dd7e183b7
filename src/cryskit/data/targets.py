"""The other columns of a row with a structure: its id, its text and the numbers that are targets."""

from __future__ import annotations

import math
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any

from cryskit.errors import DataError, UnknownNameError
from cryskit.properties import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

IDS = ("id", "material_id", "jid", "mpid", "mp_id", "cif_id", "entry_id")
"""Columns that hold the id of a row, the first that is there."""
TEXTS = ("text", "description")
"""Columns that hold a description, the first that is there."""
MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-"})
"""How files say that a value is unknown, in lower case."""


@cache
def property_name(column: str) -> str:
    """Return the registry name of a column, or the column itself if no property is called so."""
    try:
        return canonical(column)
    except UnknownNameError:
        return column


def property_names(columns: Iterable[str], source: str) -> dict[str, str]:
    """Return the registry name of the property that each column holds.

    Args:
        columns: Names of the columns.
        source: Name of the file or table, for the error message.

    Raises:
        DataError: Two columns hold the same property.
    """
    names = {column: property_name(column) for column in columns}
    for name in set(names.values()):
        same = [column for column in names if names[column] == name]
        if len(same) > 1:
            raise DataError(f"{source} has several columns for {name}: {', '.join(same)}", "Remove all but one")
    return names


def targets(row: Mapping[Any, Any]) -> dict[str, float]:
    """Return the finite numbers of a row by registry name; of two names for one property, the registry's own wins."""
    known: dict[str, float] = {}
    for column, value in row.items():
        if isinstance(column, str) and column not in IDS and is_number(value):
            name = property_name(column)
            if name == column or name not in known:
                known[name] = float(value)
    return known


def is_number(value: Any) -> bool:
    """Return whether a value is a finite real number, truth values not counted."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def known_id(row: Mapping[Any, Any]) -> str | None:
    """Return the id that a row names, or None."""
    for column in IDS:
        value = row.get(column)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def known_text(row: Mapping[Any, Any]) -> str | None:
    """Return the description that a row gives, or None."""
    return next((row[column] for column in TEXTS if isinstance(row.get(column), str)), None)
