"""The symmetry of a crystal: its space group, its operations and its point group.

Symmetry is detected (moyopy) and never read from a file: most published CIFs are written as P1.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import moyopy
import numpy as np

from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCE = 1e-4
"""Largest distance, in angstrom, between an atom and the image of another one under an operation of the space group. It is
tight, so that an encoder gives the same for the reduced graph as for the full one."""

NAMED_TOLERANCE = 1e-2
"""The same distance, in angstrom, where only the name of the space group is wanted; that of the Materials Project."""

SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
"""The crystal systems, from the lowest to the highest symmetry."""

_LAST_GROUPS = (2, 15, 74, 142, 167, 194, 230)  # of the crystal systems

_MOYO = logging.getLogger("moyo")


def space_group(crystal: Crystal) -> tuple[int, int]:
    """Return the number of the space group, 1..230, and the crystal system, 0 (triclinic) to 6 (cubic).

    A crystal whose symmetry cannot be found counts as one without any: space group 1.

    Args:
        crystal: The crystal.
    """
    found = detect(crystal, NAMED_TOLERANCE)
    number = 1 if found is None else int(found.number)
    return number, system_of(number)


def system_of(number: int) -> int:
    """Return the position in SYSTEMS of the crystal system of a space group.

    Args:
        number: The number of the space group, 1..230.
    """
    return bisect_left(_LAST_GROUPS, number)


class Isometries(NamedTuple):
    """The operations x -> rotation x + translation that map a crystal onto itself, the identity included.

    Attributes:
        rotations: (S, 3, 3) float64, rotation matrices for Cartesian column vectors.
        translations: (S, 3) float64, translations in angstrom, each up to one of the lattice.
        lattice: (3, 3) float64, rows in angstrom, which span all translations of the crystal.
    """

    rotations: np.ndarray
    translations: np.ndarray
    lattice: np.ndarray


def isometries(crystal: Crystal) -> Isometries:
    """Return the operations of the space group, those that the cell of a supercell cannot hold included.

    Args:
        crystal: The crystal; if its symmetry cannot be found only the identity is returned.
    """
    found = detect(crystal, TOLERANCE)
    if found is not None and len(found.prim_std_cell.numbers) < len(crystal):
        crystal = _primitive(crystal, found)
        found = detect(crystal, TOLERANCE)
    if found is None:
        return Isometries(np.eye(3)[None], np.zeros((1, 3)), crystal.lattice)
    columns = crystal.lattice.T
    rotations = columns @ np.array(found.operations.rotations) @ np.linalg.inv(columns)
    return Isometries(rotations, np.array(found.operations.translations) @ crystal.lattice, crystal.lattice)


def point_group(crystal: Crystal, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return the operations of the point group, (S, 3, 3) float64, as matrices for Cartesian column vectors, the identity included.

    They are exactly orthogonal and exactly a group: they are those of the lattice whose metric is the mean over the group,
    in the orientation of the given one. A crystal whose symmetry cannot be found has the identity only.

    Args:
        crystal: The crystal.
        tolerance: Largest distance between an atom and the image of another one under an operation, in angstrom.
    """
    found = detect(crystal, tolerance)
    if found is not None and len(found.prim_std_cell.numbers) < len(crystal):
        crystal = _primitive(crystal, found)
        found = detect(crystal, tolerance)
    if found is None:
        return np.eye(3)[None]
    rotations = np.unique(np.array(found.operations.rotations), axis=0)
    columns = crystal.lattice.T
    metric = np.mean([rotation.T @ columns.T @ columns @ rotation for rotation in rotations], axis=0)
    inverse = np.linalg.inv(columns)
    values, vectors = np.linalg.eigh(inverse.T @ metric @ inverse)  # nearly the identity
    exact = (vectors * np.sqrt(values)) @ vectors.T @ columns
    operations: np.ndarray = exact @ rotations @ np.linalg.inv(exact)
    return operations


def _primitive(crystal: Crystal, found: moyopy.MoyoDataset) -> Crystal:
    """Return the primitive cell of a crystal, at its place in space."""
    linear = np.array(found.prim_std_linear)
    _, first = np.unique(found.mapping_std_prim, return_index=True)
    fractional = crystal.fractional[first] @ np.linalg.inv(linear).T
    return Crystal(crystal.id, linear.T @ crystal.lattice, fractional, crystal.numbers[first])


# A Crystal is hashed by identity, so a result is found again only for the same object. Two entries, one for each tolerance, let
# callers that follow one another on one crystal (orbits, then isometries) share a search; more would only keep crystals in
# memory.
@lru_cache(maxsize=2)
def detect(crystal: Crystal, tolerance: float) -> moyopy.MoyoDataset | None:
    """Return the symmetry of a crystal as moyo detects it, or None where it detects none.

    Args:
        crystal: The crystal.
        tolerance: Largest distance between an atom and the image of another one under an operation, in angstrom.
    """
    cell = moyopy.Cell(crystal.lattice.tolist(), crystal.fractional.tolist(), crystal.numbers.tolist())
    with _without_warnings():
        try:
            return moyopy.MoyoDataset(cell, symprec=tolerance)
        except ValueError:
            return None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Drop what moyo logs in this thread below an error: that the cell of a supercell cannot hold some operations.

    Its orbits are those of the primitive cell. This is a filter because moyo caches the level of its logger: a level that
    was set for the time of a call would silence the later calls of others, too.
    """
    here = threading.get_ident()

    def unless_warning(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or record.thread != here

    _MOYO.addFilter(unless_warning)
    try:
        yield
    finally:
        _MOYO.removeFilter(unless_warning)
