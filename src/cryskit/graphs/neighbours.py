"""The neighbours of atoms under periodic boundary conditions, by whole shells.

The search is pymatgen's Cython kernel. It is called for the wanted centres only, with a radius guessed from the density that
grows until it provably holds all the neighbours wanted: a fraction of the pairs within the full radius.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from cryskit.errors import LatticeError

if TYPE_CHECKING:
    from cryskit.types import Crystal, GraphSpec

SHELL_TOLERANCE = 1e-3
"""Width of a shell, in angstrom: neighbours as near as the last one counted, up to this, belong to its shell."""

_PERIODIC = np.ones(3, dtype=np.int64)
_GROWTH = 1.35
_MOST_IMAGES = 10_000_000


class Neighbours(NamedTuple):
    """Directed edges of one crystal, sorted by centre and then by distance.

    Attributes:
        centre: (E,) int64, the centre of each edge, as its position in the list of centres that was given.
        neighbour: (E,) int64, the neighbour of each edge, as its position in the cell.
        image: (E, 3) float64, the lattice translation of the neighbour, in lattice vectors.
        distance: (E,) float64, the distance of the neighbour in angstrom.
    """

    centre: np.ndarray
    neighbour: np.ndarray
    image: np.ndarray
    distance: np.ndarray


def neighbours(crystal: Crystal, centres: np.ndarray, spec: GraphSpec) -> Neighbours:
    """Find the neighbours of some atoms of a crystal.

    Args:
        crystal: The crystal. Its fractional coordinates may lie outside the cell; images refer to them as they are.
        centres: (C,) int64, the atoms whose neighbours are wanted.
        spec: The neighbourhood: the nearest atoms or all within a radius, the radius, the count, whole shells or not.

    Returns:
        The edges; an atom with nothing within the radius has none.
    """
    cell = np.floor(crystal.fractional)
    _check_images(crystal, spec.radius)
    positions = np.ascontiguousarray((crystal.fractional - cell) @ crystal.lattice)
    lattice = crystal.lattice
    search = spec.radius if spec.neighbours == "radius" else _guess(crystal, spec)
    while True:
        found = _within(positions, centres, lattice, search)
        if search >= spec.radius or _holds_count(found, len(centres), spec.count, search):
            break
        search = min(search * _GROWTH, spec.radius)
    if spec.neighbours == "nearest":
        found = _nearest(found, len(centres), spec)
    image = found.image - cell[found.neighbour] + cell[centres[found.centre]]
    return found._replace(image=image)


def mutual(
    crystal: Crystal, chosen: Neighbours, centres: np.ndarray, node_of_atom: np.ndarray, spec: GraphSpec
) -> Neighbours:
    """Find mutual neighbours: pairs of atoms of which one is among the nearest neighbours of the other, by whole shells.

    Args:
        crystal: The crystal.
        chosen: The neighbours of the centres that `neighbours` found.
        centres: (C,) int64, the atoms whose neighbours are wanted.
        node_of_atom: (N,) int64, for each atom of the crystal the position in `centres` of the equivalent centre.
        spec: The neighbourhood: the nearest atoms or all within a radius, the radius, the count.
    """
    reach = np.full(len(centres), spec.radius + SHELL_TOLERANCE)
    if spec.neighbours == "nearest":
        reach = np.minimum(_shell_ends(chosen, len(centres), spec.count), reach)
    every = neighbours(crystal, centres, replace(spec, neighbours="radius", radius=float(reach.max())))
    keep = every.distance <= np.maximum(reach[every.centre], reach[node_of_atom[every.neighbour]])
    return Neighbours(*(field[keep] for field in every))


def _check_images(crystal: Crystal, radius: float) -> None:
    """Raise an error if the cell is so thin that the radius spans an absurd number of its images."""
    planes_per_angstrom = np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)
    images = float(np.prod(2 * np.ceil(radius * planes_per_angstrom) + 1)) * len(crystal)
    if images > _MOST_IMAGES:
        raise LatticeError(
            f"{radius:g} angstrom around an atom reach over {images:.0f} images of atoms, at most {_MOST_IMAGES} are searched",
            "Give a primitive, reduced cell in angstrom",
            crystal.id,
        )


def _guess(crystal: Crystal, spec: GraphSpec) -> float:
    volume = abs(np.linalg.det(crystal.lattice))
    return float(min((3 * (2 * spec.count + 6) * volume / (4 * np.pi * len(crystal))) ** (1 / 3), spec.radius))


def _within(positions: np.ndarray, centres: np.ndarray, lattice: np.ndarray, radius: float) -> Neighbours:
    centre, neighbour, image, distance = find_points_in_spheres(
        positions, positions[centres], radius, _PERIODIC, lattice, 1e-8
    )
    itself = (centres[centre] == neighbour) & ~image.any(axis=1)
    order = np.lexsort((distance, centre))
    order = order[~itself[order]]
    return Neighbours(centre[order], neighbour[order], image[order], distance[order])


def _ranks(centre: np.ndarray, centres: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = np.bincount(centre, minlength=centres)
    starts = np.cumsum(counts) - counts
    return counts, starts, np.arange(len(centre)) - starts[centre]


def _holds_count(found: Neighbours, centres: int, count: int, radius: float) -> bool:
    counts, starts, _ = _ranks(found.centre, centres)
    if (counts < count).any():
        return False
    last = found.distance[starts + count - 1]
    return bool((last + SHELL_TOLERANCE < radius).all())


def _nearest(found: Neighbours, centres: int, spec: GraphSpec) -> Neighbours:
    if spec.shells:
        keep = found.distance <= _shell_ends(found, centres, spec.count)[found.centre]
    else:
        keep = _ranks(found.centre, centres)[2] < spec.count
    return Neighbours(*(field[keep] for field in found))


def _shell_ends(found: Neighbours, centres: int, count: int) -> np.ndarray:
    """Return the distance up to which each centre has neighbours, (C,); infinity where there are fewer than `count`."""
    counts, starts, _ = _ranks(found.centre, centres)
    enough = counts >= count
    ends = np.full(centres, np.inf)
    ends[enough] = found.distance[(starts + count - 1)[enough]] + SHELL_TOLERANCE
    return ends
