"""A gated graph network that includes angles through learned bond-orientational order parameters.

    x_i = LayerNorm(v_i)
    z_ij = A x_i + B x_j + C e_ij [+ D LayerNorm(h_ij)]
    m_ij = z_ij,core * sigmoid(z_ij,filter)
    s_i = sum_j w_ij m_ij,   Q_il = sum_m (sum_j w_ij m_ij^(channels) Y_lm(r_ij))^2 / (2 l + 1),   l = 1..4
    v_i <- v_i + MLP[LayerNorm([s_i, Q_i]), x_i],   [h_ij <- h_ij + m_ij]

The gate is that of CGCNN (Xie and Grossman 2018, doi 10.1103/PhysRevLett.120.145301) without its batch norms; the
order parameters are those of Steinhardt, Nelson and Ronchetti (1983, doi 10.1103/PhysRevB.28.784) with the messages as their
weights, and w are the weights of smooth neighbourhoods (`graphs.smooth`). Angles cost a sum over edges instead of one over pairs of edges, and an orbit of the space group still needs one
node. With `memory` (in brackets) bonds have states: h_ij is the sum of the messages of earlier layers. Crystal vectors are
pooled from the atoms by one more layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import glu

from cryskit.layers.harmonics import DEGREES, OrderParameters
from cryskit.layers.inputs import make_input
from cryskit.layers.plain import neighbourhoods_of, order_parameters_of
from cryskit.layers.pool import make_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.message_passing import Neighbourhoods
    from cryskit.types import Graph, NeighbourKind


@configured
class Steinhardt(nn.Module):
    """Steinhardt network: gated messages, and order parameters of the directions of bonds with the messages as weights.

    Args:
        width: Width of the vectors of atoms and crystals.
        layers: Number of message-passing layers.
        channels: Number of channels of a message that are weights of bond directions.
        inputs: Input layer: "features" (92 element features), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, counted by weight.
        neighbours: Neighbourhoods: "smooth", or "nearest", by whole shells as in published networks; see `GraphSpec`.
        pool: Pooling over atoms: "mean", "mean_max" or "softmax"; see `layers.pool`.
        memory: Whether bonds have states, the sums of the messages of earlier layers.

    Attributes:
        needs: The graphs that the encoder reads.
        width: Width of the vectors that it returns.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 4,
        channels: int = 16,
        inputs: str | Mapping[str, Any] = "both",
        radius: float = 8.0,
        count: int = 12,
        neighbours: NeighbourKind = "smooth",
        pool: str = "mean",
        *,
        memory: bool = False,
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.pool = make_pool(pool, width)
        self.radial = Gaussians(radius)
        self.layers = nn.ModuleList(
            Layer(width, channels, self.radial.feature_count, memory=memory and number > 0) for number in range(layers)
        )
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU())

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
        order_parameters = order_parameters_of(graph, neighbourhoods.edges)
        atoms, bonds = self.inputs(graph.numbers), None
        for layer in self.layers:
            atoms, bonds = layer(atoms, bonds, self.radial.grid, neighbourhoods, order_parameters)
        return Encoding(atoms, self.pool(self.last(atoms), graph))


class Layer(nn.Module):
    """One message-passing layer.

    Args:
        width: Width of the atom vectors.
        channels: Number of channels of a message that are weights of bond directions.
        features: Number of Gaussians of the length of an edge.
        memory: Whether the states of bonds enter the messages.
    """

    def __init__(self, width: int, channels: int, features: int, *, memory: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.LayerNorm(width)
        self.centre = nn.Linear(width, 2 * width)
        self.neighbour = nn.Linear(width, 2 * width, bias=False)
        self.bond = nn.Linear(features, 2 * width, bias=False)
        # Only about three of the Gaussians differ from zero at any distance, so their weights start larger.
        nn.init.normal_(self.bond.weight, std=0.5)
        self.memory = _Memory(width) if memory else None
        summed = width + DEGREES * channels
        self.summed_norm = nn.LayerNorm(summed)
        self.update = nn.Sequential(nn.Linear(summed + width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        bonds: Float[Tensor, "edges width"] | None,
        grid: Float[Tensor, "grid features"],
        neighbourhoods: Neighbourhoods,
        order_parameters: OrderParameters,
    ) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "edges width"]]:
        """Return the updated vectors of atoms and bonds.

        Args:
            atoms: The vectors v of the atoms.
            bonds: The states h of the bonds; None in the first layer.
            grid: The Gaussians on the grid of distances.
            neighbourhoods: The edges.
            order_parameters: The spherical harmonics of the edges.
        """
        x = self.norm(atoms)
        z = neighbourhoods.to_edges(self.centre(x), self.neighbour(x), self.bond(grid))
        messages = glu(z if self.memory is None else z + self.memory(bonds))
        angular = order_parameters(messages[:, : self.channels])
        received = torch.cat([neighbourhoods.sum_to_atoms(messages), angular], dim=1)
        updated: Tensor = atoms + self.update(torch.cat([self.summed_norm(received), x], dim=1))
        return updated, messages if bonds is None else bonds + messages


class _Memory(nn.Sequential):
    """The contribution D LayerNorm(h) of the state of a bond to its message; D is zero at first.

    Args:
        width: Width of the states of bonds.
    """

    def __init__(self, width: int) -> None:
        linear = nn.Linear(width, 2 * width, bias=False)
        nn.init.zeros_(linear.weight)
        super().__init__(nn.LayerNorm(width), linear)
