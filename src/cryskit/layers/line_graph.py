"""The line graph of a batch, made on its device: its nodes are bonds, its edges pairs of bonds that share an atom.

A bond is one edge of an undirected graph for each orbit of edges: edges that a symmetry operation turns into one another have
the same state in any invariant network. The bond from i to j sends to every bond from j to k, k = i included. Seen from j
these are the bonds that lead to i and, reversed, to k: all pairs of the edges of one node. So no message of the line graph
leaves a node of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from cryskit.errors import CryskitError
from cryskit.layers.message_blocks import MessageGraph
from cryskit.layers.message_passing import RowSum

if TYPE_CHECKING:
    from cryskit.types import Graph


class BondOrbits(NamedTuple):
    """The bonds of a batch: one edge for each of the D orbits of edges, sorted by centre.

    Attributes:
        first: (D,) int64, the edge of the graph that stands for each orbit.
        centre: (D,) int64, the node at which each bond starts.
        neighbour: (D,) int64, the node to which each bond leads.
        length: (D,) float32, the length of each bond in angstrom.
        multiplicity: (D,) float32, how much each bond counts in a sum over edges: the number of edges in its orbit times `weight`.
        weight: (D,) float32, the weight of each edge of the orbit, or None if it is 1 for all.
        reverse: (D,) int64, the bond that each bond is when looked at from its other end; its own inverse.
        bond_of_edge: (E,) int64, the bond that stands for each edge of the graph.
    """

    first: Tensor
    centre: Tensor
    neighbour: Tensor
    length: Tensor
    multiplicity: Tensor
    weight: Tensor | None
    reverse: Tensor
    bond_of_edge: Tensor

    @classmethod
    def of(cls, graph: Graph) -> BondOrbits:
        """Return the bonds of a batch.

        Args:
            graph: The batch, built with `GraphSpec.undirected`.

        Raises:
            CryskitError: The graph is not undirected.
        """
        if graph.reverse is None or graph.orbit_of_edge is None:
            raise CryskitError("This graph does not say which edge is the reverse of which", "Build it undirected")
        represents = graph.orbit_of_edge == torch.arange(len(graph.orbit_of_edge), device=graph.edges.device)
        first = represents.nonzero()[:, 0]
        bond_of_edge = (represents.cumsum(0) - 1)[graph.orbit_of_edge]
        centre, neighbour = graph.edges[:, first]
        multiplicity = torch.bincount(bond_of_edge, minlength=len(first)).to(graph.vectors.dtype)
        weight = None if graph.weight is None else graph.weight[first]
        if weight is not None:
            multiplicity = multiplicity * weight
        length, reverse = graph.vectors[first].norm(dim=1), bond_of_edge[graph.reverse[first]]
        return cls(first, centre, neighbour, length, multiplicity, weight, reverse, bond_of_edge)

    def sum(self, values: Float[Tensor, "bonds width"], atoms: int) -> Float[Tensor, "atoms width"]:
        """Return for each node the sum of the values of its edges.

        Args:
            values: The values of the bonds.
            atoms: The number of nodes.
        """
        total = values.new_zeros(atoms, values.shape[1])
        return total.index_add(0, self.centre, values * self.multiplicity[:, None].to(values.dtype))

    def mean(self, values: Float[Tensor, "bonds width"], atoms: int) -> Float[Tensor, "atoms width"]:
        """Return for each node the mean of the values of its edges, zero for a node without any.

        Args:
            values: The values of the bonds.
            atoms: The number of nodes.
        """
        degree = self.multiplicity.new_zeros(atoms).index_add(0, self.centre, self.multiplicity)
        return self.sum(values, atoms) / degree.clamp_min(1)[:, None].to(values.dtype)

    def atom_messages(self, graph: Graph) -> MessageGraph:
        """Return the messages of the graph: one along each bond, from its neighbour to its centre.

        Args:
            graph: The batch.
        """
        crystal = graph.crystal_of_atom
        messages = torch.bincount(crystal[self.centre], minlength=graph.crystals)
        atoms = torch.bincount(crystal, minlength=graph.crystals)
        return MessageGraph(self.neighbour, self.centre, messages, atoms, multiplicity=self.multiplicity)

    def pair_messages(self, graph: Graph) -> MessageGraph:
        """Return the messages from each edge of a node to every other edge of the same node.

        Args:
            graph: The batch.
        """
        bonds = torch.bincount(self.centre, minlength=graph.atoms)
        receiver, sender = _pairs(bonds[self.centre], bonds.cumsum(0)[self.centre] - bonds[self.centre])
        own = (sender == receiver).to(self.multiplicity.dtype)
        multiplicity = self.multiplicity[sender] - (own if self.weight is None else own * self.weight[sender])
        return MessageGraph(sender, receiver, bonds * bonds, bonds, multiplicity=multiplicity)


class LineGraph:
    """The pairs of bonds that share an atom, and their angles.

    Args:
        graph: The batch.
        bonds: The bonds of the batch.

    Attributes:
        cosine: (T,) float32, the cosine of the angle between the two bonds of each pair at the atom that they share; 1 where a
            bond is paired with itself.
        messages: The messages from bond to bond, one for each pair.
    """

    def __init__(self, graph: Graph, bonds: BondOrbits) -> None:
        degree = torch.bincount(graph.edges[0], minlength=graph.atoms)
        bonds_of_atom = torch.bincount(bonds.centre, minlength=graph.atoms)
        receiver, edge = _pairs(degree[bonds.centre], (degree.cumsum(0) - degree)[bonds.centre])
        directions = normalize(graph.vectors, dim=1)
        self.cosine = (directions[edge] * directions[bonds.first][receiver]).sum(1).clamp(-1, 1)
        sender = bonds.bond_of_edge[edge]
        multiplicity = None if bonds.weight is None else bonds.weight[sender]
        self.messages = MessageGraph(
            sender, receiver, bonds_of_atom * degree, bonds_of_atom, multiplicity=multiplicity, reverse=bonds.reverse
        )

    def interpolation(self, points: int) -> RowSum:
        """Return the sums of rows that interpolate a table linearly at the cosine of each pair.

        Args:
            points: The number of rows of the table, which stand for equally spaced cosines from -1 to 1.
        """
        position = (self.cosine + 1) * ((points - 1) / 2)
        lower = position.floor().clamp(0, points - 2)
        fraction = position - lower
        rows = lower.long()
        return RowSum.regular(
            torch.stack([rows, rows + 1], dim=1), torch.stack([1 - fraction, fraction], dim=1), points
        )


def _pairs(lengths: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Return all pairs of a row and one of its members start, start + 1, ..., start + length - 1, as two (T,) int64."""
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    shift = starts - (lengths.cumsum(0) - lengths)
    return rows, torch.arange(len(rows), device=rows.device) + shift[rows]
