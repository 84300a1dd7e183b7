"""A plain ALIGNN to measure against, written from its equations (doi 10.1038/s41524-021-00650-1).

Nothing here is made fast and nothing is made slow: full cells, all pairs of bonds that share an atom laid out in advance
as the line graph of the authors' program has them, index_select and index_add, every tensor kept by autograd. It has the
published size, and layer norm as its authors' later code does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from cryskit import elements

if TYPE_CHECKING:
    from cryskit.types import Graph


class LineGraph(NamedTuple):
    """Bonds and pairs of bonds of full cells.

    Attributes:
        numbers: (N,) atomic numbers.
        crystal_of_atom: (N,).
        crystals: B.
        bonds: (2, E), sender and receiver.
        lengths: (E,) angstrom.
        pairs: (2, T), sender and receiver among the bonds: (i -> j) sends to (j -> k).
        cosines: (T,) of the angle at j.
    """

    numbers: Tensor
    crystal_of_atom: Tensor
    crystals: int
    bonds: Tensor
    lengths: Tensor
    pairs: Tensor
    cosines: Tensor


def tensors(graph: Graph) -> LineGraph:
    """Return the line graph of an undirected batch.

    Args:
        graph: Batch of full cells.
    """
    receiver, sender = graph.edges
    degree = torch.bincount(receiver, minlength=graph.atoms)
    starts = degree.cumsum(0) - degree
    each = degree[sender]
    later = torch.repeat_interleave(torch.arange(len(sender)), each)
    rank = torch.arange(len(later)) - (each.cumsum(0) - each)[later]
    earlier = starts[sender[later]] + rank
    one, other = graph.vectors[earlier], -graph.vectors[later]
    cosines = (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))
    return LineGraph(
        graph.numbers,
        graph.crystal_of_atom,
        graph.crystals,
        torch.stack([sender, receiver]),
        graph.vectors.norm(dim=1),
        torch.stack([earlier, later]),
        cosines.clamp(-1, 1),
    )


class EdgeGatedConvolution(nn.Module):
    """m = A x_i + B x_j + C e; x_i + silu(norm(U x_i + sum s(m) V x_j / (sum s(m) + 1e-6))); e + silu(norm(m)).

    Args:
        width: Width of states and messages.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.src_gate = nn.Linear(width, width)
        self.dst_gate = nn.Linear(width, width)
        self.edge_gate = nn.Linear(width, width)
        self.src_update = nn.Linear(width, width)
        self.dst_update = nn.Linear(width, width)
        self.norm_nodes = nn.LayerNorm(width)
        self.norm_edges = nn.LayerNorm(width)

    def forward(self, states: Tensor, messages: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new states and messages."""
        sender, receiver = edges
        m = self.src_gate(states).index_select(0, sender) + self.dst_gate(states).index_select(0, receiver)
        m = m + self.edge_gate(messages)
        opened = torch.sigmoid(m)
        sent = opened * self.dst_update(states).index_select(0, sender)
        total = torch.zeros_like(states).index_add(0, receiver, sent)
        share = torch.zeros_like(states).index_add(0, receiver, opened)
        new = self.norm_nodes(self.src_update(states) + total / (share + 1e-6))
        return states + silu(new), messages + silu(self.norm_edges(m))


class Expansion(nn.Module):
    """exp(-(x - mu)^2 / step) at equally spaced mu.

    Args:
        first: The first mu.
        last: The last mu.
        count: Number of Gaussians.
    """

    centres: Tensor

    def __init__(self, first: float, last: float, count: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(first, last, count))
        self.step = (last - first) / (count - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Return the features of these values."""
        return torch.exp(-((values[:, None] - self.centres) ** 2) / self.step)


def embedding(width: int, to: int) -> nn.Sequential:
    """Return a linear map, a norm and SiLU."""
    return nn.Sequential(nn.Linear(width, to), nn.LayerNorm(to), nn.SiLU())


class Network(nn.Module):
    """ALIGNN with a linear map to one number.

    Args:
        width: Width of all vectors.
        angular: Number of layers over bonds and pairs.
        layers: Number of layers over bonds.
    """

    def __init__(self, width: int = 256, angular: int = 4, layers: int = 4) -> None:
        super().__init__()
        self.atom = embedding(elements.FEATURE_COUNT, width)
        self.bond = nn.Sequential(Expansion(0, 8, 80), embedding(80, 64), embedding(64, width))
        self.angle = nn.Sequential(Expansion(-1, 1, 40), embedding(40, 64), embedding(64, width))
        self.over_bonds = nn.ModuleList(EdgeGatedConvolution(width) for _ in range(angular + layers))
        self.over_pairs = nn.ModuleList(EdgeGatedConvolution(width) for _ in range(angular))
        self.out = nn.Linear(width, 1)
        self.register_buffer("bits", torch.tensor(elements.features(), dtype=torch.float32))

    def encode(self, batch: LineGraph) -> Tensor:
        """Return one vector per crystal, (B, width)."""
        atoms = self.atom(self.bits[batch.numbers])
        bonds, pairs = self.bond(batch.lengths), self.angle(batch.cosines)
        for position, over_bonds in enumerate(self.over_bonds):
            atoms, bonds = over_bonds(atoms, bonds, batch.bonds)
            if position < len(self.over_pairs):
                bonds, pairs = self.over_pairs[position](bonds, pairs, batch.pairs)
        total = atoms.new_zeros(batch.crystals, atoms.shape[1]).index_add(0, batch.crystal_of_atom, atoms)
        return total / torch.bincount(batch.crystal_of_atom, minlength=batch.crystals)[:, None]

    def forward(self, batch: LineGraph) -> Tensor:
        """Return one number per crystal, (B, 1)."""
        out: Tensor = self.out(self.encode(batch))
        return out
