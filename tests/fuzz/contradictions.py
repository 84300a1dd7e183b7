"""Mutations after which a file contradicts itself: they have to be noticed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def _one(text: str, pattern: str, random: Random, change: Callable[[re.Match[str]], str]) -> str:
    found = list(re.finditer(pattern, text, re.MULTILINE))
    match = random.choice(found)
    return text[: match.start()] + change(match) + text[match.end() :]


def operation(text: str, random: Random) -> str:
    """Change one operation of the list, not the identity, so that the list is no group."""
    others = ("x+1/4, y, z", "-y, x, z", "x, y, -z+1/5", "y, z, x", "x+\u00bd, y, z", "\u2212x, y, z", "one, y, z")
    return _one(text, r"^  (?!1 )\d+  '[^']*'", random, lambda m: f"  {m[0].split()[0]}  '{random.choice(others)}'")


def formula(text: str, random: Random) -> str:
    """State another formula."""
    others = ("Si1 O1", "Si2 O3", "Ge1 O2", "Si1 O2 H4", "Si3 O4", "Ti1 O2")
    return _one(
        text, r"^_chemical_formula_sum.*$", random, lambda _: f"_chemical_formula_sum '{random.choice(others)}'"
    )


def units(text: str, random: Random) -> str:
    """State another number of formula units."""
    return _one(
        text, r"^_cell_formula_units_Z.*$", random, lambda _: f"_cell_formula_units_Z {random.choice((1, 2, 4, 6, 12))}"
    )


def length(text: str, random: Random) -> str:
    """Make c longer or shorter by more than five per cent."""
    factor = random.choice((0.5, 0.8, 0.92, 1.08, 1.5, 10.0))
    return _one(text, r"^_cell_length_c.*$", random, lambda m: f"_cell_length_c {float(m[0].split()[1]) * factor:.6f}")


def atom(text: str, random: Random) -> str:
    """Leave an atom out."""
    return _one(text, r"^  (?:Si|O)  .*\n", random, lambda _: "")


def element(text: str, random: Random) -> str:
    """Make an atom another element."""
    return _one(text, r"^  (?:Si|O)  (?:Si|O)\d+", random, lambda _: f"  {random.choice(('Ti', 'S', 'C'))}  X1")


def last_line(text: str, random: Random) -> str:
    """Leave out the line of an atom: the last one, while the number of atoms stays."""
    del random
    return "\n".join(text.rstrip("\n").split("\n")[:-1]) + "\n"


CONTRADICTIONS: dict[str, tuple[Callable[[str, Random], str], ...]] = {
    "CIF with formula": (operation, formula, units, length, atom, element),
    "POSCAR": (last_line,),
    "XYZ": (last_line,),
}
"""Kind of file to the mutations of it that have to be noticed."""
