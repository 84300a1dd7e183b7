"""The point group of a crystal as rotation matrices: what leaves all tensor properties of the crystal unchanged.

The operations of a space group are whole numbers in the basis of the lattice. A lattice that has the symmetry only within a
tolerance turns them into matrices G that are a group but no rotations; with the metric M = mean_g G^T G, which they all leave
unchanged, the matrices M^1/2 G M^-1/2 are rotations, and a group to the last digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.graphs.symmetry import isometries

if TYPE_CHECKING:
    from cryskit.types import Crystal

ORDER = 48
"""Number of rotations that stand for a point group: a multiple of the order of each of the 32 crystallographic point groups."""

_SAME = 6  # decimals to which two matrices of one rotation agree


def point_group(crystal: Crystal) -> np.ndarray:
    """Return the rotations of the point group for Cartesian column vectors, improper ones included, (48, 3, 3) float64.

    Each is repeated as often as makes 48, so that means over the group are means over all 48. The group is detected with the
    tolerance of the orbits (`graphs.symmetry.TOLERANCE`); of a crystal whose symmetry cannot be found it is the identity alone.

    Args:
        crystal: The crystal.
    """
    found = isometries(crystal).rotations
    _, first = np.unique(found.round(_SAME) + 0.0, axis=0, return_index=True)
    group = found[first]
    values, vectors = np.linalg.eigh((group.transpose(0, 2, 1) @ group).mean(0))
    root = vectors * np.sqrt(values) @ vectors.T
    rotations = root @ group @ np.linalg.inv(root)
    return np.tile(rotations, (ORDER // len(rotations), 1, 1)) if ORDER % len(rotations) == 0 else _identities()


def _identities() -> np.ndarray:
    return np.tile(np.eye(3), (ORDER, 1, 1))
