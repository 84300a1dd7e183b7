"""Whether volumes and distances are those that training crystals of such elements have; the network is not asked.

    ln v = w . [x, <q>, cov(q)]                       volume per atom, of fractions x and quantities q of the elements
    z_AB = (ln d_AB - m_AB) / s_AB                    shortest distance between the elements A and B of a crystal

m and s are the mean and the deviation of the logarithms over training crystals, drawn towards those of all pairs, in units of the
sum of the covalent radii, where a pair is rare. A pair counts with exp(-(d / (1.6 (r_A + r_B)))^8), so that none enters suddenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor, nn
from torch.nn.functional import one_hot

from cryskit.elements import ELEMENTS, quantities
from cryskit.layers.pool import mean_pool

if TYPE_CHECKING:
    from cryskit.types import Graph

TABLE = ELEMENTS + 1
"""Rows of a table by atomic number; row 0 is empty."""

_ELECTRONEGATIVITY = 2  # column of `elements.quantities`
_CONTACT, _STEEP, _BOND = 1.6, 8, 1.3
_RIDGE = 1.0
_FEW = 3.0  # crystals that the distances of all pairs count for in the mean of one pair
_ROUNDS = 3  # of the fit in which crystals far from their expected volume lose weight


class ExpectedVolume(nn.Module):
    """The volume per atom that crystals of a composition have.

    Attributes:
        weight: (F,) what each quantity of the composition adds to the logarithm of the volume per atom.
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        columns = quantities().shape[1]
        self.register_buffer("weight", torch.zeros(1 + TABLE + columns + columns * (columns + 1) // 2))

    def fit(self, graph: Graph) -> None:
        """Learn from training crystals.

        Args:
            graph: B crystals.
        """
        design, known = _composition(graph).double(), log_volume(graph).double()
        share = torch.ones_like(known)
        eye = _RIDGE * torch.eye(design.shape[1], dtype=design.dtype)
        eye[0, 0] = 0
        for _ in range(_ROUNDS):
            weighted = design * share[:, None]
            weight = torch.linalg.solve(weighted.T @ design + eye, weighted.T @ known)
            off = (known - design @ weight).abs()
            share = 1 / (off / (2 * off.median() + 1e-6)).clamp(min=1)
        self.weight.copy_(weight)

    def forward(self, graph: Graph) -> Tensor:
        """Return the logarithm of the volume per atom over the expected one, (B,).

        Args:
            graph: B crystals.
        """
        return log_volume(graph) - _composition(graph) @ self.weight


def log_volume(graph: Graph) -> Tensor:
    """Return the logarithm of the volume per atom in cubic angstrom, (B,).

    Args:
        graph: B crystals.
    """
    atoms = graph.vectors.new_zeros(graph.crystals).index_add(0, graph.crystal_of_atom, graph.multiplicity)
    return (torch.linalg.det(graph.lattice).abs() / atoms).log()


def _composition(graph: Graph) -> Tensor:
    """Return 1, the fractions of the elements, the means and the covariances of their quantities, (B, F)."""
    table = torch.from_numpy(np.array(quantities())).to(graph.vectors)
    fractions = mean_pool(one_hot(graph.numbers, TABLE).to(graph.vectors), graph)
    mean = fractions @ table
    row, column = torch.triu_indices(table.shape[1], table.shape[1], device=table.device)
    covariance = fractions @ (table[:, row] * table[:, column]) - mean[:, row] * mean[:, column]
    return torch.cat([torch.ones_like(mean[:, :1]), fractions, mean, covariance], dim=1)


class ShortestPairs(nn.Module):
    """The shortest distances between atoms of two elements.

    Attributes:
        mean: (101, 101) mean logarithm of the shortest distance over the sum of the covalent radii.
        deviation: (101, 101) standard deviation of these logarithms.
    """

    mean: Tensor
    deviation: Tensor

    features = 7
    """Numbers that describe a crystal."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(TABLE, TABLE, dtype=torch.float16))
        self.register_buffer("deviation", torch.ones(TABLE, TABLE, dtype=torch.float16))

    def fit(self, graph: Graph) -> None:
        """Learn from training crystals.

        Args:
            graph: B crystals.
        """
        _, pair, shortest, _ = _shortest(graph)
        shortest = shortest.double()
        count = torch.bincount(pair, minlength=TABLE**2)
        total, squares = (torch.bincount(pair, shortest**power, TABLE**2) for power in (1, 2))
        common, spread = shortest.mean(), shortest.var()
        mean = (total + _FEW * common) / (count + _FEW)
        variance = (squares - 2 * mean * total + count * mean**2 + _FEW * spread) / (count + _FEW)
        for buffer, found in ((self.mean, mean), (self.deviation, variance.sqrt())):
            upper = found.reshape(TABLE, TABLE).triu()
            buffer.copy_(upper + upper.triu(1).T)

    def forward(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return what describes the distances of each crystal, and its most squeezed pair.

        Args:
            graph: B crystals.

        Returns:
            (B, 7): the mean and the least z of the pairs, the least distance over the sum of radii (logarithm), the mean
            difference of electronegativity between bonded atoms, the same above that of a random order, the share of bonds between
            like atoms above that of a random order, the least coordination number (logarithm). (B, 4): two atomic numbers, their
            distance and the usual one in angstrom; zeros where an atom has no neighbour.
        """
        crystal, pair, shortest, radii = _shortest(graph)
        count = graph.crystals
        usual, deviation = self.mean.flatten()[pair].float(), self.deviation.flatten()[pair].float()
        contact = (-((shortest.exp() / _CONTACT) ** _STEEP)).exp()
        z = (shortest - usual) / deviation * contact
        total = z.new_zeros(2, count).index_add(1, crystal, torch.stack([z * contact, contact]))
        least = z.new_zeros(count).scatter_reduce(0, crystal, z, "amin", include_self=False)
        nearest = z.new_zeros(count).scatter_reduce(0, crystal, shortest, "amin", include_self=False)
        described = torch.cat([torch.stack([total[0] / (total[1] + 1e-3), least, nearest], 1), _bonds(graph)], dim=1)
        worst = z.new_zeros(count, 4)
        found = z == least[crystal]
        columns = [pair // TABLE, pair % TABLE, shortest.exp() * radii, usual.exp() * radii]
        worst[crystal[found]] = torch.stack([column[found].to(z) for column in columns], dim=1)
        return described, worst


def _shares(graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each edge the two atomic numbers and the length over the sum of the covalent radii."""
    radii = torch.from_numpy(covalent_radii).to(graph.vectors)
    one, other = graph.numbers[graph.edges]
    return one, other, graph.vectors.norm(dim=1) / (radii[one] + radii[other])


def _shortest(graph: Graph) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return for each pair of elements of each crystal the crystal, the pair, the logarithm of its least share, the sum of radii."""
    one, other, share = _shares(graph)
    crystal = graph.crystal_of_atom[graph.edges[0]]
    pair = torch.minimum(one, other) * TABLE + torch.maximum(one, other)
    key, of_edge = (crystal * TABLE**2 + pair).unique(return_inverse=True)
    least = share.new_zeros(len(key)).scatter_reduce(0, of_edge, share, "amin", include_self=False)
    radii = torch.from_numpy(covalent_radii).to(graph.vectors)
    pair = key % TABLE**2
    return key // TABLE**2, pair, least.clamp(min=1e-3).log(), radii[pair // TABLE] + radii[pair % TABLE]


def _bonds(graph: Graph) -> Tensor:
    """Return the last four columns of `ShortestPairs`: how unlike bonded atoms are, and how many bonds an atom has at least."""
    one, other, share = _shares(graph)
    centre = graph.edges[0]
    negativity = torch.from_numpy(np.array(quantities()[:, _ELECTRONEGATIVITY])).to(graph.vectors)
    bond = (-((share / _BOND) ** _STEEP)).exp()
    unlike = (negativity[one] - negativity[other]).abs()
    per_atom = bond.new_zeros(3, graph.atoms).index_add(
        1, centre, torch.stack([bond, bond * unlike, bond * (one == other)])
    )
    bonds, unlike_bonds, like_bonds = mean_pool(per_atom.T, graph).T + 1e-3
    fractions = mean_pool(one_hot(graph.numbers, TABLE).to(graph.vectors), graph)
    random = torch.einsum("bi,bj,ij->b", fractions, fractions, (negativity[:, None] - negativity).abs())
    fewest = bond.new_full((graph.crystals,), torch.inf).scatter_reduce(0, graph.crystal_of_atom, per_atom[0], "amin")
    mean = unlike_bonds / bonds
    return torch.stack([mean, mean - random, like_bonds / bonds - (fractions**2).sum(1), (fewest + 0.1).log()], dim=1)
