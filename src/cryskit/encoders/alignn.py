"""Atomistic line graph neural network (Choudhary and DeCost 2021, doi 10.1038/s41524-021-00650-1).

    m_ij  <- EGC(x, y)      over bonds:           x_i and y_ij
    y, z  <- EGC(y, z)      over pairs of bonds:  y_ij and z_ijk

with the edge-gated convolution EGC of `layers.gated`. A first few layers do both, the others the first only. Bonds start
from Gaussians of their length, pairs from Gaussians of the cosine of their angle, atoms from the bits of their element,
each through linear maps, norms and SiLU; crystal vectors are the mean over atoms.

An atom receives a mean of its neighbours' vectors, weighted by gates: among like atoms it does not depend on the gates, so
what is published tells no elemental crystal from another one of the same element (diamond from graphite). So by default
the mean of an atom's bonds is added to its vector in the end; `readout="atoms"` is as published.

At the published size (4 + 4 layers, width 256) it has 4,025,984 parameters, with `readout="atoms"` 4,025,472. The 4,026,753
of the paper include the linear map to one property (257) and two norms of states that nobody reads (2 x 512), one of which
the bonds' mean reads.

Further deviations: layer norm stands for batch norm, as in its authors' later code: it is the same for a crystal alone and
in a batch, and for orbits and full cells. Neighbourhoods end at the radius even where they hold fewer atoms than asked
for. Nodes are orbits of the space group, bonds orbits of edges, and pairs are those that end at such a bond; the embedding
of angles is evaluated on a grid of cosines and interpolated (off by less than 1e-5).
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.errors import UnknownNameError
from cryskit.layers.gated import EdgeGated
from cryskit.layers.inputs import make_input
from cryskit.layers.line_graph import BondOrbits, LineGraph
from cryskit.layers.pool import mean_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.gated import Flow
    from cryskit.types import Graph

READOUTS = ("both", "atoms")


@configured
class ALIGNN(nn.Module):
    """ALIGNN's convolutions and pooling.

    Args:
        width: Of the vectors of atoms, bonds and pairs.
        angular: Layers over bonds and pairs, at least one.
        layers: Further layers over bonds, at least one.
        bonds: Gaussians of the length of a bond.
        angles: Gaussians of the cosine of an angle.
        embedding: Width between the Gaussians and the first vectors.
        inputs: "features" (the published 92 bits), "embedding" (learned), "both" or "selector"; see `layers.inputs`.
        radius: Angstrom.
        neighbours: Nearest neighbours per atom, completed to whole shells and made mutual.
        points: Of the grid of cosines.
        readout: "both": an atom's final vector is the sum of its own and the mean of its bonds; "atoms": its own.

    Raises:
        UnknownNameError: There is no such readout.
    """

    table: Tensor

    def __init__(
        self,
        width: int = 256,
        angular: int = 4,
        layers: int = 4,
        bonds: int = 80,
        angles: int = 40,
        embedding: int = 64,
        inputs: str | Mapping[str, Any] = "features",
        radius: float = 8.0,
        neighbours: int = 12,
        points: int = 2048,
        readout: str = "both",
    ) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise UnknownNameError("readout of encoder alignn", readout, READOUTS)
        self.readout = readout
        self.needs = self.needs_of(radius=radius, neighbours=neighbours)
        self.width = width
        self.register_buffer("table", torch.linspace(-1, 1, points), persistent=False)
        self.inputs = make_input(inputs, width)
        self.atom = nn.Sequential(nn.LayerNorm(width), nn.SiLU())
        self.lengths = _gaussians(0.0, radius, bonds)
        self.cosines = _gaussians(-1.0, 1.0, angles)
        self.bond = nn.Sequential(*_embedding(bonds, embedding), *_embedding(embedding, width))
        self.angle = nn.Sequential(*_embedding(angles, embedding), *_embedding(embedding, width))
        self.angular = nn.ModuleList(Angular(width, update=i + 1 < angular) for i in range(angular))
        self.layers = nn.ModuleList(EdgeGated(width, update=i + 1 < layers or readout == "both") for i in range(layers))

    @staticmethod
    def needs_of(radius: float, neighbours: int, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(radius=radius, count=neighbours, undirected=True)

    def forward(self, graph: Graph) -> Encoding:
        """Encode a graph."""
        bonds = BondOrbits.of(graph)
        flow, line_graph = bonds.flow(graph), LineGraph(graph, bonds)
        atoms = self.atom(self.inputs(graph.numbers))
        states = self.bond(self.lengths.evaluate(bonds.length))
        table = self.angle(self.cosines.evaluate(self.table))
        look_up = line_graph.angles(len(table))
        pairs = look_up(table)
        for position, layer in enumerate(self.angular):
            mapped = None if position else look_up(layer.get_submodule("pairs.message")(table))
            atoms, states, pairs = layer(atoms, states, pairs, flow, line_graph.flow, mapped)
        for layer in self.layers:
            atoms, states = layer(atoms, states, flow)
        if self.readout == "both":
            atoms = atoms + bonds.mean(states, graph.atoms)
        return Encoding(atoms, mean_pool(atoms, graph))


class Angular(nn.Module):
    """One convolution over bonds and one over pairs of them.

    Args:
        width: Of all vectors.
        update: Whether the pairs are given a new state.
    """

    def __init__(self, width: int, *, update: bool) -> None:
        super().__init__()
        self.bonds = EdgeGated(width)
        self.pairs = EdgeGated(width, update=update)

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        states: Float[Tensor, "bonds width"],
        pairs: Float[Tensor, "pairs width"],
        flow: Flow,
        around: Flow,
        mapped: Float[Tensor, "pairs width"] | None,
    ) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "bonds width"], Float[Tensor, "pairs width"]]:
        """Return the new vectors of atoms, bonds and pairs.

        Args:
            atoms: x.
            states: y.
            pairs: z.
            flow: From atom to atom.
            around: From bond to bond.
            mapped: The linear map of z, where it is known already; it is overwritten.
        """
        atoms, states = self.bonds(atoms, states, flow)
        return atoms, *self.pairs(states, pairs, around, mapped)


def _gaussians(first: float, last: float, count: int) -> Gaussians:
    """Return exp(-(x - mu)^2 / step) at `count` equally spaced mu."""
    step = (last - first) / (count - 1)
    return Gaussians(last, step, points=2, width=sqrt(step), first=first)


def _embedding(width: int, to: int) -> tuple[nn.Module, ...]:
    return nn.Linear(width, to), nn.LayerNorm(to), nn.SiLU()
