"""A plain GATGNN to measure against, written from its equations (doi 10.1039/D0CP01474E).

Nothing here is made fast and nothing is made slow: full cells, the Gaussians of every edge, one matrix applied to the
concatenation of each end of every edge with its features, index_select and index_add. It has the published size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from cryskit import elements

if TYPE_CHECKING:
    from cryskit.types import Graph

RADIUS = 8.0
STEP = 0.2


class Tensors(NamedTuple):
    """What the network is given.

    Attributes:
        features: (N, 92), bits of the elements.
        bonds: (E, 41), Gaussians of the distances.
        edges: (2, E), centre and neighbour.
        crystal_of_atom: (N,).
        composition: (B, 101), share of each element in each crystal.
    """

    features: Tensor
    bonds: Tensor
    edges: Tensor
    crystal_of_atom: Tensor
    composition: Tensor


def tensors(graph: Graph) -> Tensors:
    """Return what the network is given of a batch of full cells."""
    centres = torch.arange(0, RADIUS + STEP / 2, STEP)
    counts = torch.zeros(graph.crystals, elements.ELEMENTS + 1)
    counts.index_put_((graph.crystal_of_atom, graph.numbers), torch.ones(graph.atoms), accumulate=True)
    return Tensors(
        torch.tensor(elements.features())[graph.numbers],
        torch.exp(-((graph.vectors.norm(dim=1, keepdim=True) - centres) ** 2) / STEP**2),
        graph.edges,
        graph.crystal_of_atom,
        counts / counts.sum(1, keepdim=True),
    )


def softmax(scores: Tensor, index: Tensor, count: int) -> Tensor:
    """Return the shares of the rows with the same index."""
    where = index[:, None].expand_as(scores)
    highest = torch.full((count, scores.shape[1]), -torch.inf).scatter_reduce(0, where, scores.detach(), "amax")
    powers = torch.exp(scores - highest.index_select(0, index))
    total = torch.zeros(count, scores.shape[1]).index_add(0, index, powers)
    return powers / (total.index_select(0, index) + 1e-16)


class Attention(nn.Module):
    """Attention over the edges of each atom.

    Args:
        width: Width of the vectors.
        heads: Number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(2 * width, heads * width)))
        self.scores = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, heads, 2 * width)))
        self.bias = nn.Parameter(torch.zeros(width))
        self.norm = nn.BatchNorm1d(heads)

    def forward(self, atoms: Tensor, bonds: Tensor, edges: Tensor) -> Tensor:
        """Return the mean over the heads of what each atom attends to."""
        centre, neighbour = edges
        own = softplus(torch.cat([atoms.index_select(0, centre), bonds], dim=1) @ self.weight)
        other = softplus(torch.cat([atoms.index_select(0, neighbour), bonds], dim=1) @ self.weight)
        own, other = (end.view(len(bonds), self.heads, -1) for end in (own, other))
        scores = softplus((torch.cat([own, other], dim=2) * self.scores).sum(2))
        shares = softmax(softplus(self.norm(scores)), centre, len(atoms))
        seen = torch.zeros(len(atoms), *other.shape[1:]).index_add(0, centre, other * shares[:, :, None])
        return seen.mean(1) + self.bias


class Network(nn.Module):
    """GATGNN with attention by composition and its read-out.

    Args:
        width: Width of all vectors.
        layers: Number of layers of attention over edges.
        heads: Number of heads of each layer.
    """

    def __init__(self, width: int = 64, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.atom = nn.Linear(elements.FEATURE_COUNT, width)
        self.bond = nn.Linear(round(RADIUS / STEP) + 1, width)
        self.attention = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(layers))
        self.mixed = nn.Linear(width + elements.ELEMENTS + 1, 32)
        self.score = nn.Linear(32, 1)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.out = nn.Linear(width, 1)

    def forward(self, batch: Tensors) -> Tensor:
        """Return one number per crystal, (B, 1)."""
        atoms, bonds = self.atom(batch.features), leaky_relu(self.bond(batch.bonds), 0.2)
        for attention, norm in zip(self.attention, self.norms, strict=True):
            atoms = softplus(norm(attention(atoms, bonds, batch.edges)))
        crystals = len(batch.composition)
        composition = batch.composition.index_select(0, batch.crystal_of_atom)
        scores = self.score(softplus(self.mixed(torch.cat([atoms, composition], dim=1))))
        shares = softmax(scores, batch.crystal_of_atom, crystals)
        pooled = torch.zeros(crystals, atoms.shape[1]).index_add(0, batch.crystal_of_atom, atoms * shares)
        for layer in self.hidden:
            pooled = softplus(layer(pooled))
        out: Tensor = self.out(pooled)
        return out
