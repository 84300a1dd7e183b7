"""Descriptors of a crystal that need no calculation: means and deviations of its elements, its bonds and its size.

    m_q = <q_i>,  s_q = <(q_i - m_q)^2>^(1/2),  a_q = <|q_i - q_j|>,  p_q = <q_i q_j>,  <d_ij>,  log(V / N),  log(c / N)

q runs over the eight quantities of the elements (`elements.quantities`), <> is the mean over the atoms i, or over the bonds
ij, which weigh w_ij exp(-d_ij / 1 angstrom) with the weights w of the graph; c is the sum of these weights. The difference of electronegativities is what
Pauling reckoned heats of formation from; the others are of the kind that MAGPIE uses (doi 10.1038/npjcompumats.2016.28).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit import elements
from cryskit.layers.norm import BatchNorm
from cryskit.layers.pool import mean_pool

if TYPE_CHECKING:
    from cryskit.types import Graph

COUNT = 4 * len(elements.QUANTITIES) + 3


class Descriptors(nn.Module):
    """The descriptors of each crystal, on one scale: that of the crystals seen in training."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.tensor(elements.quantities()), persistent=False)
        self.scale = BatchNorm(COUNT, affine=False)

    @torch.no_grad()
    def forward(self, graph: Graph) -> Float[Tensor, "crystals descriptors"]:
        """Return the descriptors of a batch."""
        found = self.raw(graph)
        return self.scale(found) if graph.crystals > 1 or not self.training else found

    def raw(self, graph: Graph) -> Float[Tensor, "crystals descriptors"]:
        """Return the descriptors as they are defined; angstrom."""
        of_atom = self.table[graph.numbers]
        mean = mean_pool(of_atom, graph)
        deviation = mean_pool((of_atom - mean[graph.crystal_of_atom]).square(), graph).clamp_min(0).sqrt()
        centre, neighbour = graph.edges
        distance = graph.vectors.norm(dim=1)
        weight = graph.multiplicity[centre] * torch.exp(-distance) * (1 if graph.weight is None else graph.weight)
        one, other = of_atom[centre], of_atom[neighbour]
        of_bond = torch.cat([(one - other).abs(), one * other, distance[:, None]], dim=1)
        crystal = graph.crystal_of_atom[centre]
        bonds = weight.new_zeros(graph.crystals).index_add(0, crystal, weight)
        summed = of_bond.new_zeros(graph.crystals, of_bond.shape[1]).index_add(0, crystal, of_bond * weight[:, None])
        count = weight.new_zeros(graph.crystals).index_add(0, graph.crystal_of_atom, graph.multiplicity)
        volume = torch.linalg.det(graph.lattice).abs()
        sizes = torch.stack([(volume / count).log(), (bonds / count).clamp_min(1e-9).log()], dim=1)
        return torch.cat([mean, deviation, summed / bonds.clamp_min(1e-9)[:, None], sizes], dim=1)
