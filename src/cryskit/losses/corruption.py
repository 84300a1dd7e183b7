"""Corruption of a crystal before a network sees it, so that its restoration is a task (denoising; masked elements)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cryskit import elements
from cryskit.graphs.smooth import weights
from cryskit.types import GraphSpec

if TYPE_CHECKING:
    from cryskit.types import Graph

_DISGUISED = 0.5  # share of the masked elements that are shown as another
_STRIDE = elements.ELEMENTS + 1


class Corrupted(NamedTuple):
    """A corrupted batch and what was done to it.

    Attributes:
        graph: The batch that the network is shown.
        masked: (N,) which atoms are masked; None where nothing is to be masked.
        shifts: (N, 3) displacements, angstrom.
        scaling: (B,) logarithm of the factor on all distances, in units of its standard deviation.
    """

    graph: Graph
    masked: Tensor | None
    shifts: Tensor
    scaling: Tensor


class Corruption(nn.Module):
    """Mask elements, displace atoms, scale the volume of crystals.

    Draws anew in each step of training and always the same in evaluation.

    Args:
        mask_fraction: Share of the elements of each crystal that are masked, at least one; 0 masks nothing.
        position_noise: Standard deviation of the displacements of atoms along each axis, angstrom.
        volume_noise: Standard deviation of the logarithm of the factor on all distances of a crystal.
        seed: Seed of the random draws.
        spec: The graphs to corrupt; after displacements the weights of smooth neighbourhoods are computed again, those of
            before would give the displacements away.
    """

    step: Tensor

    def __init__(
        self,
        mask_fraction: float = 0.0,
        position_noise: float = 0.0,
        volume_noise: float = 0.0,
        seed: int = 0,
        spec: GraphSpec | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec or GraphSpec()
        self.mask_fraction, self.position_noise, self.volume_noise = mask_fraction, position_noise, volume_noise
        self.seed = seed
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, graph: Graph) -> Corrupted:
        """Corrupt a batch."""
        if self.training:
            self.step += 1
        # Drawn from a counter that is saved with the weights, so that a resumed run is the run that was not stopped.
        chance = torch.Generator().manual_seed(self.seed + (int(self.step) << 8) if self.training else self.seed)
        masked, shown = mask(graph, self.mask_fraction, chance) if self.mask_fraction else (None, graph.numbers)
        scaling = torch.randn(graph.crystals, generator=chance).to(graph.vectors)
        shifts = torch.randn(graph.atoms, 3, generator=chance).to(graph.vectors) * self.position_noise
        vectors = self._moved(graph, shifts, scaling)
        corrupted = replace(graph, numbers=shown, vectors=vectors)
        if self.position_noise and graph.weight is not None:
            corrupted = replace(corrupted, weight=_weight(corrupted, self.spec))
        return Corrupted(corrupted, masked, shifts, scaling)

    def _moved(
        self, graph: Graph, shifts: Float[Tensor, "atoms 3"], scaling: Float[Tensor, " crystals"]
    ) -> Float[Tensor, "edges 3"]:
        centre, neighbour = graph.edges
        vectors = graph.vectors + shifts[neighbour] - shifts[centre] if self.position_noise else graph.vectors
        if not self.volume_noise:
            return vectors
        factor = (self.volume_noise * scaling).exp()
        return vectors * factor[graph.crystal_of_atom[centre]][:, None]


def _weight(graph: Graph, spec: GraphSpec) -> Float[Tensor, " edges"]:
    """Return the weights that edges of the present lengths have."""
    reverse = None if graph.reverse is None else graph.reverse.cpu().numpy()
    distance = graph.vectors.norm(dim=1).double().cpu().numpy()
    found = weights(distance, graph.edges[0].cpu().numpy(), graph.atoms, spec, reverse)
    return torch.from_numpy(found).to(graph.vectors)


def mask(graph: Graph, share: float, chance: torch.Generator) -> tuple[Bool[Tensor, " atoms"], Int[Tensor, " atoms"]]:
    """Choose the masked elements of each crystal: a share, and the first in a random order.

    Args:
        graph: The batch.
        share: Probability with which an element of a crystal is masked.
        chance: The generator to draw from, on the CPU.

    Returns:
        Which atoms are masked, and the atomic number that every atom shows: 0 or another element where it is masked.
    """
    kinds, kind = (graph.crystal_of_atom * _STRIDE + graph.numbers).unique(return_inverse=True)
    crystal = kinds // _STRIDE
    drawn, lot = torch.rand(2, len(kinds), generator=chance).to(graph.vectors)
    least = drawn.new_ones(graph.crystals).scatter_reduce(0, crystal, drawn, "amin")
    masked = (drawn < share) | (drawn == least[crystal])
    other = graph.numbers[torch.randint(graph.atoms, (len(kinds),), generator=chance).to(kinds.device)]
    shown = torch.where(lot < _DISGUISED, other, 0)
    return masked[kind], torch.where(masked[kind], shown[kind], graph.numbers)
