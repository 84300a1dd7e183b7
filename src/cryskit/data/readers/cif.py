"""CIF files to crystals: the crystal that the file means, or the reason why there is none.

The tokens come from gemmi (`cif_tags`), the symmetry from what is listed or named (`cif_symmetry`), the atoms from sites and symmetry
(`cif_sites`). Formula, formula units, volume, density and multiplicities are witnesses (`cif_content`): they decide where
the symmetry leaves a choice, refuse a crystal of another composition and warn of the rest. The lattice has c along z and a
in the xz plane.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.data.readers.cif_content import (
    Content,
    Witness,
    content_of,
    doubts,
    refuse_missing_hydrogens,
    refuse_other_composition,
    witness_of,
)
from cryskit.data.readers.cif_images import expand
from cryskit.data.readers.cif_sites import number_of, sites_of, without_doubles
from cryskit.data.readers.cif_symmetry import Symmetry, symmetries
from cryskit.data.readers.cif_tags import blocks, known, tags_of
from cryskit.data.readers.numbers import to_floats
from cryskit.data.validate import validate
from cryskit.errors import CoordinatesError, CrystalError, LatticeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.files import InputFile
    from cryskit.data.readers.cif_sites import Sites
    from cryskit.data.readers.cif_tags import Tags

_LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
_ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
_SITES = re.compile(r"_atom_site[_.](?:label|type_symbol|fract|cartn)", re.IGNORECASE)  # begins with what is found fast
_RIGHT = "90"  # degrees, what an angle is that is not given
_SQUEEZED = 0.6  # of the sum of two covalent radii: a shorter distance speaks against a reading
_COINCIDE = 0.1  # angstrom; atoms of two readings that are nearer are the same


class _Reading(NamedTuple):
    """A crystal that a block may mean.

    Attributes:
        symmetry: How its symmetry was read.
        crystal: What came out.
        witness: How that agrees with the rest of the block.
    """

    symmetry: Symmetry
    crystal: Crystal
    witness: Witness


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a CIF file, one item per data block with atom sites.

    Args:
        file: CIF file, whose id is that of the crystal; with several such blocks ":0", ":1" follows.
        limit: Number of atoms that a cell may have.
    """
    try:
        text = file.read_text()
    except CrystalError as error:
        yield Failure(file.id, error)
    else:
        yield from read_blocks(text, file.id, file.name, limit)


def read_blocks(text: str, name: str, source: str, limit: int) -> Iterator[Crystal | Failure]:
    """Read the text of a CIF, one item per data block with atom sites.

    Args:
        text: Text of the whole file.
        name: Id of the crystal.
        source: Name of the file or row, for error messages.
        limit: Number of atoms that a cell may have.
    """
    found = [block for block in blocks(text) if _is_structure(block)]
    if not found:
        error = UnreadableError("It holds no atom sites", "Give a whole CIF with _atom_site_ entries", source)
        yield Failure(name, error)
    for i, block in enumerate(found):
        label = name if len(found) == 1 else f"{name}:{i}"
        try:
            yield _crystal(block, label, limit)
        except CrystalError as error:
            error.source = source
            yield Failure(label, error)


def _is_structure(block: str) -> bool:
    """Return whether a block has atom sites and is not the powder pattern that some data bases add to the structure."""
    if "powder_pattern" in block.split("\n", 1)[0]:
        return False
    if "\n_atom_site_label" in block or "\n _atom_site_label" in block:
        return True  # found fast; all the ways to write it take longer
    heads = (found.start() for found in _SITES.finditer(block))
    return any(not block[max(head - 1, 0) : head].strip() for head in heads)


def _crystal(block: str, name: str, limit: int) -> Crystal:
    tags = tags_of(block)
    lattice = _lattice(tags)
    content = content_of(tags)
    sites = sites_of(tags, lattice, content.formula.keys(), limit)
    refuse_missing_hydrogens(tags, sites.numbers, content)
    chosen = _chosen(_readings(symmetries(tags, lattice), sites, lattice, content, name, limit))
    refuse_other_composition(chosen.crystal, content, chosen.witness)
    warned = [*filter(None, [chosen.symmetry.warning]), *doubts(chosen.crystal, content, chosen.witness)]
    return replace(chosen.crystal, warnings=tuple(warned)) if warned else chosen.crystal


def _readings(
    found: list[Symmetry], sites: Sites, lattice: np.ndarray, content: Content, name: str, limit: int
) -> list[_Reading]:
    """Return the crystals that a block may mean, without those that are none.

    Raises:
        CrystalError: None of them is a crystal.
    """
    readings: list[_Reading] = []
    refusal: CrystalError | None = None
    for symmetry in found:
        for atoms in expand(sites, symmetry.operations, lattice, limit):
            try:
                crystal = _without_overlap(Crystal(name, lattice, atoms.fractional, atoms.numbers), limit)
            except CrystalError as error:
                refusal = refusal or error
            else:
                witness = witness_of(crystal, content, multiplicities=atoms.multiplicities)
                readings.append(_Reading(symmetry, crystal, witness))
    if refusal and not readings:
        raise refusal
    return readings


def _without_overlap(crystal: Crystal, limit: int) -> Crystal:
    """Return the crystal once it is validated, equal atoms that lie on one another put together."""
    try:
        return validate(crystal, limit)
    except CoordinatesError:
        return validate(without_doubles(crystal), limit)


def _chosen(readings: list[_Reading]) -> _Reading:
    """Return the reading that the witnesses speak for.

    Raises:
        UnreadableError: They leave crystals that differ.
    """
    if len(readings) == 1:
        return readings[0]
    left = readings
    for place in range(len(Witness._fields)):
        left = [one for one in left if one.witness[place] is not False] or left
    left = [one for one in left if _is_sane(one.crystal)] or left
    first = left[0]
    others = [
        one for one in left[1:] if one.symmetry is not first.symmetry and not _coincide(first.crystal, one.crystal)
    ]
    if others and first.symmetry.undecided:
        names = " or ".join(one.symmetry.name for one in (first, *others))
        raise UnreadableError(
            f"The file does not say which symmetry it means: {names}",
            "Name the origin, as in 'F d -3 m :2', list the operations, or give the formula and Z",
        )
    return first


def _is_sane(crystal: Crystal) -> bool:
    """Return whether no two atoms are much nearer than a bond between them is long."""
    from ase.data import covalent_radii  # noqa: PLC0415 - only where the symmetry leaves a choice

    shifts = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)], dtype=np.float64)
    apart = crystal.fractional[:, None] - crystal.fractional[None]
    apart -= np.rint(apart)
    distances = np.linalg.norm((apart[:, :, None] + shifts) @ crystal.lattice, axis=3)
    distances[distances < 1e-6] = np.inf  # an atom and itself
    radii = covalent_radii[crystal.numbers]
    return bool((distances.min(axis=2) > _SQUEEZED * (radii[:, None] + radii)).all())


def _coincide(one: Crystal, other: Crystal) -> bool:
    """Return whether two crystals in the same cell have the same atoms at the same places."""
    if sorted(one.numbers.tolist()) != sorted(other.numbers.tolist()):
        return False
    apart = one.fractional[:, None] - other.fractional[None]
    distances = np.linalg.norm((apart - np.rint(apart)) @ one.lattice, axis=2)
    distances[one.numbers[:, None] != other.numbers] = np.inf
    return bool((distances.min(axis=1) < _COINCIDE).all() and (distances.min(axis=0) < _COINCIDE).all())


def _lattice(tags: Tags) -> np.ndarray:
    """Return the rows of the lattice, c along z and a in the xz plane.

    Raises:
        LatticeError: A length is missing, or the parameters make no cell.
    """
    a, b, c, *angles = _parameters(tags)
    alpha, beta, gamma = map(math.radians, angles)
    if not all(0 < angle < math.pi for angle in (alpha, beta, gamma)) or min(a, b, c) <= 0:
        raise LatticeError(
            "A length or an angle of the cell is out of range",
            "Give lengths in angstrom and angles between 0 and 180 degrees",
        )
    cosine = (math.cos(alpha) * math.cos(beta) - math.cos(gamma)) / (math.sin(alpha) * math.sin(beta))
    if not abs(cosine) < 1:
        raise LatticeError("The angles of the cell make no cell: it has no volume", "Mend _cell_angle_alpha to _gamma")
    reciprocal = math.acos(cosine)
    first = [a * math.sin(beta), 0.0, a * math.cos(beta)]
    across, along = b * math.sin(alpha), b * math.cos(alpha)
    return np.array([first, [-across * math.cos(reciprocal), across * math.sin(reciprocal), along], [0.0, 0.0, c]])


def _parameters(tags: Tags) -> list[float]:
    """Return the lengths of the cell, angstrom, and its angles, degrees."""
    try:
        found = to_floats(tags.alone((*_LENGTHS, *_ANGLES)))
    except ValueError:
        found = []
    if len(found) == len(_LENGTHS) + len(_ANGLES) and math.isfinite(sum(found)):
        return found
    return [*(_parameter(tags, tag, "") for tag in _LENGTHS), *(_parameter(tags, tag, _RIGHT) for tag in _ANGLES)]


def _parameter(tags: Tags, tag: str, default: str) -> float:
    values = known(tags, tag) or [default]
    value = number_of(values[0])
    if len(values) > 1 or not math.isfinite(value):
        problem = f"{tag} is {values[0]!r}, expected a number" if values[0] else f"{tag} is missing or has no value"
        raise LatticeError(problem, "Give _cell_length_a to _c in angstrom and _cell_angle_alpha to _gamma in degrees")
    return value
