"""Which elements training crystals have, and which of them together.

c_AB = ln(1 + crystals with A and B)
p_AB = c_AB - c_A - c_B + ln(1 + crystals)        how much more often together than by chance
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from cryskit.elements import symbol
from cryskit.reliability.domain_geometry import PAIRS, TABLE, pair_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal, Graph

_NAMED = 3  # unseen pairs that are named


class ElementPairs(nn.Module):
    """The numbers of training crystals with each pair of elements.

    Attributes:
        together: (5151,) logarithm of one more than the number of training crystals with both elements, or with the one.
        total: (1,) the same of all training crystals.
    """

    together: Tensor
    total: Tensor

    features = 4
    """Numbers that describe a crystal."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("together", torch.zeros(PAIRS, dtype=torch.float16))
        self.register_buffer("total", torch.zeros(1))

    def fit(self, crystals: Sequence[Crystal]) -> None:
        """Count in training crystals.

        Args:
            crystals: All of them.
        """
        counts = np.zeros(PAIRS)
        for crystal in crystals:
            present = np.unique(crystal.numbers)
            low, high = np.triu_indices(len(present))
            counts[pair_of(present[low], present[high])] += 1
        self.together.copy_(torch.from_numpy(np.log1p(counts)))
        self.total.fill_(float(np.log1p(len(crystals))))

    def forward(self, graph: Graph) -> Tensor:
        """Return the number of elements, the least c, the least and the mean p of the pairs of each crystal, (B, 4).

        Args:
            graph: B crystals.
        """
        kinds = (graph.crystal_of_atom * TABLE + graph.numbers).unique()
        crystal, number = kinds // TABLE, kinds % TABLE
        elements = torch.bincount(crystal, minlength=graph.crystals)
        one = torch.repeat_interleave(torch.arange(len(kinds), device=kinds.device), elements[crystal])
        start = (elements.cumsum(0) - elements)[crystal[one]]
        rank = torch.arange(len(one), device=one.device) - (elements[crystal].cumsum(0) - elements[crystal])[one]
        other = start + rank
        kept = one < other
        one, other = one[kept], other[kept]
        table = self.together.float()
        alone = table[pair_of(number, number)]
        both = table[pair_of(number[one], number[other])]
        p = both - alone[one] - alone[other] + self.total
        few = p.new_full((graph.crystals,), torch.inf).scatter_reduce(0, crystal, alone, "amin")
        few = few.scatter_reduce(0, crystal[one], both, "amin")
        least = p.new_zeros(graph.crystals).scatter_reduce(0, crystal[one], p, "amin", include_self=False)
        mean = p.new_zeros(graph.crystals).scatter_reduce(0, crystal[one], p, "mean", include_self=False)
        return torch.stack([elements.to(p), few, least, mean], dim=1)

    @property
    def seen(self) -> list[bool]:
        """Whether training crystals have each pair of elements, by `pair_of`."""
        found: list[bool] = (self.together > 0).tolist()
        return found


def unseen(crystal: Crystal, seen: Sequence[bool]) -> tuple[list[str], list[str]]:
    """Return a sentence on elements that the training data has not, and one on pairs of elements; none where there are none.

    Args:
        crystal: The crystal.
        seen: `ElementPairs.seen`.
    """
    present = sorted(set(crystal.numbers.tolist()))
    known = [number for number in present if seen[pair_of(number, number)]]
    strange = [symbol(number) for number in present if number not in known]
    pairs = [pair for pair in combinations(known, 2) if not seen[pair_of(*pair)]]
    apart = [f"{symbol(one)} and {symbol(other)}" for one, other in pairs]
    return (
        [f"The training data has no {', '.join(strange)}"] if strange else [],
        [f"No training crystal has both {'; or both '.join(apart[:_NAMED])}"] if apart else [],
    )
