"""Decoders of pre-training: from vectors of atoms to scores of their pairs and to their displacements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from cryskit.layers.message_passing import Neighbourhoods
from cryskit.layers.radial import Gaussians

if TYPE_CHECKING:
    from cryskit.losses.atom_pairs import Pairs
    from cryskit.types import Graph


class Bilinear(nn.Module):
    """Scores of every pair of atoms of a crystal, z_ijk = v_i W_k v_j + b_k.

    CrysAE (Das et al. 2022, doi 10.1038/s41524-022-00716-8) puts one more linear map of the classes behind it, which is
    the same set of functions with more parameters.

    Args:
        width: Length of the atom vectors.
        classes: Number of scores.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, classes, width) / width)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, atoms: Float[Tensor, "atoms width"], pairs: Pairs) -> Float[Tensor, "crystals size classes size"]:
        """Return the scores z_cikj of the pairs of a group of crystals; those of padding mean nothing."""
        given = atoms[pairs.atoms]
        mapped = torch.einsum("cid,dke->cike", given, self.weight)
        scores = mapped.flatten(1, 2) @ given.transpose(1, 2)
        return scores.view(*mapped.shape[:3], -1) + self.bias[:, None]


class Displacements(nn.Module):
    """A vector for each atom that turns with the crystal: d_i = sum_j f(v_i, v_j, r_ij) r_ij / |r_ij|.

    Args:
        width: Length of the atom vectors.
        radius: Radius of the graph, angstrom.
        hidden: Width of the perceptron f.
    """

    def __init__(self, width: int, radius: float, hidden: int = 64) -> None:
        super().__init__()
        self.radial = Gaussians(radius)
        self.centre = nn.Linear(width, hidden)
        self.neighbour = nn.Linear(width, hidden, bias=False)
        self.bond = nn.Linear(self.radial.feature_count, hidden, bias=False)
        self.last = nn.Linear(hidden, 1)

    def forward(self, atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "atoms 3"]:
        """Return the vector of each atom, angstrom."""
        neighbourhoods = Neighbourhoods(graph, self.radial.radius, self.radial.points)
        hidden = neighbourhoods.to_edges(self.centre(atoms), self.neighbour(atoms), self.bond(self.radial.grid))
        along = nn.functional.normalize(graph.vectors, dim=1)
        return neighbourhoods.sum_to_atoms(self.last(silu(hidden)) * along)


def perceptron(width: int, values: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer, from vectors to values."""
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, values))
