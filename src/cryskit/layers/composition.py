"""Statistics of properties of the elements over the composition of a crystal; nothing of its structure is read.

    y = [min, max, max - min, <x>, <|x - <x>|>, mode]

x are the rows of a table of element properties, means are over the atoms of the cell, and the mode is the value of the most frequent
element, the smallest of them if several are as frequent. With the table of Magpie these are its features (Ward and others 2016, doi
10.1038/npjcompumats.2016.28).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit import elements
from cryskit.layers.pool import max_pool, mean_pool

if TYPE_CHECKING:
    from cryskit.types import Graph

STATISTICS = 6
"""Number of statistics of each property of the elements."""

_ALIKE = 1 - 1e-5  # share of the largest frequency from which another counts as as large


class Composition(nn.Module):
    """Statistics over the composition.

    Args:
        properties: Number of properties of the elements.

    Attributes:
        table: (101, properties) the properties by atomic number; zeros until a file or `load_state_dict` fills them.
        width: Length of the vectors.
    """

    table: Tensor

    def __init__(self, properties: int) -> None:
        super().__init__()
        self.width = STATISTICS * properties
        self.register_buffer("table", torch.zeros(elements.ELEMENTS + 1, properties))

    def forward(self, graph: Graph) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "crystals width"]]:
        """Return the properties of each node, six times over, and the statistics of each crystal.

        Args:
            graph: The batch.
        """
        values = self.table[graph.numbers]
        low, high, mean = -max_pool(-values, graph), max_pool(values, graph), mean_pool(values, graph)
        apart = mean_pool((values - mean[graph.crystal_of_atom]).abs(), graph)
        rare = ~_most_frequent(graph)
        mode = -max_pool((-values).masked_fill(rare[:, None], -torch.inf), graph)
        return values.repeat(1, STATISTICS), torch.cat([low, high, high - low, mean, apart, mode], dim=1)


def _most_frequent(graph: Graph) -> Tensor:
    """Return for each node whether no other element of its crystal has more atoms, (N,) bool."""
    weight, place = graph.multiplicity, (graph.crystal_of_atom, graph.numbers)
    counts = weight.new_zeros(graph.crystals, elements.ELEMENTS + 1).index_put(place, weight, accumulate=True)[place]
    most = weight.new_zeros(graph.crystals).scatter_reduce(0, graph.crystal_of_atom, counts, "amax")
    return counts >= _ALIKE * most[graph.crystal_of_atom]
