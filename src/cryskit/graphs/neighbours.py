"""The neighbours of atoms under periodic boundary conditions: with weights that fall smoothly to zero, or by whole shells.

The search is pymatgen's Cython kernel. It is called for the wanted centres only, with a radius guessed from the density that
grows until it provably holds all the neighbours wanted: a fraction of the pairs within the full radius.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

from cryskit.errors import LatticeError
from cryskit.graphs.smooth import SMALLEST, directed_weights, mutual_weights, reaches

if TYPE_CHECKING:
    from collections.abc import Callable

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
        weight: (E,) float64, the weight of the neighbour, 0 to 1; 1 for all where neighbourhoods are not smooth.
    """

    centre: np.ndarray
    neighbour: np.ndarray
    image: np.ndarray
    distance: np.ndarray
    weight: np.ndarray


def neighbours(crystal: Crystal, centres: np.ndarray, spec: GraphSpec) -> Neighbours:
    """Find the neighbours of some atoms of a crystal.

    Args:
        crystal: The crystal. Its fractional coordinates may lie outside the cell; images refer to them as they are.
        centres: (C,) int64, the atoms whose neighbours are wanted.
        spec: The neighbourhood: smooth, the nearest atoms or all within a radius; the radius, the count, whole shells or not.

    Returns:
        The edges; an atom with nothing within the radius has none.
    """
    cell = np.floor(crystal.fractional)
    _check_images(crystal, spec.radius)
    positions = np.ascontiguousarray((crystal.fractional - cell) @ crystal.lattice)
    lattice = crystal.lattice
    kind = _KINDS[spec.neighbours]
    search = spec.radius if kind.enough is None else _guess(crystal, spec)
    while True:
        found = _within(positions, centres, lattice, search)
        if kind.enough is None or search >= spec.radius or kind.enough(found, len(centres), spec, search):
            break
        search = min(search * _GROWTH, spec.radius)
    found = kind.chosen(found, len(centres), spec)
    image = found.image - cell[found.neighbour] + cell[centres[found.centre]]
    return found._replace(image=image)


def mutual(
    crystal: Crystal, chosen: Neighbours, centres: np.ndarray, node_of_atom: np.ndarray, spec: GraphSpec
) -> Neighbours:
    """Find mutual neighbours: pairs of atoms of which one is a neighbour of the other.

    Args:
        crystal: The crystal.
        chosen: The neighbours of the centres that `neighbours` found.
        centres: (C,) int64, the atoms whose neighbours are wanted.
        node_of_atom: (N,) int64, for each atom of the crystal the position in `centres` of the equivalent centre.
        spec: The neighbourhood: smooth, the nearest atoms by whole shells or all within a radius; the radius, the count.
    """
    reach = _KINDS[spec.neighbours].reach(chosen, len(centres), spec)
    search = min(float(reach.max(initial=0.0)), spec.radius + SHELL_TOLERANCE)
    every = neighbours(crystal, centres, replace(spec, neighbours="radius", radius=search))
    one, other = reach[every.centre], reach[node_of_atom[every.neighbour]]
    if spec.neighbours == "smooth":
        weights = (directed_weights(every.distance, each, spec.radius) for each in (one, other))
        return _weighted(every, mutual_weights(*weights))
    return _kept(every, every.distance <= np.maximum(one, other))


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
    return Neighbours(centre[order], neighbour[order], image[order], distance[order], np.ones(len(order)))


def _kept(found: Neighbours, keep: np.ndarray) -> Neighbours:
    return Neighbours(*(field[keep] for field in found))


def _weighted(found: Neighbours, weight: np.ndarray) -> Neighbours:
    return _kept(found._replace(weight=weight), weight > SMALLEST)


def _ranks(centre: np.ndarray, centres: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = np.bincount(centre, minlength=centres)
    starts = np.cumsum(counts) - counts
    return counts, starts, np.arange(len(centre)) - starts[centre]


def _holds_nearest(found: Neighbours, centres: int, spec: GraphSpec, radius: float) -> bool:
    """Return whether the neighbours within the radius hold the wanted number of each centre, by whole shells."""
    counts, starts, _ = _ranks(found.centre, centres)
    if (counts < spec.count).any():
        return False
    last = found.distance[starts + spec.count - 1]
    return bool((last + SHELL_TOLERANCE < radius).all())


def _holds_reach(found: Neighbours, centres: int, spec: GraphSpec, radius: float) -> bool:
    """Return whether the neighbours within the radius would count enough if it were the reach of every centre."""
    weight = directed_weights(found.distance, np.full(1, radius), spec.radius)
    return bool((np.bincount(found.centre, weight, centres) >= spec.count).all())


def _nearest(found: Neighbours, centres: int, spec: GraphSpec) -> Neighbours:
    if spec.shells:
        return _kept(found, found.distance <= _shell_ends(found, centres, spec)[found.centre])
    return _kept(found, _ranks(found.centre, centres)[2] < spec.count)


def _smooth(found: Neighbours, centres: int, spec: GraphSpec) -> Neighbours:
    reach = _reach(found, centres, spec)
    return _weighted(found, directed_weights(found.distance, reach[found.centre], spec.radius))


def _shell_ends(found: Neighbours, centres: int, spec: GraphSpec) -> np.ndarray:
    """Return the distance up to which each centre has neighbours, (C,); that of the radius where there are too few."""
    counts, starts, _ = _ranks(found.centre, centres)
    enough = counts >= spec.count
    ends = np.full(centres, spec.radius + SHELL_TOLERANCE)
    ends[enough] = np.minimum(found.distance[(starts + spec.count - 1)[enough]] + SHELL_TOLERANCE, ends[enough])
    return ends


def _reach(found: Neighbours, centres: int, spec: GraphSpec) -> np.ndarray:
    """Return the reach of each centre, (C,); see `graphs.smooth`."""
    return reaches(found.distance, found.centre, centres, spec)


def _radius(_found: Neighbours, centres: int, spec: GraphSpec) -> np.ndarray:
    """Return the radius for each centre, (C,)."""
    return np.full(centres, spec.radius + SHELL_TOLERANCE)


class _Kind(NamedTuple):
    """A kind of neighbourhood, `GraphSpec.neighbours`.

    Attributes:
        enough: Whether the neighbours within a radius hold all that belong to the neighbourhood; None if only the largest radius does.
        chosen: The neighbours that belong to it, with their weights.
        reach: The distance up to which each centre has neighbours, (C,).
    """

    enough: Callable[[Neighbours, int, GraphSpec, float], bool] | None
    chosen: Callable[[Neighbours, int, GraphSpec], Neighbours]
    reach: Callable[[Neighbours, int, GraphSpec], np.ndarray]


_KINDS = {
    "smooth": _Kind(_holds_reach, _smooth, _reach),
    "nearest": _Kind(_holds_nearest, _nearest, _shell_ends),
    "radius": _Kind(None, lambda found, *_: found, _radius),
}
