"""The senses of the axes of a standard frame where the lattice leaves them open.

A lattice may have rotations that its crystal lacks: the axes a and -a of a trigonal crystal, or c and -c of one of class 4/m,
are the same to the lattice, but components such as c14 and c16 change sign between them. They are chosen so that the same components of
a tensor of the bonds,

    B_ijkl = sum over pairs w(r) Z_1 Z_2 n_i n_j n_k n_l        w(r) = (1 - r^2 / R^2)^3

are positive, with the atomic numbers Z, the directions n of the bonds, and R three times the cube root of the volume per atom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pymatgen.optimization.neighbors import find_points_in_spheres

if TYPE_CHECKING:
    from cryskit.types import Crystal

_REACH = 3.0
_LEAST = 1e-6  # part of the trace of B below which a component counts as zero

ABOUT_X, ABOUT_Z = np.diag([1.0, -1.0, -1.0]), np.diag([-1.0, -1.0, 1.0])
"""Rotations by half a turn around x and around z."""

XXXY, XXXZ, XXYZ = (0, 0, 0, 1), (0, 0, 0, 2), (0, 0, 1, 2)
"""Cartesian indices that belong to c16, c15 and c14."""


def with_senses(
    axes: np.ndarray, crystal: Crystal, choices: tuple[tuple[np.ndarray, tuple[int, int, int, int]], ...]
) -> np.ndarray:
    """Return axes, turned so that components of the tensor of the bonds are positive, (3, 3) float64.

    Args:
        axes: (3, 3), the axes as rows.
        crystal: The crystal.
        choices: Rotations of the axes, each with the indices of a component of which it changes the sign.
    """
    if not choices:
        return axes
    directions, weights = _bonds(crystal)
    for rotation, indices in choices:
        along = (directions @ axes.T)[:, indices]
        component = float(weights @ along.prod(axis=1))
        if component < -_LEAST * weights.sum():
            axes = rotation @ axes
    return axes


def _bonds(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    """Return the directions of all bonds and their weights in the tensor."""
    lattice = crystal.lattice
    reach = float(_REACH * (abs(np.linalg.det(lattice)) / len(crystal)) ** (1 / 3))
    positions = np.ascontiguousarray((crystal.fractional % 1.0) @ lattice)
    first, second, image, lengths = find_points_in_spheres(positions, positions, reach, np.ones(3, int), lattice, 1e-8)
    bonds = lengths > 1e-8  # no atom has a bond with itself
    first, second, image, lengths = first[bonds], second[bonds], image[bonds], lengths[bonds]
    vectors = positions[second] + image @ lattice - positions[first]
    smooth = (1 - (lengths / reach) ** 2) ** 3
    return vectors / lengths[:, None], smooth * crystal.numbers[first] * crystal.numbers[second]
