"""Whether volumes and distances are those that training crystals of such elements have; the network is not asked.

    ln v = w . [x, <q>, cov(q)]                       volume per atom, of fractions x and quantities q of the elements
    z_AB = (ln d_AB - m_AB) / s_AB                    shortest distance between the elements A and B of a crystal

    b_i  = ln sum_j exp((r_i + r_j - d_ij) / 0.37)     bonds of an atom, near ones counting more (as bond valences do)

m and s are the mean and the deviation of the logarithms over training crystals, drawn towards those of all pairs, in units of the
sum of the covalent radii, where a pair is rare. A pair counts with exp(-(d / (1.6 (r_A + r_B)))^8), so that none enters suddenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor, nn
from torch.nn.functional import one_hot

from cryskit.elements import ELEMENTS, quantities
from cryskit.layers.pool import max_pool, mean_pool

if TYPE_CHECKING:
    from cryskit.types import Graph

TABLE = ELEMENTS + 1
"""Rows of a table by atomic number; row 0 is empty."""
PAIRS = TABLE * (TABLE + 1) // 2
"""Rows of a table by pair of elements, in any order; see `pair_of`."""

_ELECTRONEGATIVITY = 2  # column of `elements.quantities`
_CONTACT, _STEEP, _BOND = 1.6, 8, 1.3
_SOFTNESS = 0.37  # angstrom, that of bond valences
_MOST = 10.0  # deviations of a sum over bonds count no more than this
_RIDGE = 1.0
_FEW = 3.0  # crystals that the distances of all pairs count for in the mean of one pair
_ROUNDS = 3  # of the fit in which crystals far from their expected volume lose weight


def pair_of(low: Any, high: Any) -> Any:
    """Return the row of a pair of elements in a table of pairs.

    Args:
        low: The lower atomic number, or many of them.
        high: The higher atomic number, or many of them.
    """
    return high * (high + 1) // 2 + low


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
        design, known = composition_features(graph).double(), log_volume(graph).double()
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
        found: Tensor = log_volume(graph) - composition_features(graph) @ self.weight
        return found


def log_volume(graph: Graph) -> Tensor:
    """Return the logarithm of the volume per atom in cubic angstrom, (B,).

    Args:
        graph: B crystals.
    """
    atoms = graph.vectors.new_zeros(graph.crystals).index_add(0, graph.crystal_of_atom, graph.multiplicity)
    logarithm: Tensor = (torch.linalg.det(graph.lattice).abs() / atoms).log()
    return logarithm


def composition_features(graph: Graph) -> Tensor:
    """Return 1, the fractions of the elements, the means and the covariances of their quantities, (B, F).

    Args:
        graph: B crystals.
    """
    table = torch.from_numpy(np.array(quantities())).to(graph.vectors)
    fractions = mean_pool(one_hot(graph.numbers, TABLE).to(graph.vectors), graph)
    mean = fractions @ table
    row, column = torch.triu_indices(table.shape[1], table.shape[1], device=table.device)
    covariance = fractions @ (table[:, row] * table[:, column]) - mean[:, row] * mean[:, column]
    return torch.cat([torch.ones_like(mean[:, :1]), fractions, mean, covariance], dim=1)


class ShortestPairs(nn.Module):
    """The shortest distances between atoms of two elements.

    Attributes:
        mean: (5151,) mean logarithm of the shortest distance over the sum of the covalent radii.
        deviation: (5151,) standard deviation of these logarithms.
    """

    mean: Tensor
    deviation: Tensor

    features = 7
    """Numbers that describe a crystal."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(PAIRS, dtype=torch.float16))
        self.register_buffer("deviation", torch.ones(PAIRS, dtype=torch.float16))

    def fit(self, graph: Graph) -> None:
        """Learn from training crystals.

        Args:
            graph: B crystals.
        """
        _, one, other, shortest = _shortest(graph)
        pair, shortest = pair_of(one, other), shortest.double()
        count = torch.bincount(pair, minlength=PAIRS)
        total, squares = (torch.bincount(pair, shortest**power, PAIRS) for power in (1, 2))
        common, spread = shortest.mean(), shortest.var()
        mean = (total + _FEW * common) / (count + _FEW)
        variance = (squares - 2 * mean * total + count * mean**2 + _FEW * spread) / (count + _FEW)
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt())

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
        crystal, one, other, shortest = _shortest(graph)
        count, pair = graph.crystals, pair_of(one, other)
        usual, deviation = self.mean[pair].float(), self.deviation[pair].float()
        contact = (-((shortest.exp() / _CONTACT) ** _STEEP)).exp()
        z = (shortest - usual) / deviation * contact
        total = z.new_zeros(2, count).index_add(1, crystal, torch.stack([z * contact, contact]))
        least = z.new_zeros(count).scatter_reduce(0, crystal, z, "amin", include_self=False)
        nearest = z.new_zeros(count).scatter_reduce(0, crystal, shortest, "amin", include_self=False)
        described = torch.cat([torch.stack([total[0] / (total[1] + 1e-3), least, nearest], 1), _bonds(graph)], dim=1)
        worst = z.new_zeros(count, 4)
        found = z == least[crystal]
        radii = _radii(graph)[one] + _radii(graph)[other]
        columns = [one, other, shortest.exp() * radii, usual.exp() * radii]
        worst[crystal[found]] = torch.stack([column[found].to(z) for column in columns], dim=1)
        return described, worst


class BondSums(nn.Module):
    """The sums over the bonds of atoms, by element: they tell stretched crystals from open ones.

    Attributes:
        mean: (101,) mean logarithm of the sum.
        deviation: (101,) standard deviation of these logarithms.
    """

    mean: Tensor
    deviation: Tensor

    features = 4
    """Numbers that describe a crystal."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(TABLE))
        self.register_buffer("deviation", torch.ones(TABLE))

    def fit(self, graph: Graph) -> None:
        """Learn from training crystals.

        Args:
            graph: B crystals.
        """
        sums, weight, numbers = _bond_sums(graph), graph.multiplicity, graph.numbers
        common = (sums * weight).sum() / weight.sum()
        spread = ((sums - common) ** 2 * weight).sum() / weight.sum()
        empty = weight.new_zeros(TABLE)
        count = empty.index_add(0, numbers, weight) + _FEW
        self.mean.copy_((empty.index_add(0, numbers, sums * weight) + _FEW * common) / count)
        squares = (sums - self.mean[numbers]) ** 2 * weight
        self.deviation.copy_(((empty.index_add(0, numbers, squares) + _FEW * spread) / count).sqrt())

    def forward(self, graph: Graph) -> Tensor:
        """Return the mean, the mean absolute, the largest and the least deviation of the atoms of each crystal, (B, 4).

        Args:
            graph: B crystals.
        """
        z = ((_bond_sums(graph) - self.mean[graph.numbers]) / self.deviation[graph.numbers]).clamp(-_MOST, _MOST)
        z = z[:, None]
        parts = [mean_pool(z, graph), mean_pool(z.abs(), graph), max_pool(z, graph), -max_pool(-z, graph)]
        return torch.cat(parts, dim=1)


def _bond_sums(graph: Graph) -> Tensor:
    """Return the logarithm of the sum over the bonds of each node, (N,)."""
    one, other, share = _shares(graph)
    radii = _radii(graph)[one] + _radii(graph)[other]
    bonds = (radii * (1 - share) / _SOFTNESS).exp()
    return (bonds.new_zeros(graph.atoms).index_add(0, graph.edges[0], bonds) + 1e-3).log()


def _radii(graph: Graph) -> Tensor:
    """Return covalent radii by atomic number, angstrom, on the device of a graph."""
    return torch.from_numpy(covalent_radii).to(graph.vectors)


def _shares(graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each edge the two atomic numbers and the length over the sum of the covalent radii."""
    one, other = graph.numbers[graph.edges]
    return one, other, graph.vectors.norm(dim=1) / (_radii(graph)[one] + _radii(graph)[other])


def _shortest(graph: Graph) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return for each pair of elements of each crystal the crystal, both atomic numbers, and the logarithm of its least share."""
    one, other, share = _shares(graph)
    crystal = graph.crystal_of_atom[graph.edges[0]]
    key = (crystal * TABLE + torch.minimum(one, other)) * TABLE + torch.maximum(one, other)
    found, of_edge = key.unique(return_inverse=True)
    least = share.new_zeros(len(found)).scatter_reduce(0, of_edge, share, "amin", include_self=False)
    return found // TABLE**2, found // TABLE % TABLE, found % TABLE, least.clamp(min=1e-3).log()


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
