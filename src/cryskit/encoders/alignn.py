"""Atomistic line graph neural network (Choudhary and DeCost 2021, doi 10.1038/s41524-021-00650-1).

    m_ij  <- EGC(x, y)      over bonds:           x_i and y_ij
    y, z  <- EGC(y, z)      over pairs of bonds:  y_ij and z_ijk

with the edge-gated convolution EGC of `layers.edge_gated`. A first few layers do both, the others the first only. Bonds
start from Gaussians of their length, pairs from Gaussians of the cosine of their angle, atoms from the features of their
element, each through linear maps, norms and SiLU; crystal vectors are the mean over atoms.

An atom receives a mean of its neighbours' vectors, weighted by gates: among like atoms it does not depend on the gates, so
the published network cannot distinguish two elemental crystals of one element (diamond and graphite). So by default the mean
of an atom's bonds is added to its vector in the end; `readout="atoms"` is as published.

At the published size (4 + 4 layers, width 256) it has 4,025,984 parameters, with `readout="atoms"` 4,025,472. The 4,026,753
of the paper include the linear map to one property (257) and two norms of states that are not used (2 x 512), one of
which the mean over bonds uses.

Further deviations: neighbourhoods are smooth, with weights in every sum (`graphs.smooth`). Layer norm stands for batch norm, as
in its authors' later code: it is the same for a crystal alone and in a batch, and for orbits and full cells. Neighbourhoods end at the radius even where they hold fewer atoms than asked
for. Nodes are orbits of the space group, bonds orbits of edges, and pairs are those that end at such a bond; the embedding
of angles is evaluated on a grid of cosines and interpolated (off by less than 1e-5).
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.errors import UnknownNameError
from cryskit.layers.edge_gated import EdgeGatedConvolution
from cryskit.layers.inputs import make_input
from cryskit.layers.line_graph import BondOrbits, LineGraph
from cryskit.layers.pool import make_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.message_blocks import MessageGraph
    from cryskit.layers.message_passing import RowSum
    from cryskit.types import Graph, NeighbourKind

READOUTS = ("both", "atoms")


@configured
class ALIGNN(nn.Module):
    """ALIGNN: edge-gated convolutions over the graph of a crystal and over its line graph.

    Args:
        width: Width of the vectors of atoms, bonds and pairs of bonds.
        angular: Number of layers over bonds and pairs of bonds, at least one.
        layers: Number of further layers over bonds only, at least one.
        bonds: Number of Gaussians of the length of a bond.
        angles: Number of Gaussians of the cosine of an angle.
        embedding: Width of the layer between the Gaussians and the first vectors.
        inputs: Input layer: "features" (92 element features, as published), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, counted by weight, before they are made mutual.
        neighbours: Neighbourhoods: "smooth", or "nearest", by whole shells as in published networks; see `GraphSpec`.
        pool: Pooling over atoms: "mean", "mean_max" or "softmax"; see `layers.pool`.
        points: Number of points of the grid of cosines.
        readout: Final vector of an atom: "both", the sum of its own and the mean of its bonds, or "atoms", its own.

    Attributes:
        needs: The graphs that the encoder reads.
        width: Width of the vectors that it returns.

    Raises:
        UnknownNameError: There is no such readout.
    """

    table: Tensor  # the grid of cosines

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
        count: int = 12,
        neighbours: NeighbourKind = "smooth",
        pool: str = "mean",
        points: int = 2048,
        readout: str = "both",
    ) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise UnknownNameError("readout of encoder alignn", readout, READOUTS)
        self.readout = readout
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.register_buffer("table", torch.linspace(-1, 1, points), persistent=False)
        self.inputs = make_input(inputs, width)
        self.pool = make_pool(pool, width)
        self.atom = nn.Sequential(nn.LayerNorm(width), nn.SiLU())
        self.lengths = _gaussians(0.0, radius, bonds)
        self.cosines = _gaussians(-1.0, 1.0, angles)
        self.bond = nn.Sequential(*_embedding(bonds, embedding), *_embedding(embedding, width))
        self.angle = nn.Sequential(*_embedding(angles, embedding), *_embedding(embedding, width))
        self.angular = nn.ModuleList(AngularLayer(width, update=i + 1 < angular) for i in range(angular))
        self.layers = nn.ModuleList(
            EdgeGatedConvolution(width, update=i + 1 < layers or readout == "both") for i in range(layers)
        )

    @staticmethod
    def needs_of(radius: float, count: int, neighbours: NeighbourKind, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(neighbours=neighbours, radius=radius, count=count, undirected=True)

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says.
        """
        bonds = BondOrbits.of(graph)
        atom_messages, line_graph = bonds.atom_messages(graph), LineGraph(graph, bonds)
        atoms = self.atom(self.inputs(graph.numbers))
        states = self.bond(self.lengths.evaluate(bonds.length))
        cosines = self.angle(self.cosines.evaluate(self.table))
        grid = AngleGrid(cosines, line_graph.interpolation(len(cosines)))
        pairs = grid.interpolation(grid.vectors)
        for position, layer in enumerate(self.angular):
            first = None if position else grid
            atoms, states, pairs = layer(atoms, states, pairs, atom_messages, line_graph.messages, first)
        for layer in self.layers:
            atoms, states = layer(atoms, states, atom_messages)
        if self.readout == "both":
            atoms = atoms + bonds.mean(states, graph.atoms)
        return Encoding(atoms, self.pool(atoms, graph))


class AngleGrid(NamedTuple):
    """The first vectors of pairs of bonds, as a function of the cosine of their angle.

    Attributes:
        vectors: (points, width) the vector at each point of the grid of cosines.
        interpolation: The sums of rows that interpolate between the points at the cosine of each pair.
    """

    vectors: Tensor
    interpolation: RowSum


class AngularLayer(nn.Module):
    """One edge-gated convolution over bonds and one over pairs of bonds.

    Args:
        width: Width of the vectors of atoms, bonds and pairs of bonds.
        update: Whether the pairs are given a new vector: False in the last layer, whose pairs are not used.
    """

    def __init__(self, width: int, *, update: bool) -> None:
        super().__init__()
        self.bonds = EdgeGatedConvolution(width)
        self.pairs = EdgeGatedConvolution(width, update=update)

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        states: Float[Tensor, "bonds width"],
        pairs: Float[Tensor, "pairs width"],
        atom_messages: MessageGraph,
        bond_messages: MessageGraph,
        grid: AngleGrid | None,
    ) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "bonds width"], Float[Tensor, "pairs width"]]:
        """Return the new vectors of atoms, bonds and pairs.

        Args:
            atoms: The vectors x of the atoms.
            states: The vectors y of the bonds.
            pairs: The vectors z of the pairs of bonds.
            atom_messages: The messages from atom to atom.
            bond_messages: The messages from bond to bond.
            grid: In the first layer, where z depends on the angle alone, z on the grid of cosines: the linear map of z is then
                applied to the grid instead of to the many pairs. None in the other layers.
        """
        atoms, states = self.bonds(atoms, states, atom_messages)
        linear_pairs = None if grid is None else grid.interpolation(self.pairs.message(grid.vectors))
        return atoms, *self.pairs(states, pairs, bond_messages, linear_pairs)


def _gaussians(first: float, last: float, count: int) -> Gaussians:
    """Return exp(-(x - mu)^2 / step) at `count` equally spaced mu."""
    step = (last - first) / (count - 1)
    return Gaussians(last, step, points=2, width=sqrt(step), first=first)


def _embedding(width: int, to: int) -> tuple[nn.Module, ...]:
    return nn.Linear(width, to), nn.LayerNorm(to), nn.SiLU()
