"""A plain MEGNet to measure against, written from its equations (doi 10.1021/acs.chemmater.9b01294).

Nothing here is made fast and nothing is made slow: full cells, the Gaussians of every edge, perceptrons applied to
concatenations of edge, atoms and state, index_select and index_add. It has the size of matgl's.
"""

from __future__ import annotations

from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmarks.speed.zoo_gatgnn import softmax
from cryskit import elements

if TYPE_CHECKING:
    from cryskit.types import Graph

WIDTH = 0.5
LAST = 5.0
COUNT = 100


class Tensors(NamedTuple):
    """What the network is given.

    Attributes:
        numbers: (N,) atomic numbers.
        lengths: (E, 1) angstrom.
        edges: (2, E), centre and neighbour.
        crystal_of_atom: (N,).
        crystals: B.
    """

    numbers: Tensor
    lengths: Tensor
    edges: Tensor
    crystal_of_atom: Tensor
    crystals: int


def tensors(graph: Graph) -> Tensors:
    """Return what the network is given of a batch of full cells."""
    lengths = graph.vectors.norm(dim=1, keepdim=True)
    return Tensors(graph.numbers, lengths, graph.edges, graph.crystal_of_atom, graph.crystals)


def mean(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Return the mean of the rows with the same index."""
    total = torch.zeros(count, values.shape[1]).index_add(0, index, values)
    return total / torch.bincount(index, minlength=count).clamp_min(1)[:, None]


class Softplus(nn.Module):
    """log((1 + e^x) / 2)."""

    def forward(self, values: Tensor) -> Tensor:
        """Return it."""
        return softplus(values) - log(2)


def perceptron(*widths: int) -> nn.Sequential:
    """Return linear maps, each followed by the activation."""
    layers = [[nn.Linear(a, b), Softplus()] for a, b in pairwise(widths)]
    return nn.Sequential(*(part for layer in layers for part in layer))


class Block(nn.Module):
    """One update of bonds, atoms and state.

    Args:
        width: Width of the vectors of bonds, atoms and state.
        first: Whether the block has no layers of its own before the update.
    """

    def __init__(self, width: int, *, first: bool) -> None:
        super().__init__()
        hidden = 2 * width
        self.own = nn.ModuleList(nn.Identity() if first else perceptron(width, hidden, width) for _ in range(3))
        self.bond, self.atom, self.state = (perceptron(n * width, hidden, hidden, width) for n in (4, 3, 3))

    def forward(self, bonds: Tensor, atoms: Tensor, state: Tensor, batch: Tensors) -> tuple[Tensor, Tensor, Tensor]:
        """Return the new vectors."""
        e, v, u = (own(value) for own, value in zip(self.own, (bonds, atoms, state), strict=True))
        centre, neighbour = batch.edges
        crystal_of_edge = batch.crystal_of_atom.index_select(0, centre)
        around = u.index_select(0, batch.crystal_of_atom)
        ends = [v.index_select(0, centre), v.index_select(0, neighbour)]
        e = self.bond(torch.cat([*ends, e, around.index_select(0, centre)], dim=1))
        v = self.atom(torch.cat([v, mean(e, centre, len(v)), around], dim=1))
        means = mean(e, crystal_of_edge, batch.crystals), mean(v, batch.crystal_of_atom, batch.crystals)
        u = self.state(torch.cat([u, *means], dim=1))
        return bonds + e, atoms + v, state + u


class Set2Set(nn.Module):
    """An LSTM asks, attention answers.

    Args:
        width: Width of the vectors of the set.
        steps: Number of steps of the LSTM.
    """

    def __init__(self, width: int, steps: int = 2) -> None:
        super().__init__()
        self.steps = steps
        self.lstm = nn.LSTM(2 * width, width)

    def forward(self, members: Tensor, index: Tensor, count: int) -> Tensor:
        """Return the last question and its answer for each set."""
        both = torch.zeros(count, 2 * members.shape[1])
        memory = None
        for _ in range(self.steps):
            question, memory = self.lstm(both[None], memory)
            shares = softmax((members * question[0].index_select(0, index)).sum(1, keepdim=True), index, count)
            answer = torch.zeros(count, members.shape[1]).index_add(0, index, shares * members)
            both = torch.cat([question[0], answer], dim=1)
        return both


class Network(nn.Module):
    """MEGNet and its read-out.

    Args:
        width: Width of the vectors of bonds, atoms and state.
        layers: Number of blocks.
    """

    centres: Tensor

    def __init__(self, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(0, LAST, COUNT))
        self.elements = nn.Embedding(elements.ELEMENTS + 1, width // 2)
        self.atom = perceptron(width // 2, 2 * width, width)
        self.bond = perceptron(COUNT, 2 * width, width)
        self.state = perceptron(2, 2 * width, width)
        self.blocks = nn.ModuleList(Block(width, first=position == 0) for position in range(layers))
        self.sets = nn.ModuleList(Set2Set(width) for _ in range(2))
        self.out = nn.Sequential(perceptron(5 * width, width, width // 2), nn.Linear(width // 2, 1))

    def forward(self, batch: Tensors) -> Tensor:
        """Return one number per crystal, (B, 1)."""
        gaussians = torch.exp(-((batch.lengths - self.centres) ** 2) / WIDTH**2)
        atoms, bonds = self.atom(self.elements(batch.numbers)), self.bond(gaussians)
        state = self.state(torch.zeros(batch.crystals, 2))
        for block in self.blocks:
            bonds, atoms, state = block(bonds, atoms, state, batch)
        crystal_of_edge = batch.crystal_of_atom.index_select(0, batch.edges[0])
        of_atoms = self.sets[0](atoms, batch.crystal_of_atom, batch.crystals)
        of_bonds = self.sets[1](bonds, crystal_of_edge, batch.crystals)
        out: Tensor = self.out(torch.cat([of_atoms, of_bonds, state], dim=1))
        return out
