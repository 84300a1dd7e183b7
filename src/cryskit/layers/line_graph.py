"""The line graph of a batch, made on its device: its nodes are bonds, its edges pairs of bonds that share an atom.

A bond is one edge of an undirected graph for each orbit of edges: alike edges have the same state in any invariant
network. The bond from i to j sends to every bond from j to k, k = i included. Seen from j these are the bonds that lead
to i and, reversed, to k: all pairs of the edges of one node. So messages never leave a node of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from cryskit.errors import CryskitError
from cryskit.layers.gated import Flow
from cryskit.layers.message_passing import RowSum

if TYPE_CHECKING:
    from cryskit.types import Graph


class BondOrbits(NamedTuple):
    """One edge for each orbit of edges, sorted by centre.

    Attributes:
        first: (D,) int64, the edge that stands for the orbit.
        centre: (D,) int64.
        neighbour: (D,) int64.
        length: (D,) float32, angstrom.
        copies: (D,) float32, edges of the orbit.
        reverse: (D,) int64, the bond that each one is when looked at from its other end: its own inverse.
        of_edge: (E,) int64, the bond of each edge.
    """

    first: Tensor
    centre: Tensor
    neighbour: Tensor
    length: Tensor
    copies: Tensor
    reverse: Tensor
    of_edge: Tensor

    @classmethod
    def of(cls, graph: Graph) -> BondOrbits:
        """Return the bonds of a batch.

        Raises:
            CryskitError: The graph is not undirected.
        """
        if graph.reverse is None or graph.orbit_of_edge is None:
            raise CryskitError("This graph does not say which edge is the reverse of which", "Build it undirected")
        stands = graph.orbit_of_edge == torch.arange(len(graph.orbit_of_edge), device=graph.edges.device)
        first = stands.nonzero()[:, 0]
        of_edge = (stands.cumsum(0) - 1)[graph.orbit_of_edge]
        centre, neighbour = graph.edges[:, first]
        copies = torch.bincount(of_edge, minlength=len(first)).to(graph.vectors.dtype)
        length = graph.vectors[first].norm(dim=1)
        return cls(first, centre, neighbour, length, copies, of_edge[graph.reverse[first]], of_edge)

    def sum(self, values: Float[Tensor, "bonds width"], atoms: int) -> Float[Tensor, "atoms width"]:
        """Return the sum over the edges of each atom."""
        total = values.new_zeros(atoms, values.shape[1])
        return total.index_add(0, self.centre, values * self.copies[:, None].to(values.dtype))

    def mean(self, values: Float[Tensor, "bonds width"], atoms: int) -> Float[Tensor, "atoms width"]:
        """Return the mean over the edges of each atom; zero for an atom without any."""
        degree = self.copies.new_zeros(atoms).index_add(0, self.centre, self.copies)
        return self.sum(values, atoms) / degree.clamp_min(1)[:, None].to(values.dtype)

    def flow(self, graph: Graph) -> Flow:
        """Return the graph of the batch as messages from each bond's neighbour to its centre."""
        crystal = graph.crystal_of_atom
        messages = torch.bincount(crystal[self.centre], minlength=graph.crystals)
        states = torch.bincount(crystal, minlength=graph.crystals)
        return Flow(self.neighbour, self.centre, messages, states, copies=self.copies)

    def around(self, graph: Graph) -> Flow:
        """Return messages from each edge of an atom to every other edge of it."""
        own = torch.bincount(self.centre, minlength=graph.atoms)
        receiver, sender = _within(own[self.centre], own.cumsum(0)[self.centre] - own[self.centre])
        copies = self.copies[sender] - (sender == receiver).to(self.copies.dtype)
        return Flow(sender, receiver, own * own, own, copies=copies)


class LineGraph:
    """The pairs of bonds that share an atom.

    Args:
        graph: The batch.
        bonds: Its bonds.

    Attributes:
        cosine: (T,) float32, of the angle between the two bonds at the atom they share; 1 where a bond meets itself.
        flow: Messages from bonds to bonds.
    """

    def __init__(self, graph: Graph, bonds: BondOrbits) -> None:
        degree = torch.bincount(graph.edges[0], minlength=graph.atoms)
        own = torch.bincount(bonds.centre, minlength=graph.atoms)
        receiver, edge = _within(degree[bonds.centre], (degree.cumsum(0) - degree)[bonds.centre])
        along = normalize(graph.vectors, dim=1)
        self.cosine = (along[edge] * along[bonds.first][receiver]).sum(1).clamp(-1, 1)
        self.flow = Flow(bonds.of_edge[edge], receiver, own * degree, own, turned=bonds.reverse)

    def angles(self, points: int) -> RowSum:
        """Return the row_sum that interpolates a table over `points` cosines from -1 to 1 at the cosine of each pair."""
        position = (self.cosine + 1) * ((points - 1) / 2)
        lower = position.floor().clamp(0, points - 2)
        fraction = position - lower
        rows = lower.long()
        return RowSum.regular(
            torch.stack([rows, rows + 1], dim=1), torch.stack([1 - fraction, fraction], dim=1), points
        )


def _within(lengths: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pairs (row, member) of rows with the members start, start + 1, ..., two times (T,)."""
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    shift = starts - (lengths.cumsum(0) - lengths)
    return rows, torch.arange(len(rows), device=rows.device) + shift[rows]
