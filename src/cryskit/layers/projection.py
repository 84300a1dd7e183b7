"""Projectors onto what the point group of a crystal leaves unchanged, one for each degree of the harmonics.

    P_l = 1/|G| sum_g D_l(g),   where Y_l(g r) = D_l(g) Y_l(r)

The mean over the group is taken of the harmonics at fixed points and then written as a matrix, so that no D is ever formed. The sum
of a tensor over the atoms of an orbit is that of its first atom, projected, times the size of the orbit: the projector turns
what a reduced graph has of an orbit to its other atoms, and leaves what a full graph has as it is.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.layers.harmonics import DEGREES, harmonics
from cryskit.layers.tensor_basis import by_degree

_POINTS = 24  # on the sphere, amply more than the nine harmonics of the highest degree
_ROUNDING = 1e-6  # below it an entry is zero, so that what symmetry forbids is zero to the last digit
_GOLDEN_ANGLE = np.pi * (3 - 5**0.5)


class Projection(nn.Module):
    """The projectors of a batch of crystals."""

    points: Tensor

    def __init__(self) -> None:
        super().__init__()
        heights = 1 - (2 * np.arange(_POINTS) + 1) / _POINTS
        angles, radius = _GOLDEN_ANGLE * np.arange(_POINTS), np.sqrt(1 - heights**2)
        points = np.stack([radius * np.cos(angles), radius * np.sin(angles), heights], axis=1)
        self._constant("points", points)
        for degree, values in enumerate(by_degree(points)):
            self._constant(f"inverse_{degree}", np.linalg.pinv(values))

    def _constant(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values).float(), persistent=False)

    def forward(
        self, point_group: Float[Tensor, "crystals order 3 3"]
    ) -> dict[tuple[int, int], Float[Tensor, "crystals components components"]]:
        """Return the projector for each degree l from 1 and each parity, (B, 2 l + 1, 2 l + 1).

        Args:
            point_group: The rotations of the point group of each crystal, improper ones included.
        """
        turned = torch.einsum("bgij,kj->bgki", point_group, self.points)
        values = harmonics(turned.reshape(-1, 3)).unflatten(0, turned.shape[:3])
        sign = torch.linalg.det(point_group)[:, :, None, None]
        means = {1: values.mean(1), -1: (values * sign).mean(1)}
        starts = [degree**2 - 1 for degree in range(1, DEGREES + 2)]
        found = {}
        for degree, (start, stop) in enumerate(pairwise(starts), 1):
            for factor, mean in means.items():
                projector = getattr(self, f"inverse_{degree}") @ mean[:, :, start:stop]
                symmetric = (projector + projector.mT) / 2
                found[degree, factor * (-1) ** degree] = symmetric.where(symmetric.abs() > _ROUNDING, 0.0)
        return found
