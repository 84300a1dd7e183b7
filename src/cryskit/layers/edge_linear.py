"""A linear map of two atoms and the edge between them, applied to atoms and distances before they are gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from cryskit.layers.dense import glorot

if TYPE_CHECKING:
    from cryskit.layers.message_passing import Neighbourhoods


class EdgeLinear(nn.Module):
    """The linear map W [x_i, x_j, e_ij] + b of every edge (i, j), where e_ij depends on one number only.

    Args:
        width: Width of the atom vectors x.
        bond: Width of the edge vectors e.
        output: Width of the result.
    """

    def __init__(self, width: int, bond: int, output: int) -> None:
        super().__init__()
        whole = glorot(nn.Linear(2 * width + bond, output))
        self.centre, self.neighbour, self.bond = (
            nn.Parameter(part.clone()) for part in torch.split(whole.weight.detach(), [width, width, bond], dim=1)
        )
        self.bias = nn.Parameter(whole.bias.detach().clone())

    def forward(
        self, atoms: Float[Tensor, "atoms width"], bonds: Float[Tensor, "grid bond"], neighbourhoods: Neighbourhoods
    ) -> Float[Tensor, "edges output"]:
        """Return the result for every edge.

        Args:
            atoms: The atom vectors x.
            bonds: The edge vectors e on the grid of `neighbourhoods`, between whose points they are interpolated.
            neighbourhoods: The edges.
        """
        return neighbourhoods.to_edges(
            linear(atoms, self.centre, self.bias), linear(atoms, self.neighbour), linear(bonds, self.bond)
        )
