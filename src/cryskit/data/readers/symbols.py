"""Element symbols as files write them, to atomic numbers."""

from __future__ import annotations

import re
from functools import cache

import gemmi

from cryskit.errors import ElementError

_TYPE = re.compile(r"([A-Z][a-z]?)[0-9+-]*")
_LABEL = re.compile(r"([A-Z][a-z]?)(?:[0-9].*)?")


@cache
def atomic_number(symbol: str) -> int:
    """Return the atomic number of an element symbol.

    Args:
        symbol: "Na"; "D" is hydrogen.

    Raises:
        ElementError: No element is called so.
    """
    element = gemmi.Element(symbol)
    if element.atomic_number < 1 or element.name != symbol:
        raise ElementError(f"{symbol!r} is no element", "Write the symbol as in the periodic table, such as Na")
    return int(element.atomic_number)


@cache
def of_type(symbol: str) -> int | None:
    """Return the atomic number of a CIF type symbol ("Na", "Fe3+"), or None if pymatgen has to read it."""
    return _plain(_TYPE.fullmatch(symbol))


@cache
def of_label(label: str) -> int | None:
    """Return the atomic number that a CIF site label begins with ("Na1", "O2A"), or None if pymatgen has to read it."""
    return _plain(_LABEL.fullmatch(label))


def _plain(match: re.Match[str] | None) -> int | None:
    try:
        return atomic_number(match[1]) if match else None
    except ElementError:
        return None
