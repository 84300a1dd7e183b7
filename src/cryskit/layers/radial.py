"""Distances as smooth features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

_NOTHING = 1e-12  # products of the tails far below it are too small to be normal numbers, at which processors are slow


class Gaussians(nn.Module):
    """exp(-(d - mu)^2 / width^2) at equally spaced mu, the bond features of CGCNN (doi 10.1103/PhysRevLett.120.145301).

    The features are a function of one distance, so encoders evaluate them on a fine grid of distances and interpolate
    linearly between its points (see `neighbourhoods`). No feature is off by more than (grid spacing / 2 width)^2: with 4096 points
    over 8 angstrom and a width of 0.2 angstrom that is 3e-5.

    Args:
        radius: Angstrom; the end of the grid.
        step: Angstrom, spacing of the Gaussians.
        points: Points of the grid.
        width: Angstrom, of the Gaussians; the spacing by default.
        first: Angstrom, the first centre.
        last: Angstrom, the last centre; the radius by default.
    """

    centres: Tensor
    grid: Tensor

    def __init__(
        self,
        radius: float = 8.0,
        step: float = 0.2,
        points: int = 4096,
        *,
        width: float | None = None,
        first: float = 0.0,
        last: float | None = None,
    ) -> None:
        super().__init__()
        self.radius = radius
        self.points = points
        self.spread = step if width is None else width
        centres = torch.arange(first, (radius if last is None else last) + step / 2, step)
        self.width = len(centres)
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("grid", self.evaluate(torch.linspace(0, radius, points)), persistent=False)

    def evaluate(self, distances: Float[Tensor, " edges"]) -> Float[Tensor, "edges features"]:
        """Return the features of these distances in angstrom; where they are next to nothing they are zero."""
        features = torch.exp(-(((distances[:, None] - self.centres) / self.spread) ** 2))
        return features.masked_fill(features < _NOTHING, 0.0)
