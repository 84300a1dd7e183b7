"""Whether the atom vectors of a network are like those of the same elements in training crystals, and which crystals are nearest.

    z_i = (T v_i - m_Z) / s_Z        deviation of an atom's vector from those of its element, in whitened components
    u   = P <v>                      principal components of the mean vector of a crystal

Training gives each element a mean m and deviations s; T makes the deviations of all elements together uncorrelated and of
variance 1, so that directions in which training crystals hardly vary count as much as others (Mahalanobis distance).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cryskit.layers.pool import max_pool, mean_pool
from cryskit.reliability.domain_geometry import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Graph

NEAREST = 3
"""Nearest training crystals that are found for each crystal."""

_FARTHEST = 30.0  # deviations count no more than this
_FEW = 20.0  # atoms that the deviations of all elements count for in those of one
_BOUND = 3.0
_CROWD = 10  # neighbours whose mean distance is a feature


class Surroundings(nn.Module):
    """The vectors of atoms by element.

    Args:
        width: Width of the vectors of the network.
        components: Number of whitened components.
    """

    transform: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, components: int) -> None:
        super().__init__()
        self.register_buffer("transform", torch.zeros(width, components))
        self.register_buffer("mean", torch.zeros(TABLE, components, dtype=torch.float16))
        self.register_buffer("deviation", torch.ones(TABLE, components, dtype=torch.float16))

    @property
    def features(self) -> int:
        """Numbers that describe a crystal."""
        return 2 * self.mean.shape[1] + 3

    def fit(self, graph: Graph, atoms: Tensor) -> None:
        """Learn from training crystals.

        Args:
            graph: B crystals.
            atoms: (N, width) their atom vectors.
        """
        vectors, weight, numbers = atoms.double(), graph.multiplicity.double()[:, None], graph.numbers
        count = vectors.new_zeros(TABLE, 1).index_add(0, numbers, weight)
        common = (vectors * weight).sum(0) / weight.sum()
        mean = vectors.new_zeros(TABLE, atoms.shape[1]).index_add(0, numbers, vectors * weight) + common
        mean /= count + 1
        off = vectors - mean[numbers]
        variance, directions = torch.linalg.eigh((off * weight).T @ off / weight.sum())
        kept = self.mean.shape[1]
        scale = (variance[-kept:] + 1e-4 * variance[-1] + 1e-12).rsqrt()
        self.transform.copy_(directions[:, -kept:] * scale)
        white = off @ (directions[:, -kept:] * scale)
        squares = white.new_zeros(TABLE, kept).index_add(0, numbers, white**2 * weight)
        self.mean.copy_(mean @ (directions[:, -kept:] * scale))
        self.deviation.copy_(((squares + _FEW) / (count + _FEW)).sqrt())

    def forward(self, graph: Graph, atoms: Tensor) -> tuple[Tensor, Tensor]:
        """Return what describes the atoms of each crystal, and the most unlike one.

        Args:
            graph: B crystals.
            atoms: (N, width) their atom vectors.

        Returns:
            (B, features): mean deviations and mean squares by component, mean, largest and least logarithm of the distance.
            (B, 2): the atomic number of the most unlike atom and its root mean square deviation.
        """
        z = (atoms.float() @ self.transform - self.mean[graph.numbers].float()) / self.deviation[graph.numbers].float()
        z = z.clamp(-_FARTHEST, _FARTHEST)
        distance = ((z**2).mean(1, keepdim=True) + 1e-3).log()
        farthest = max_pool(distance, graph)
        least = -max_pool(-distance, graph)
        described = [
            _BOUND * torch.tanh(mean_pool(z, graph) / _BOUND),
            torch.log1p(mean_pool(z**2, graph)),
            mean_pool(distance, graph),
            farthest,
            least,
        ]
        number = graph.numbers.new_zeros(graph.crystals)
        most = distance[:, 0] == farthest[graph.crystal_of_atom, 0]
        number[graph.crystal_of_atom[most]] = graph.numbers[most]
        return torch.cat(described, dim=1), torch.stack([number.to(z), (farthest[:, 0] / 2).exp()], dim=1)


class NamedCrystals(nn.Module):
    """Training crystals that are kept, by id and place among the mean vectors of crystals.

    Args:
        width: Width of the vectors of the network.
        axes: Number of principal components that are kept.
        kept: Number of training crystals.
        letters: Bytes of an id that are kept.
    """

    features = 2
    """Numbers that describe a crystal besides its components."""

    centre: Tensor
    transform: Tensor
    places: Tensor
    letters: Tensor

    def __init__(self, width: int, axes: int, kept: int, letters: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("transform", torch.zeros(width, axes))
        self.register_buffer("places", torch.zeros(kept, axes, dtype=torch.float16))
        self.register_buffer("letters", torch.zeros(kept, letters, dtype=torch.uint8))

    def fit(self, graph: Graph, atoms: Tensor, names: Sequence[str]) -> None:
        """Learn from training crystals, of which the first are kept.

        Args:
            graph: B crystals.
            atoms: (N, width) their atom vectors.
            names: Ids of the B crystals.
        """
        vectors = mean_pool(atoms.double(), graph)
        self.centre.copy_(vectors.mean(0))
        _, sizes, directions = torch.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
        kept = min(self.transform.shape[1], len(directions))
        scale = len(vectors) ** 0.5 / max(float(sizes.square().sum().sqrt()), 1e-12)
        self.transform[:, :kept] = (directions[:kept].T * scale).float()
        self.places.copy_(((vectors - vectors.mean(0)) @ self.transform.double())[: len(self.places)])
        for row, name in zip(self.letters, names, strict=False):
            written = name.encode()[: len(row)]
            row[: len(written)] = torch.tensor(list(written), dtype=torch.uint8)

    def forward(self, graph: Graph, atoms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the place of each crystal, its distances to the kept crystals, and which are nearest.

        Args:
            graph: B crystals.
            atoms: (N, width) their atom vectors.

        Returns:
            (B, axes): the place. (B, 2): logarithms of the distance to the nearest, and of the mean distance to ten. (B, 2 n):
            which are nearest, and their distances, in units of the spread of the training crystals.
        """
        place = (mean_pool(atoms.float(), graph) - self.centre) @ self.transform
        wanted = min(_CROWD, len(self.places))
        distance, which = torch.cdist(place, self.places.float()).topk(wanted, largest=False)
        near = torch.stack([distance[:, 0], distance.mean(1)], dim=1).clamp(min=1e-4).log()
        return place, near, torch.cat([which[:, :NEAREST].to(place), distance[:, :NEAREST]], dim=1)

    def name(self, row: int) -> str:
        """Return the id of a kept crystal, cut where it is long.

        Args:
            row: Position among the kept crystals.
        """
        return bytes(self.letters[row].tolist()).rstrip(b"\0").decode(errors="replace")
