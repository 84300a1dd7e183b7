"""The other columns of a row with a structure: its id, its text and the numbers that are targets."""

from __future__ import annotations

import math
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.errors import DataError, UnknownNameError
from cryskit.properties import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

IDS = ("id", "material_id", "jid", "mpid", "mp_id", "cif_id", "entry_id")
"""Columns that hold the id of a row, the first that is there."""
TEXTS = ("text", "description")
"""Columns that hold a description, the first that is there."""
PATHS = ("cif_path", "structure_path", "poscar_path", "cif_file", "structure_file", "filename", "file")
"""Columns that hold the path of a structure file, the first that is there."""
MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-"})
"""How files say that a value is unknown, in lower case."""
_LONGEST = 40  # characters of a label in words; longer texts are descriptions or structures
_LARGEST_ID = 10**40  # Python writes no number of thousands of digits


def one_or_many(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names as a tuple; a single name is one of them, not a list of letters."""
    return (names,) if isinstance(names, str) else tuple(names)


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
    same: dict[str, list[str]] = {}
    for column, name in names.items():
        same.setdefault(name, []).append(column)
    for name, several in same.items():
        if len(several) > 1:
            raise DataError(f"{source} has several columns for {name}: {', '.join(several)}", "Remove all but one")
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


def labels(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the labels of a row that are words, by registry name: truth values as "true" and "false", and short texts."""
    known: dict[str, str] = {}
    for column, value in row.items():
        if isinstance(column, str) and column not in IDS and column not in TEXTS and (label := _label(value)):
            name = property_name(column)
            if name == column or name not in known:
                known[name] = label
    return known


def _label(value: Any) -> str:
    """Return a value as a label in words, "" if it is none."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if not isinstance(value, str) or len(value) > _LONGEST:
        return ""
    text = escaped(value.strip())
    return "" if text.lower() in MISSING or "\n" in text else text


def is_number(value: Any) -> bool:
    """Return whether a value is a finite real number, truth values not counted."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def escaped(text: str) -> str:
    """Return a text as UTF-8 can hold it: bytes that are none, and halves of pairs of surrogates, are written as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def known_id(row: Mapping[Any, Any]) -> str | None:
    """Return the id that a row names, or None."""
    for column in IDS:
        value = row.get(column)
        if isinstance(value, str) and value.strip():
            return escaped(value.strip())
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_ID:
            return str(value)
    return None


def known_text(row: Mapping[Any, Any]) -> str | None:
    """Return the description that a row gives, or None."""
    return next((escaped(row[column]) for column in TEXTS if isinstance(row.get(column), str)), None)
