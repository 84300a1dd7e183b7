"""A linear map of two atoms and the bond between them, applied before the gather."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from cryskit.layers.stack import glorot

if TYPE_CHECKING:
    from cryskit.layers.message_passing import Neighbourhoods


class Joint(nn.Module):
    """W [x_i, x_j, e_ij] + b for every edge (i, j), where e_ij is a function of one number on a grid.

    Args:
        width: Of the atom vectors.
        bond: Of the bond vectors.
        made: Of the vectors it gives.
    """

    def __init__(self, width: int, bond: int, made: int) -> None:
        super().__init__()
        whole = glorot(nn.Linear(2 * width + bond, made))
        self.centre, self.neighbour, self.bond = (
            nn.Parameter(part.clone()) for part in torch.split(whole.weight.detach(), [width, width, bond], dim=1)
        )
        self.bias = nn.Parameter(whole.bias.detach().clone())

    def forward(
        self, atoms: Float[Tensor, "atoms width"], bonds: Float[Tensor, "grid bond"], neighbourhoods: Neighbourhoods
    ) -> Float[Tensor, "edges made"]:
        """Return the map of every edge."""
        return neighbourhoods.to_edges(
            linear(atoms, self.centre, self.bias), linear(atoms, self.neighbour), linear(bonds, self.bond)
        )
