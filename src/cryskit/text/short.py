"""Short descriptions, by rule, of crystals that Robocrystallographer cannot describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols
from moyopy import SpaceGroupType

from cryskit import elements
from cryskit.errors import one_line
from cryskit.symmetry import NAMED_TOLERANCE, SYSTEMS, detect, system_of
from cryskit.tensors.elastic import density_and_volume

if TYPE_CHECKING:
    from cryskit.types import Crystal


def short(crystal: Crystal) -> str:
    """Return what can be said of a crystal without looking at its bonds.

    The first sentence has the form of Robocrystallographer's: the formula and, where symmetry can be found, crystal system and
    space group. The second counts atoms and elements and gives the density, in g/cm3.

    Args:
        crystal: The crystal to describe.
    """
    symbols = [chemical_symbols[number] for number in np.unique(crystal.numbers)]
    density, _ = density_and_volume(crystal)
    atoms = "one atom" if len(crystal) == 1 else f"{len(crystal)} atoms"
    kinds = f"one element ({symbols[0]})" if len(symbols) == 1 else f"{len(symbols)} elements ({', '.join(symbols)})"
    return f"{_symmetry(crystal)} The cell holds {atoms} of {kinds}; the density is {density:.2f} g/cm3."


def kind_and_text(error: BaseException) -> str:
    """Return the kind of an error and, on one line, the first 200 characters of what it says."""
    return f"{type(error).__name__}: {one_line(error)}"[:200]


def _symmetry(crystal: Crystal) -> str:
    formula = elements.formula(crystal.numbers)
    found = detect(crystal, NAMED_TOLERANCE)
    if found is None:
        return f"{formula} has a structure whose symmetry cannot be found."
    system = SYSTEMS[system_of(found.number)]
    symbol = SpaceGroupType(found.number).hm_short.replace(" ", "")
    return f"{formula} crystallizes in the {system} {symbol} space group."
