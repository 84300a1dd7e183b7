"""What is hidden from a network or disturbed before it looks, so that telling it is a task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cryskit import elements

if TYPE_CHECKING:
    from cryskit.types import Graph

_DISGUISED = 0.5  # share of the hidden elements that are shown as another
_STRIDE = elements.ELEMENTS + 1


class Corrupted(NamedTuple):
    """A disturbed batch and what was done to it.

    Attributes:
        graph: What the network is shown.
        hidden: (N,) which atoms are hidden; None where nothing is to be hidden.
        shifts: (N, 3) displacements, angstrom.
        swelling: (B,) logarithm of the factor on all distances, in units of its deviation.
    """

    graph: Graph
    hidden: Tensor | None
    shifts: Tensor
    swelling: Tensor


class Corruption(nn.Module):
    """Hide elements, displace atoms, swell or shrink crystals.

    Draws anew in each step of training and always the same in evaluation.

    Args:
        hidden: Share of the elements of each crystal that are hidden, at least one; 0 hides nothing.
        displaced: Angstrom, standard deviation of the displacements along each axis.
        swelling: Standard deviation of the logarithm of the factor on all distances.
        seed: Of what is drawn.
    """

    step: Tensor

    def __init__(self, hidden: float = 0.0, displaced: float = 0.0, swelling: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self.hidden, self.displaced, self.swelling, self.seed = hidden, displaced, swelling, seed
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, graph: Graph) -> Corrupted:
        """Disturb a batch."""
        if self.training:
            self.step += 1
        # Drawn from a counter that is saved with the weights, so that a resumed run is the run that was not stopped.
        chance = torch.Generator().manual_seed(self.seed + (int(self.step) << 8) if self.training else self.seed)
        hidden, shown = hide(graph, self.hidden, chance) if self.hidden else (None, graph.numbers)
        swelling = torch.randn(graph.crystals, generator=chance).to(graph.vectors)
        shifts = torch.randn(graph.atoms, 3, generator=chance).to(graph.vectors) * self.displaced
        vectors = self._moved(graph, shifts, swelling)
        return Corrupted(replace(graph, numbers=shown, vectors=vectors), hidden, shifts, swelling)

    def _moved(
        self, graph: Graph, shifts: Float[Tensor, "atoms 3"], swelling: Float[Tensor, " crystals"]
    ) -> Float[Tensor, "edges 3"]:
        centre, neighbour = graph.edges
        vectors = graph.vectors + shifts[neighbour] - shifts[centre] if self.displaced else graph.vectors
        if not self.swelling:
            return vectors
        factor = (self.swelling * swelling).exp()
        return vectors * factor[graph.crystal_of_atom[centre]][:, None]


def hide(graph: Graph, share: float, chance: torch.Generator) -> tuple[Bool[Tensor, " atoms"], Int[Tensor, " atoms"]]:
    """Choose the hidden elements of each crystal: a share, and the first in a random order.

    Args:
        graph: The batch.
        share: Of the elements of each crystal.
        chance: On the CPU.

    Returns:
        Which atoms are hidden, and the atomic number that every atom shows: 0 or another element where it is hidden.
    """
    kinds, kind = (graph.crystal_of_atom * _STRIDE + graph.numbers).unique(return_inverse=True)
    crystal = kinds // _STRIDE
    drawn, lot = torch.rand(2, len(kinds), generator=chance).to(graph.vectors)
    least = drawn.new_ones(graph.crystals).scatter_reduce(0, crystal, drawn, "amin")
    hidden = (drawn < share) | (drawn == least[crystal])
    other = graph.numbers[torch.randint(graph.atoms, (len(kinds),), generator=chance).to(kinds.device)]
    shown = torch.where(lot < _DISGUISED, other, 0)
    return hidden[kind], torch.where(hidden[kind], shown[kind], graph.numbers)
