"""What a CIF block says of the content of its cell in addition to the atoms: formula, formula units, volume, density, multiplicities.

Each is another witness of the crystal that the file means. A composition that contradicts the formula is refused; what
contradicts in less is a warning; and where symmetry leaves a choice, the witnesses decide.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import gemmi

from cryskit.data.readers.cif_tags import known
from cryskit.data.readers.symbols import atomic_number
from cryskit.errors import CoordinatesError, ElementError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from cryskit.data.readers.cif_tags import Tags
    from cryskit.types import Crystal

_PART = re.compile(r"([A-Z][a-z]?)(\d{0,6}(?:\.\d{1,6})?)")
_HYDROGEN = re.compile(r"[HD](?![a-z])")
_NUMBERS = ("_cell_formula_units_z", "_cell_volume", "_exptl_crystal_density_diffrn")
_OTHER_FORMULAS = tuple(f"_chemical_formula_{kind}" for kind in ("sum", "structural", "moiety", "analytical", "iupac"))
_SHARE = 0.02  # relative difference of amounts that counts as none: formulas are rounded
_EXACT = 1e-6  # the same, of formulas of whole numbers
_VOLUME = 0.03  # relative difference of volumes that counts as none
_DENSITY = 0.08
_TO_DENSITY = 1.66053907  # g/cm3 of one dalton per cubic angstrom


class Content(NamedTuple):
    """What a block states of its cell; None or empty where it states nothing.

    Attributes:
        formula: Atomic number to amount in one formula unit.
        units: Formula units in the cell, Z.
        volume: Volume of the cell, cubic angstrom.
        density: Mass density of the crystal, g/cm3.
        hydrogens: Whether a formula has hydrogen.
    """

    formula: Mapping[int, float]
    units: float | None
    volume: float | None
    density: float | None
    hydrogens: bool


class Witness(NamedTuple):
    """How a crystal agrees with what its block states; None where it states nothing.

    Attributes:
        composition: The amounts of the elements agree with the formula.
        units: The atoms in the cell are as many as formula and Z say.
        multiplicities: Each site has as many atoms as the block says.
        density: Mass over volume is the density.
        volume: The volume of the cell is the one given.
    """

    composition: bool | None
    units: bool | None
    multiplicities: bool | None
    density: bool | None
    volume: bool | None


def content_of(tags: Tags) -> Content:
    """Return what a block states of its cell.

    Args:
        tags: Tags of the block, as `cif_tags.tags_of` gives them.
    """
    formula = formula_of(next(iter(tags.column("_chemical_formula_sum")), ""))
    hydrogens = 1 in formula if formula else any(map(_HYDROGEN.search, known(tags, *_OTHER_FORMULAS)))
    units, volume, density = (_number(tags, tag) for tag in _NUMBERS)
    return Content(formula, units, volume, density, hydrogens)


@lru_cache(maxsize=4096)
def formula_of(text: str) -> Mapping[int, float]:
    """Return the amount of each element of a formula, by atomic number; empty if it is no plain formula.

    Args:
        text: A formula such as "Fe2 O3" or "C6H12 O6"; deuterium and tritium are hydrogen.
    """
    bare = "".join(text.split())
    found: dict[int, float] = {}
    end = 0
    for part in _PART.finditer(bare):
        if part.start() != end:
            return {}
        end = part.end()
        try:
            number = atomic_number(part[1])
        except ElementError:
            return {}
        found[number] = found.get(number, 0.0) + float(part[2] or 1)
    return {number: amount for number, amount in found.items() if amount > 0} if end == len(bare) else {}


def refuse_missing_hydrogens(tags: Tags, numbers: np.ndarray, content: Content) -> None:
    """Refuse sites without the hydrogens that the block speaks of.

    Args:
        tags: Tags of the block, as `cif_tags.tags_of` gives them.
        numbers: (N,) atomic numbers of the sites.
        content: What the block states, as `content_of` gives it.

    Raises:
        CoordinatesError: Hydrogens are attached to sites, or stand in the formula, and have no sites.
    """
    attached = any(_count(value) for value in known(tags, "_atom_site_attached_hydrogens"))
    if attached or (content.hydrogens and 1 not in numbers):
        raise CoordinatesError(
            "Hydrogens are given without coordinates (in the formula, or as attached to other atoms)",
            "Add a site for each hydrogen",
        )


def refuse_other_composition(crystal: Crystal, content: Content, witness: Witness) -> None:
    """Refuse a crystal whose composition contradicts the formula of its file.

    Raises:
        UnreadableError: It does.
    """
    if witness.composition is False:
        raise UnreadableError(
            f"The cell holds {_written(Counter(crystal.numbers.tolist()))}, but the formula of the file is {_written(content.formula)}",
            "Mend the sites, the occupancies or the space group; or the formula, if that is wrong",
        )


def witness_of(crystal: Crystal, content: Content, *, multiplicities: bool | None) -> Witness:
    """Compare a crystal with what its block states.

    Args:
        crystal: The crystal as it was read.
        content: What the block states, as `content_of` gives it.
        multiplicities: Whether each site has the multiplicity that it states; None if none states one.
    """
    listed = crystal.numbers.tolist()
    counts = {number: listed.count(number) for number in set(listed)}
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = crystal.lattice.tolist()
    volume = abs(ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx))
    composition = units = density = None
    if content.formula:
        factor = len(listed) / sum(content.formula.values())
        expected = {number: factor * amount for number, amount in content.formula.items()}
        composition = counts == expected or _is_composition(counts, expected, content.formula)
        units = None if content.units is None else _are_units(factor, content)
    if content.density:
        mass = sum(gemmi.Element(number).weight * count for number, count in counts.items())
        density = abs(mass * _TO_DENSITY / volume / content.density - 1) <= _DENSITY
    same_volume = abs(volume / content.volume - 1) <= _VOLUME if content.volume else None
    return Witness(composition, units, multiplicities, density, same_volume)


def doubts(crystal: Crystal, content: Content, witness: Witness) -> list[str]:
    """Return in words what a block states and a crystal contradicts, its composition aside."""
    said = []
    if witness.units is False:
        atoms = sum(content.formula.values()) * (content.units or 0)
        said.append(f"The cell has {len(crystal)} atoms, but {atoms:g} by formula and Z of the file")
    if witness.multiplicities is False:
        said.append("Sites have other multiplicities than the file says")
    if witness.volume is False:
        said.append(f"The volume of the cell is not the {content.volume:g} cubic angstrom that the file says")
    if witness.density is False and witness.units is not True:
        said.append(f"The density of the crystal is not the {content.density:g} g/cm3 that the file says")
    return said


def _is_composition(counts: Mapping[int, int], expected: Mapping[int, float], formula: Mapping[int, float]) -> bool:
    """Return whether a cell has the atoms expected, to the digits of the formula."""
    whole = all(amount == round(amount) for amount in formula.values())
    share, least = (_EXACT, 0.0) if whole else (_SHARE, 0.02)
    return counts.keys() == expected.keys() and all(
        abs(counts[number] - amount) <= share * amount + least for number, amount in expected.items()
    )


def _are_units(factor: float, content: Content) -> bool:
    """Return whether a cell of so many formulas has Z of them; some programs give the formula of the whole cell together with Z."""
    units = content.units or 0.0
    if abs(factor - units) <= _SHARE * units:
        return True
    amounts = [round(amount) for amount in content.formula.values() if amount == round(amount)]
    common = math.gcd(*amounts) if len(amounts) == len(content.formula) else 1
    # the formula may be that of the whole cell
    return abs(factor - 1) <= _SHARE and abs(common - units) <= _SHARE * units


def _count(value: str) -> float:
    number = gemmi.cif.as_number(value)
    return number if number > 0 else 0.0


def _number(tags: Tags, tag: str) -> float | None:
    values = tags.column(tag)
    number = gemmi.cif.as_number(values[0]) if values else 0.0
    return float(number) if number > 0 else None


def _written(amounts: Mapping[int, float]) -> str:
    return " ".join(f"{gemmi.Element(number).name}{amount:g}" for number, amount in sorted(amounts.items()))
