"""Element symbols as files write them, to atomic numbers."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import gemmi

from cryskit.errors import ElementError

if TYPE_CHECKING:
    from collections.abc import Collection

_CHARGED = re.compile(
    r"(\d{1,3})?([A-Za-z]{1,2})(?:\(?(?:[0-9.]{0,6}[+-]?|[+-][0-9.]{0,6})\)?|[+]{2,8}|[-]{2,8}|\([IVX]{1,4}\)"
    r"|(?:_(?:pv|sv|fcd|d|h|s|[23]|AE|GW|nc|new|soft)){1,3})",
    re.ASCII,
)
_LETTERS = re.compile(r"([A-Z])([a-z]?)([A-Za-z]*)")
_HYDROGEN = {"D", "T"}
_SPECIAL = {"Cval": 6, "Siva": 14}  # symbols of tables of scattering factors
_OF_WATER = {"Ow": 8, "Hw": 1}
_HEAVIEST = 3  # nucleons per proton: tritium
_CURE = "Write the symbol as in the periodic table, such as Na"


@cache
def atomic_number(symbol: str) -> int:
    """Return the atomic number of an element symbol.

    Args:
        symbol: An element symbol such as "Na"; "D" and "T" are hydrogen.

    Raises:
        ElementError: No element is called so.
    """
    if symbol in _HYDROGEN:
        return 1
    element = gemmi.Element(symbol)
    if element.atomic_number < 1 or element.name != symbol:
        raise ElementError(f"{symbol!r} is no element", _CURE)
    return int(element.atomic_number)


@cache
def of_type(symbol: str) -> int:
    """Return the atomic number of a type symbol, charged or not: "Na", "Fe3+", "O--", "Fe(III)", "CL".

    Args:
        symbol: The symbol as a CIF or another file writes it, in any case; a mass number may stand before it ("11B"), the
            name of a pseudopotential of VASP behind it ("Fe_pv"), and "OW" and "HW" are atoms of water.

    Raises:
        ElementError: It is no element.
    """
    if symbol in _SPECIAL:
        return _SPECIAL[symbol]
    match = _CHARGED.fullmatch(symbol)
    if match is None:
        raise ElementError(f"{symbol[:40]!r} is no element", _CURE)
    mass, name = match[1], match[2].capitalize()
    number = _OF_WATER.get(name) or atomic_number(name)
    if mass and not number <= int(mass) <= _HEAVIEST * number:
        raise ElementError(f"{symbol[:40]!r} is no isotope of {name}", _CURE)
    return number


def of_label(label: str, elements: Collection[int] = ()) -> int:
    """Return the atomic number that a site label begins with: "Na1", "O2A", "SiB".

    Args:
        label: The label of a site without a type symbol.
        elements: Atomic numbers of the elements in the formula, which tell "CA1" of calcium from one of carbon.

    Raises:
        ElementError: It begins with no element, or with one of two.
    """
    match = _LETTERS.match(label)
    if match is None:
        raise ElementError(f"The label {label[:40]!r} names no element", _CURE)
    first, small, rest = match.groups()
    if small and (number := _number_or_zero(f"{first}{small}")) and not rest[:1].islower():
        return number
    readings = {
        number for text in (first, f"{first}{(small or rest)[:1].lower()}") if (number := _number_or_zero(text))
    }
    readings = readings & set(elements) if small else readings & set(elements) or readings
    if len(readings) != 1 or (first == "T" and not small):  # T is a site of silicon or aluminium
        raise ElementError(f"The label {label[:40]!r} names no one element", "Give _atom_site_type_symbol")
    return readings.pop()


def _number_or_zero(symbol: str) -> int:
    try:
        return atomic_number(symbol)
    except ElementError:
        return 0
