"""Improved crystal graph network (Park and Wolverton 2020, doi 10.1103/PhysRevMaterials.4.063801).

    v_i  <- softplus(v_i  + BN(sum_j [g(z_ij) + sum_l g'(z_ij, y_il)]))     z_ij = [v_i, v_j, u_ij]
    u_ij <- softplus(u_ij + BN(      f(z_ij) + sum_l f'(z_ij, y_il) ))      y_il = [v_l, u_il],  l other than j

where g, g', f and f' are sigmoid(W z + b) * softplus(W' z + b') of what they are given laid side by side: CGCNN (doi
10.1103/PhysRevLett.120.145301) with bonds that learn and with three-body terms. A map of [z_ij, y_il] is the sum of one of
z_ij and one of y_il, so it is applied to bonds, and only the results are paired.

Deviations: the original takes neighbours and bond features from the Voronoi tessellation (solid angle, area, volume). Here
they are smooth neighbourhoods with weights in both sums (`graphs.smooth`), made mutual as Voronoi neighbours are, and
Gaussians of their distance. Nodes
are orbits of the space group and bonds orbits of edges; batch norms count each of them once. At the default size it has
338,240 parameters; the paper gives no count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from cryskit.layers.gated_pairs import gated_pair, gated_pair_sum
from cryskit.layers.inputs import make_input
from cryskit.layers.line_graph import BondOrbits
from cryskit.layers.norm import BatchNorm
from cryskit.layers.pool import make_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.message_blocks import MessageGraph
    from cryskit.types import Graph, NeighbourKind


@configured
class ICGCNN(nn.Module):
    """iCGCNN: gated convolutions that update atoms and bonds, with three-body terms, and the mean over atoms.

    Args:
        width: Width of the vectors of atoms and bonds.
        layers: Number of convolutions.
        inputs: Input layer: "features" (92 element features), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, counted by weight, before they are made mutual.
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
        self.radial = Gaussians(radius, points=2)
        self.bond = nn.Linear(self.radial.feature_count, width)
        self.convolutions = nn.ModuleList(Convolution(width, update=i + 1 < layers) for i in range(layers))

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
        pair_messages = bonds.pair_messages(graph)
        atoms = self.inputs(graph.numbers)
        states = self.bond(self.radial.evaluate(bonds.length))
        for convolution in self.convolutions:
            atoms, states = convolution(atoms, states, bonds, pair_messages)
        return Encoding(atoms, self.pool(atoms, graph))


class Convolution(nn.Module):
    """Two- and three-body messages to atoms and to bonds.

    Args:
        width: Width of the vectors of atoms and bonds.
        update: Whether bonds are given a new vector: False in the last layer, whose bonds are not used.
    """

    def __init__(self, width: int, *, update: bool) -> None:
        super().__init__()
        parts = 2 if update else 1
        self.two = nn.Linear(3 * width, 2 * parts * width)
        self.three = nn.Linear(3 * width, 2 * parts * width)
        self.other = nn.Linear(2 * width, 2 * parts * width, bias=False)
        self.atom_norm = BatchNorm(width)
        self.bond_norm = BatchNorm(width) if update else None

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        states: Float[Tensor, "bonds width"],
        bonds: BondOrbits,
        pair_messages: MessageGraph,
    ) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "bonds width"]]:
        """Return the updated vectors of atoms and bonds.

        Args:
            atoms: The vectors v of the atoms.
            states: The vectors u of the bonds.
            bonds: The bonds of the batch.
            pair_messages: The messages from each edge of an atom to its other edges.
        """
        y = torch.cat([atoms.index_select(0, bonds.neighbour), states], dim=1)
        z = torch.cat([atoms.index_select(0, bonds.centre), y], dim=1)
        messages = gated_pair(self.two(z)) + gated_pair_sum(self.three(z), self.other(y), pair_messages)
        to_atoms, to_bonds = messages[:, : atoms.shape[1]], messages[:, atoms.shape[1] :]
        received = bonds.sum(to_atoms, len(atoms))
        if self.bond_norm is not None:
            states = softplus(states + self.bond_norm(to_bonds))
        return softplus(atoms + self.atom_norm(received)), states
