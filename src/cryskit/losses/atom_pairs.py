"""All ordered pairs of the atoms of each crystal, for a batch of crystals of any sizes.

A cell of N atoms has N^2 pairs. Crystals are put into groups within which sizes differ by less than a factor of two, and
a group is padded to its largest crystal: a batch has a handful of groups, never a loop over crystals, and at most four
times the pairs that there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.types import Graph


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a group of crystals: (c, i, j) is the pair of atoms i and j of crystal c.

    Attributes:
        atoms: (C, n) int64, the nodes of each crystal; padding points at the crystal's first node.
        real: (C, n), false where padded.
        edges: (e,) int64, the edges of the graph that lie in these crystals.
        place: (e,) int64, the pair of each edge, counted over (C, n, n).
    """

    atoms: Tensor
    real: Tensor
    edges: Tensor
    place: Tensor

    def count(
        self, classes: Int[Tensor, " edges"], number: int, weight: Float[Tensor, " edges"] | None = None
    ) -> Float[Tensor, "crystals size size classes"]:
        """Return how many edges of each class every pair has, counted by weight.

        Args:
            classes: Class of each edge of the graph, 0..number-1.
            number: Number of classes.
            weight: Weight of each edge of the graph; 1 for all by default.
        """
        crystals, size = self.atoms.shape
        flat = self.place * number + classes[self.edges]
        of_edges = None if weight is None else weight[self.edges]
        counts = torch.bincount(flat, of_edges, minlength=crystals * size * size * number)
        return counts.view(crystals, size, size, number).float()

    def weights(self, multiplicity: Float[Tensor, " atoms"]) -> Float[Tensor, "crystals size size"]:
        """Return for how many pairs of atoms of the cell each pair of nodes stands; 0 where padded."""
        each = multiplicity[self.atoms] * self.real
        return each[:, :, None] * each[:, None, :]


def pairs(graph: Graph) -> Iterator[Pairs]:
    """Return the pairs of a batch, group by group; every crystal is in exactly one group."""
    sizes = torch.bincount(graph.crystal_of_atom, minlength=graph.crystals)
    starts = sizes.cumsum(0) - sizes
    octave = sizes.clamp_min(1).log2().floor().long()
    centre, neighbour = graph.edges
    crystal_of_edge = graph.crystal_of_atom[centre]
    position = torch.arange(graph.atoms, device=sizes.device) - starts[graph.crystal_of_atom]
    for each in octave.unique().tolist():
        inside = octave == each
        crystals = inside.nonzero()[:, 0]
        row = torch.zeros_like(sizes)
        row[crystals] = torch.arange(len(crystals), device=sizes.device)
        size = int(sizes[crystals].max())
        ladder = torch.arange(size, device=sizes.device)
        real: Bool[Tensor, "crystals size"] = ladder < sizes[crystals, None]
        atoms = starts[crystals, None] + torch.where(real, ladder, 0)
        edges = inside[crystal_of_edge].nonzero()[:, 0]
        i, j = centre[edges], neighbour[edges]
        place = (row[crystal_of_edge[edges]] * size + position[i]) * size + position[j]
        yield Pairs(atoms, real, edges, place)
