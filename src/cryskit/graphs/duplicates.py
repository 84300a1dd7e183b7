"""Near-duplicates: crystals that are equal but for noise, a little strain, or the choice of cell.

Two crystals are near-duplicates if they have one reduced formula, volumes per atom within `VOLUME` of one another and, in
units of the cube root of the volume per atom, surroundings that differ nowhere by more than `SHIFT`. The surroundings are,
for each ordered pair of elements (A, B), the distances from an atom A to its nearest atoms B in ascending order, each
averaged over all atoms A: independent of cell, origin and order of atoms.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from cryskit.elements import formula
from cryskit.errors import CrystalError
from cryskit.graphs.neighbours import neighbours
from cryskit.types import GraphSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryskit.types import Crystal

VOLUME = 0.03
"""Largest relative difference of the volumes per atom: that of a strain of 1 % along each axis."""

SHIFT = 0.025
"""Largest difference of mean distances, in cube roots of the volume per atom (about 0.06 angstrom). Noise of 0.01 angstrom or a
strain of 0.5 % shifts a mean distance by up to 0.02; polymorphs of equal density differ by 0.03 to 2 (few exceptions)."""

_NEAREST = 24  # atoms of an element around an atom: beyond the shell in which stackings of close-packed layers differ
_REACH = 3.0  # cube roots of the volume per atom; farther atoms count as this far


def near_duplicates(crystals: Sequence[Crystal], others: Iterable[Crystal]) -> dict[int, list[str]]:
    """Find the crystals that have near-duplicates among other crystals.

    Args:
        crystals: The crystals whose near-duplicates are wanted.
        others: The crystals among which near-duplicates are looked for.

    Returns:
        Position in `crystals` to the ids of its near-duplicates, for those that have any.
    """
    groups: dict[str, list[Crystal]] = defaultdict(list)
    wanted = {formula(crystal.numbers) for crystal in crystals}
    for crystal in others:
        name = formula(crystal.numbers)
        if name in wanted:
            groups[name].append(crystal)
    of_formula = {name: _SameFormula(group) for name, group in groups.items()}
    found = {
        position: of_formula[name].duplicates(crystal)
        for position, crystal in enumerate(crystals)
        if (name := formula(crystal.numbers)) in of_formula
    }
    return {position: ids for position, ids in found.items() if ids}


class _SameFormula:
    """Crystals of one reduced formula, by volume; their surroundings are found when they are first compared."""

    def __init__(self, crystals: Sequence[Crystal]) -> None:
        volumes = np.array([volume(crystal) for crystal in crystals])
        order = np.argsort(volumes)
        self._crystals = [crystals[i] for i in order]
        self._volumes = volumes[order]
        self._surroundings: dict[int, np.ndarray] = {}

    def duplicates(self, crystal: Crystal) -> list[str]:
        """Return the ids of the near-duplicates of a crystal."""
        size = volume(crystal)
        near = range(*np.searchsorted(self._volumes, (size / (1 + VOLUME), size * (1 + VOLUME))))
        if not near:
            return []
        mine = surroundings(crystal)
        return [self._crystals[i].id for i in near if np.abs(self._of(i) - mine).max() <= SHIFT]

    def _of(self, position: int) -> np.ndarray:
        if position not in self._surroundings:
            self._surroundings[position] = surroundings(self._crystals[position])
        return self._surroundings[position]


def volume(crystal: Crystal) -> float:
    """Return the volume of a crystal per atom, in cubic angstrom.

    Args:
        crystal: The crystal.
    """
    return abs(float(np.linalg.det(crystal.lattice))) / len(crystal)


def surroundings(crystal: Crystal) -> np.ndarray:
    """Return the mean distances to the nearest atoms of each element around the atoms of each element.

    Args:
        crystal: The crystal.

    Returns:
        (elements, elements, 24) the mean distances in cube roots of the volume per atom, elements in the order of atomic
        numbers; NaN, which equals nothing, where the cell is too thin to be searched.
    """
    length = volume(crystal) ** (1 / 3)
    elements, kind = np.unique(crystal.numbers, return_inverse=True)
    mean = np.full((len(elements), len(elements), _NEAREST), np.nan)
    try:
        found = neighbours(
            crystal, np.arange(len(crystal)), GraphSpec(neighbours="radius", radius=_REACH * length, reduce=False)
        )
    except CrystalError:
        return mean
    pair = found.centre * len(elements) + kind[found.neighbour]
    order = np.lexsort((found.distance, pair))
    pair, distance = pair[order], found.distance[order] / length
    rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
    kept = rank < _NEAREST
    nearest = np.full((len(crystal) * len(elements), _NEAREST), _REACH)
    nearest[pair[kept], rank[kept]] = distance[kept]
    for element in range(len(elements)):
        mean[element] = nearest.reshape(len(crystal), len(elements), _NEAREST)[kind == element].mean(axis=0)
    return mean
