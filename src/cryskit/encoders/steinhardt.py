"""A gated graph network that sees angles through learned bond-orientational order parameters.

    x_i = LayerNorm(v_i)
    z_ij = A x_i + B x_j + C e_ij [+ D LayerNorm(h_ij)]
    m_ij = z_ij,core * sigmoid(z_ij,filter)
    s_i = sum_j m_ij,   Q_il = sum_m (sum_j m_ij^(channels) Y_lm(r_ij))^2 / (2 l + 1),   l = 1..4
    v_i <- v_i + MLP[LayerNorm([s_i, Q_i]), x_i],   [h_ij <- h_ij + m_ij]

The gate is that of CGCNN (Xie and Grossman 2018, doi 10.1103/PhysRevLett.120.145301) without its batch norms; the
order parameters are those of Steinhardt, Nelson and Ronchetti (1983, doi 10.1103/PhysRevB.28.784) with the messages as
weights. Angles cost a sum over edges instead of one over pairs of edges, and an orbit of the space group still needs one
node. Bonds may remember what went over them: h_ij is the sum of their messages so far. Crystal vectors are the mean over
atoms of one more layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import glu

from cryskit.layers.harmonics import DEGREES, BondOrder
from cryskit.layers.inputs import make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import mean_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph


@configured
class Steinhardt(nn.Module):
    """Gated messages with angular order parameters.

    Args:
        width: Of the atom and crystal vectors.
        layers: Message-passing layers.
        channels: How many of a message's channels weigh bond directions.
        memory: Whether bonds remember their messages.
        inputs: "features" (the 92 bits of CGCNN), "embedding" (learned), "both" or "selector"; see `layers.inputs`.
        radius: Angstrom.
        neighbours: Nearest neighbours per atom, completed to whole shells.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 4,
        channels: int = 16,
        inputs: str | Mapping[str, Any] = "both",
        radius: float = 8.0,
        neighbours: int = 12,
        *,
        memory: bool = False,
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.radial = Gaussians(radius)
        self.layers = nn.ModuleList(
            Layer(width, channels, self.radial.width, memory=memory and number > 0) for number in range(layers)
        )
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU())

    @staticmethod
    def needs_of(radius: float, neighbours: int, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(radius=radius, count=neighbours)

    def forward(self, graph: Graph) -> Encoding:
        """Encode a graph."""
        neighbourhoods = Neighbourhoods(graph, self.radial.radius, self.radial.points, Edges.distinct(graph))
        order = BondOrder(graph, neighbourhoods.wired)
        atoms, bonds = self.inputs(graph.numbers), None
        for layer in self.layers:
            atoms, bonds = layer(atoms, bonds, self.radial.grid, neighbourhoods, order)
        return Encoding(atoms, mean_pool(self.last(atoms), graph))


class Layer(nn.Module):
    """One message-passing layer.

    Args:
        width: Of the atom vectors.
        channels: That weigh bond directions.
        features: Of the lengths of bonds.
        memory: Whether bonds say what went over them before.
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
        order: BondOrder,
    ) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "edges width"]]:
        """Return the updated vectors of atoms and bonds."""
        x = self.norm(atoms)
        z = neighbourhoods.to_edges(self.centre(x), self.neighbour(x), self.bond(grid))
        messages = glu(z if self.memory is None else z + self.memory(bonds))
        seen = torch.cat([neighbourhoods.sum_to_atoms(messages), order(messages[:, : self.channels])], dim=1)
        updated: Tensor = atoms + self.update(torch.cat([self.summed_norm(seen), x], dim=1))
        return updated, messages if bonds is None else bonds + messages


class _Memory(nn.Sequential):
    """What bonds remember, as a message sees it: a linear map that begins with zero.

    Args:
        width: Of the vectors of bonds.
    """

    def __init__(self, width: int) -> None:
        said = nn.Linear(width, 2 * width, bias=False)
        nn.init.zeros_(said.weight)
        super().__init__(nn.LayerNorm(width), said)
