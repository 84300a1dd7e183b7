"""What every crystal has to pass, whichever reader it comes from: finite numbers, a cell, elements, atoms apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import CoordinatesError, CrystalError, ElementError, LatticeError, SizeError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 500
"""Atoms that a cell may have unless the caller says otherwise."""
HEAVIEST = 100
"""Atomic number of the heaviest element that has features (fermium)."""
THINNEST = 0.2
"""Angstrom: the least distance between opposite faces of a cell. Below it rounding does not find nearest images."""
NEAREST = 0.1
"""Angstrom: atoms nearer than this lie on one another; half of THINNEST, so that one image of a pair can be so near."""


def attempt(name: str, source: str, make: Callable[[], Crystal], limit: int) -> Crystal | Failure:
    """Return the checked crystal that `make` returns, or the failure it ends in.

    Args:
        name: Id of the row, kept by the failure.
        source: File or row for the error message.
        make: Returns a crystal or raises a CrystalError.
        limit: Atoms that a cell may have.
    """
    try:
        return check(make(), limit)
    except CrystalError as error:
        error.source = source
        return Failure(name, error)


def check(crystal: Crystal, limit: int = LIMIT) -> Crystal:
    """Return the crystal if it is one.

    Args:
        crystal: From any reader.
        limit: Atoms that a cell may have.

    Raises:
        SizeError: No atoms, or more than `limit`.
        LatticeError: The cell is not finite or has no volume.
        ElementError: An atomic number outside 1 to 100.
        CoordinatesError: A coordinate is not finite, or two atoms lie on one another.
    """
    count(len(crystal), limit, crystal.id)
    heights = _heights(crystal)
    lightest, heaviest = crystal.numbers.min(), crystal.numbers.max()
    if lightest < 1 or heaviest > HEAVIEST:
        strange = lightest if lightest < 1 else heaviest
        raise ElementError(f"Atomic number {strange} is not between 1 and {HEAVIEST}", "Name a known element", crystal.id)
    if not np.isfinite(crystal.fractional).all():
        raise CoordinatesError("A coordinate is no finite number", "Give three coordinates for each atom", crystal.id)
    _apart(crystal, NEAREST / heights)
    return crystal


def count(atoms: int, limit: int, source: str = "") -> None:
    """Accept a number of atoms.

    Args:
        atoms: In the cell, or the least number there can be.
        limit: Atoms that a cell may have.
        source: File or row for the error message.

    Raises:
        SizeError: There are none, or more than `limit`.
    """
    if atoms < 1:
        raise SizeError("The cell has no atoms", "Give at least one", source)
    if atoms > limit:
        raise SizeError(
            f"The cell has {atoms} atoms or more, the limit is {limit}",
            "Give the primitive cell, or raise `limit` when reading",
            source,
        )


def _heights(crystal: Crystal) -> np.ndarray:
    """Return the three distances between opposite faces, angstrom."""
    lattice = crystal.lattice
    if not np.isfinite(lattice).all():
        raise LatticeError("A lattice vector is no finite number", "Give three vectors in angstrom", crystal.id)
    lengths = np.sqrt((lattice * lattice).sum(1))
    volume = abs(np.linalg.det(lattice))
    if volume <= 1e-9 * lengths.prod() or lengths.min() < THINNEST:
        raise LatticeError(
            f"The cell has no volume (lengths {', '.join(f'{length:.4g}' for length in lengths)}, volume {volume:.3g})",
            "Give three independent lattice vectors in angstrom",
            crystal.id,
        )
    inverse = np.linalg.inv(lattice)
    heights: np.ndarray = 1.0 / np.sqrt((inverse * inverse).sum(0))
    if heights.min() < THINNEST:
        raise LatticeError(
            f"The cell is only {heights.min():.3g} angstrom thick, less than {THINNEST}",
            "Give lattice vectors in angstrom; if the cell is very oblique, reduce it (Niggli)",
            crystal.id,
        )
    return heights


def _apart(crystal: Crystal, reach: np.ndarray) -> None:
    """Raise if two atoms are nearer than NEAREST under periodic images.

    Args:
        crystal: N atoms in a cell whose heights are at least THINNEST.
        reach: (3,) how far such a pair may differ in each fractional coordinate.
    """
    atoms = len(crystal)
    near = np.ones((atoms, atoms), dtype=bool)
    for axis in range(3):
        along = crystal.fractional[:, axis]
        apart = along[:, None] - along
        near &= np.abs(apart - np.rint(apart)) < reach[axis]
    if np.count_nonzero(near) == atoms:
        return
    first, second = np.nonzero(np.triu(near, 1))
    apart = crystal.fractional[first] - crystal.fractional[second]
    distances = np.linalg.norm((apart - np.rint(apart)) @ crystal.lattice, axis=1)
    worst = int(distances.argmin())
    if distances[worst] < NEAREST:
        i, j = int(first[worst]), int(second[worst])
        raise CoordinatesError(
            f"Atoms {i + 1} and {j + 1} (atomic numbers {crystal.numbers[i]} and {crystal.numbers[j]}) are "
            f"{distances[worst]:.3g} angstrom apart, expected at least {NEAREST}",
            "Remove the duplicate, or mend the coordinates or the symmetry operations",
            crystal.id,
        )
