"""The reverse of each edge and the orbits of edges, also where nodes stand for orbits of the space group.

The edge i -> j leads back as j -> i. Where node r stands for atom j, an operation g of the crystal turns j into r, and the
edge back into g(j) -> g(i): one of r's own edges. Operations that leave r where it is turn equivalent edges of r into one
another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.errors import CoordinatesError
from cryskit.symmetry import Isometries, isometries

if TYPE_CHECKING:
    from cryskit.graphs.neighbours import Neighbours
    from cryskit.types import Crystal

MATCH = 1e-2
"""Largest distance, in angstrom, between an edge and the image of another one that counts as the same edge."""


class ReverseEdges(NamedTuple):
    """The reverse and the orbit of each edge of one crystal.

    Attributes:
        reverse: (E,) int64, the edge that each edge is when looked at from its other end, see `Graph.reverse`.
        orbit_of_edge: (E,) int64, the first edge of the orbit of each edge, see `Graph.orbit_of_edge`.
    """

    reverse: np.ndarray
    orbit_of_edge: np.ndarray


def reverse_edges(
    crystal: Crystal,
    nodes: np.ndarray,
    node_of_atom: np.ndarray,
    found: Neighbours,
    vectors: np.ndarray,
    *,
    reduce: bool,
) -> ReverseEdges | None:
    """Return the reverse and the orbit of every edge, or None where the operations do not match the edges.

    Args:
        crystal: The crystal.
        nodes: (n,) int64, the atom of the cell that is each node.
        node_of_atom: (N,) int64, the node that stands for each atom of the cell.
        found: The edges of the nodes, each with its reverse among the edges of the full cell.
        vectors: (E, 3) float64, the vector of each edge in angstrom, from centre to neighbour.
        reduce: Whether edges that an operation of the space group turns into one another form an orbit; if not, only
            translations are used.

    Raises:
        CoordinatesError: Even translations do not match the edges.
    """
    moves = isometries(crystal) if reduce else Isometries(np.eye(3)[None], np.zeros((1, 3)), crystal.lattice)
    misses = _misses(crystal, moves, nodes[node_of_atom])
    index = _EdgeIndex(vectors, found.centre, len(nodes))
    onto_node = misses.argmin(axis=0)[found.neighbour]
    reverse = index.find(_rotate(moves.rotations[onto_node], -vectors), node_of_atom[found.neighbour])
    operation, edge = np.nonzero((misses[:, nodes] < MATCH)[:, found.centre])
    image = index.find(_rotate(moves.rotations[operation], vectors[edge]), found.centre[edge])
    back = None
    if misses.min(axis=0, initial=np.inf).max() < MATCH and (reverse >= 0).all() and (image >= 0).all():
        orbit = np.arange(len(vectors))
        np.minimum.at(orbit, edge, image)
        back = ReverseEdges(reverse, orbit) if _consistent(reverse, orbit) else None
    if back is None and not reduce:
        raise CoordinatesError(
            "Not every neighbour has this atom as its neighbour",
            "Look for atoms that lie on one another",
            crystal.id,
        )
    return back


def _misses(crystal: Crystal, moves: Isometries, onto: np.ndarray) -> np.ndarray:
    """Return the distance between the image of each atom under each operation and the atom `onto`, (S, N) in angstrom."""
    positions = crystal.fractional @ crystal.lattice
    steps = positions @ moves.rotations.transpose(0, 2, 1) + moves.translations[:, None] - positions[onto]
    cells = steps @ np.linalg.inv(moves.lattice)
    misses: np.ndarray = np.linalg.norm((cells - np.round(cells)) @ moves.lattice, axis=2)
    return misses


def _rotate(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    images: np.ndarray = np.einsum("nij,nj->ni", rotations, vectors)
    return images


class _EdgeIndex:
    """Finds edges by their node and vector, in a table with one row of padded edges per node."""

    def __init__(self, vectors: np.ndarray, centre: np.ndarray, nodes: int) -> None:
        degree = np.bincount(centre, minlength=nodes)
        self._starts = np.cumsum(degree) - degree
        self._table = np.full((nodes, int(degree.max(initial=0)), 3), np.inf)
        self._table[centre, np.arange(len(centre)) - self._starts[centre]] = vectors

    def find(self, vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Return the edges with these vectors at these nodes, (n,) int64, -1 where there is none."""
        if not len(vectors):
            return np.zeros(0, np.int64)
        misses = np.square(self._table[centre] - vectors[:, None]).sum(axis=2)
        place = misses.argmin(axis=1)
        near = misses[np.arange(len(place)), place] < MATCH**2
        found: np.ndarray = np.where(near, self._starts[centre] + place, -1)
        return found


def _consistent(reverse: np.ndarray, orbit: np.ndarray) -> bool:
    """Return whether orbits are closed, whole orbits are reversed into whole orbits, and twice reversed is the same."""
    orbit_of_reverse = orbit[reverse]
    return bool(
        np.array_equal(orbit[orbit], orbit)
        and np.array_equal(orbit_of_reverse, orbit_of_reverse[orbit])
        and np.array_equal(orbit[reverse[orbit_of_reverse]], orbit)
    )
