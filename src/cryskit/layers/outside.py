"""Vectors of crystals that another program has made, as part of a crystal vector: they are read from the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.errors import ModelError

if TYPE_CHECKING:
    from cryskit.types import Graph


class Outside(nn.Module):
    """The vectors that `Graph.outside` holds; nothing is computed.

    Args:
        width: Length of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, graph: Graph) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "crystals width"]]:
        """Return zeros for each node, of which the other program says nothing, and the vector of each crystal; NaN where the graph has none.

        Args:
            graph: The batch.

        Raises:
            ModelError: They have another length.
        """
        like = graph.vectors
        outside = like.new_full((graph.crystals, self.width), torch.nan) if graph.outside is None else graph.outside
        if outside.shape[1] != self.width:
            raise ModelError(
                f"The model reads {self.width} numbers of each crystal that another program makes, and the graph has {outside.shape[1]}",
                "Give a table of the same program and model",
            )
        return like.new_zeros(graph.atoms, self.width), outside
