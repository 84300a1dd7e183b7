"""The orbits of the atoms of a crystal: atoms for which every invariant network gives the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cryskit.graphs.neighbours import SHELL_TOLERANCE, Neighbours, neighbours
from cryskit.symmetry import TOLERANCE, detect

if TYPE_CHECKING:
    from cryskit.types import Crystal, GraphSpec


def orbits(crystal: Crystal, spec: GraphSpec) -> np.ndarray:
    """Return for each atom the first atom of its orbit, (N,) int64.

    Orbits are those of the primitive cell, so a supercell has as many as its primitive cell. Where the cell is not
    primitive they are checked: the neighbour distances of an orbit's atoms must agree, else every atom is its own orbit.

    Args:
        crystal: The crystal.
        spec: The kind of graph, in whose neighbourhoods equivalent atoms must have the same neighbours.
    """
    alone = np.arange(len(crystal))
    found = detect(crystal, TOLERANCE)
    if found is None:
        return alone
    _, first, orbit = np.unique(np.array(found.orbits), return_index=True, return_inverse=True)
    representative = first[orbit]
    if len(first) == len(crystal):
        return alone
    if len(found.prim_std_cell.numbers) == len(crystal) or agree(crystal, representative, spec):
        return representative
    return alone


def agree(crystal: Crystal, representative: np.ndarray, spec: GraphSpec) -> bool:
    """Return whether every atom has the same elements at the same distances as its representative.

    Args:
        crystal: The crystal.
        representative: (N,) int64, for each atom another one that should be equivalent.
        spec: The kind of graph, in whose neighbourhoods they are compared.
    """
    # Whole shells are compared: a smooth neighbourhood may end anywhere, so also between two distances that should be equal.
    whole = (
        replace(spec, neighbours="nearest", count=2 * spec.count, shells=True) if spec.neighbours == "smooth" else spec
    )
    found = neighbours(crystal, np.arange(len(crystal)), whole)
    shells = [_surroundings(crystal, found, atom) for atom in range(len(crystal))]
    for atom, other in enumerate(representative):
        (numbers, distances), (expected_numbers, expected) = shells[atom], shells[other]
        if len(distances) != len(expected) or crystal.numbers[atom] != crystal.numbers[other]:
            return False
        if len(expected) and np.abs(np.sort(distances) - np.sort(expected)).max() > SHELL_TOLERANCE:
            return False
        if not np.array_equal(np.sort(numbers), np.sort(expected_numbers)):
            return False
    return True


def _surroundings(crystal: Crystal, found: Neighbours, atom: int) -> tuple[np.ndarray, np.ndarray]:
    mine = slice(*np.searchsorted(found.centre, (atom, atom + 1)))
    return crystal.numbers[found.neighbour[mine]], found.distance[mine]
