"""The point group of a crystal as a field of its graph: a fixed number of rotations, whatever the group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.symmetry import point_group

if TYPE_CHECKING:
    from cryskit.types import Crystal

ORDER = 48
"""Number of rotations that stand for a point group: a multiple of the order of each of the 32 crystallographic point groups."""


def repeated_point_group(crystal: Crystal) -> np.ndarray:
    """Return the rotations of the point group, each as often as makes 48, (48, 3, 3) float64: means over them are means over the group.

    Args:
        crystal: The crystal, whose symmetry is detected with the tolerance of its orbits (`symmetry.TOLERANCE`).
    """
    found = point_group(crystal)
    return np.tile(found, (ORDER // len(found), 1, 1))
