"""Smooth neighbourhoods: the weight of a neighbour falls to zero before it is left out, at a distance that adapts to density.

    w_ij = f(d_ij / R_i) f(d_ij / radius),    R_i such that sum_j w_ij = count

f is 1 up to START and falls to 0 at 1 as a quintic smoothstep, with two continuous derivatives. So every atom has `count`
neighbours, counted by weight, and a neighbour enters or leaves with weight zero: whatever is summed with these weights is a
continuous function of the positions of all atoms, also where a strain splits a shell. A change of one distance by e changes no
weight by more than 1.875 e / ((1 - START) R_i) through R_i, because the changes of all weights through R_i make up for that
one. An atom with fewer neighbours within `radius` has R_i without limit, and its neighbours fade out towards `radius`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from cryskit.types import GraphSpec

Numbers = TypeVar("Numbers", bound=Any)

START = 0.7
"""Share of the reach of an atom up to which a neighbour counts fully."""

SMALLEST = 1e-6
"""Weight below which a neighbour is left out: what it adds to a sum is lost in the rounding of single precision."""

_EXACT = 1e-8  # of a soft count of neighbours
_FIRST = 1.2  # first guess of the reach, in distances of the `count`-th neighbour
_FLAT = 1e-9  # growth of the soft count with the reach, per angstrom, that counts as none
_MOST_STEPS = 80


def smoothstep(t: Numbers) -> Numbers:
    """Return the quintic smoothstep t^3 (10 - 15 t + 6 t^2), which rises from 0 to 1 with two continuous derivatives.

    Args:
        t: Numbers from 0 to 1, an array or a tensor.
    """
    rising: Numbers = t * t * t * (10 - t * (15 - 6 * t))
    return rising


def falloff(share: np.ndarray) -> np.ndarray:
    """Return f, the weight of a neighbour at a distance given as a share of the reach of the atom, (E,).

    Args:
        share: (E,) distance divided by reach; 0 or more.
    """
    return smoothstep(_inside(share))


def _inside(share: np.ndarray) -> np.ndarray:
    """Return how far a neighbour is inside the border of the neighbourhood, (E,): 1 up to START, 0 at the reach and beyond."""
    inside: np.ndarray = np.minimum(np.maximum((1 - share) / (1 - START), 0), 1)
    return inside


def reaches(distance: np.ndarray, centre: np.ndarray, centres: int, spec: GraphSpec) -> np.ndarray:
    """Return the reach R of each atom, the distance at which its neighbours have lost all weight, (C,) in angstrom.

    The `count`-th neighbour is within the reach, and the reach is at most 1 / START times as long unless the radius limits it.
    Between these bounds, which close in, Newton's method finds it.

    Args:
        distance: (E,) the distance of each neighbour in angstrom, of at least all neighbours within the reach.
        centre: (E,) the atom, 0..C-1, whose neighbour it is; edges are sorted by it, and by distance for each atom.
        centres: The number of atoms, C.
        spec: The neighbourhood: count and radius. An atom that has at most `count` neighbours, counted by weight, within the radius
            has the reach radius / START, at which all of them count fully.
    """
    count, limit = spec.count, spec.radius / START
    fixed = falloff(distance / spec.radius)
    found = np.bincount(centre, minlength=centres)
    solved = np.bincount(centre, fixed, centres) <= count
    nearest = np.full(centres, limit)
    nearest[found >= count] = distance[(np.cumsum(found) - found + count - 1)[found >= count]]
    low, high = nearest, np.where(nearest / START < START * spec.radius, nearest / START, limit)
    reach = np.where(solved, limit, np.minimum(_FIRST * nearest, (low + high) / 2))
    for _ in range(_MOST_STEPS):
        share = distance / reach[centre]
        t = _inside(share)
        excess = np.bincount(centre, fixed * smoothstep(t), centres) - count
        solved |= np.abs(excess) < _EXACT
        if solved.all():
            break
        growth = np.bincount(centre, fixed * np.square(t * (1 - t)) * share, centres) * (30 / (1 - START)) / reach
        low, high = np.where(excess < 0, reach, low), np.where(excess < 0, high, reach)
        newton = reach - excess / np.maximum(growth, _FLAT)
        inside = (newton > low) & (newton < high)
        reach = np.where(solved, reach, np.where(inside, newton, (low + high) / 2))
    return reach


def directed_weights(distance: np.ndarray, reach: np.ndarray, radius: float) -> np.ndarray:
    """Return the weight w of each neighbour, (E,), 0 to 1.

    Args:
        distance: (E,) the distance of each neighbour in angstrom.
        reach: (E,) the reach of the atom whose neighbour it is, in angstrom.
        radius: The largest distance of a neighbour in angstrom.
    """
    weight: np.ndarray = falloff(distance / reach) * falloff(distance / radius)
    return weight


def mutual_weights(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the weight of each pair of atoms that are neighbours if one is a neighbour of the other, (E,), 0 to 1.

    Args:
        one: (E,) the weight of the second atom as a neighbour of the first.
        other: (E,) the weight of the first atom as a neighbour of the second.
    """
    weight: np.ndarray = 1 - (1 - one) * (1 - other)
    return weight


def weights(
    distance: np.ndarray, centre: np.ndarray, centres: int, spec: GraphSpec, reverse: np.ndarray | None = None
) -> np.ndarray:
    """Return the weights of the edges of a graph at other distances than those it was built with, (E,), 0 to 1.

    Args:
        distance: (E,) the length of each edge in angstrom.
        centre: (E,) the atom, 0..C-1, at which it starts.
        centres: The number of atoms, C.
        spec: The neighbourhood: count and radius.
        reverse: (E,) the reverse of each edge of an undirected graph; None if the graph is directed.
    """
    order = np.lexsort((distance, centre))
    reach = reaches(distance[order], centre[order], centres, spec)
    one = directed_weights(distance, reach[centre], spec.radius)
    return one if reverse is None else mutual_weights(one, one[reverse])
