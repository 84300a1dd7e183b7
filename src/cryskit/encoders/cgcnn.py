"""Crystal graph convolutional neural network (Xie and Grossman 2018, doi 10.1103/PhysRevLett.120.145301).

    z_ij = W [v_i, v_j, e_ij] + b
    v_i <- softplus(v_i + BN(sum_j w_ij sigmoid(BN(z_ij)_filter) * softplus(BN(z_ij)_core)))

Deviations: neighbourhoods are smooth, with weights w (`graphs.smooth`), or whole shells without padding; nodes are orbits of the
space group, equal edges are one, whose number is a factor of w, in the batch norm, too; and W is applied to the rows it depends on
before the gather (`layers.message_passing`). In evaluation the batch norm over edges is folded into W.
An element is described by its 92 binary features, as published, or by a learned vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from cryskit.layers.gated_sum import GatedSum
from cryskit.layers.inputs import make_input
from cryskit.layers.norm import BatchNorm
from cryskit.layers.plain import neighbourhoods_of
from cryskit.layers.pool import make_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.message_passing import Neighbourhoods
    from cryskit.types import Graph, NeighbourKind


@configured
class CGCNN(nn.Module):
    """CGCNN: gated convolutions over the nearest neighbours of each atom, and the mean over atoms.

    Args:
        width: Width of the vectors of atoms and crystals.
        layers: Number of convolutions.
        inputs: Input layer: "features" (92 element features, as published), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, counted by weight.
        neighbours: Neighbourhoods: "smooth", or "nearest", by whole shells as in published networks; see `GraphSpec`.
        pool: Pooling over atoms: "mean", "mean_max" or "softmax"; see `layers.pool`.

    Attributes:
        needs: The graphs that the encoder reads.
        width: Width of the vectors that it returns.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 3,
        inputs: str | Mapping[str, Any] = "features",
        radius: float = 8.0,
        count: int = 12,
        neighbours: NeighbourKind = "smooth",
        pool: str = "mean",
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.pool = make_pool(pool, width)
        self.radial = Gaussians(radius)
        self.convolutions = nn.ModuleList(Convolution(width, self.radial.feature_count) for _ in range(layers))

    @staticmethod
    def needs_of(radius: float, count: int, neighbours: NeighbourKind, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(neighbours=neighbours, radius=radius, count=count)

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says.
        """
        neighbourhoods = neighbourhoods_of(graph, self.radial)
        atoms = self.inputs(graph.numbers)
        for convolution in self.convolutions:
            atoms = convolution(atoms, self.radial.grid, neighbourhoods)
        return Encoding(atoms, self.pool(atoms, graph))


class Convolution(nn.Module):
    """One gated convolution.

    Args:
        width: Width of the atom vectors.
        features: Number of Gaussians of the length of an edge.
    """

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        published = nn.Linear(2 * width + features, 2 * width)
        self.centre, self.neighbour, self.bond = (
            nn.Parameter(part.clone())
            for part in torch.split(published.weight.detach(), [width, width, features], dim=1)
        )
        self.bias = nn.Parameter(published.bias.detach().clone())
        self.edge_norm = GatedSum(width)
        self.atom_norm = BatchNorm(width)

    def forward(
        self, atoms: Float[Tensor, "atoms width"], grid: Float[Tensor, "grid features"], neighbourhoods: Neighbourhoods
    ) -> Float[Tensor, "atoms width"]:
        """Return the updated atom vectors.

        Args:
            atoms: The vectors v of the atoms.
            grid: The Gaussians on the grid of distances.
            neighbourhoods: The edges.
        """
        if self.edge_norm.normalises(neighbourhoods):
            z = self._linear(atoms, grid, neighbourhoods, self.bias, 1.0)
        else:
            scale, shift = self.edge_norm.folded()
            z = self._linear(atoms, grid, neighbourhoods, self.bias * scale + shift, scale[:, None])
        summed = self.edge_norm(z, neighbourhoods)
        return softplus(atoms + self.atom_norm(summed))

    def _linear(
        self, atoms: Tensor, grid: Tensor, neighbourhoods: Neighbourhoods, bias: Tensor, scale: Tensor | float
    ) -> Float[Tensor, "edges twice"]:
        """Return z of every edge, with W times `scale` and with `bias` in place of b."""
        return neighbourhoods.to_edges(
            linear(atoms, self.centre * scale, bias),
            linear(atoms, self.neighbour * scale),
            linear(grid, self.bond * scale),
        )
