"""A plain reference to measure against: CGCNN as its paper describes it (doi 10.1103/PhysRevLett.120.145301).

Nothing here is made fast and nothing is made slow: full cells, the twelve nearest of all neighbours within 8 angstrom as
objects of pymatgen, a dense table padded with atom 0 at 9 angstrom where there are fewer, 41 Gaussians kept per edge, one
matrix applied to the concatenated features of every edge, crystals collated and pooled in a loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from cryskit import elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

RADIUS = 8.0
NEIGHBOURS = 12
PADDING = RADIUS + 1.0
CENTRES = np.arange(0, RADIUS + 0.1, 0.2)
STEP = 0.2


class Tensors(NamedTuple):
    """What the network is given of one crystal of N atoms, or of a batch of them.

    Attributes:
        features: (N, 92) float32, bits of the elements.
        bonds: (N, 12, 41) float32, Gaussians of the distances.
        neighbours: (N, 12) int64.
    """

    features: Tensor
    bonds: Tensor
    neighbours: Tensor


class Batch(NamedTuple):
    """Several crystals: their tensors, one after the other, and the rows of each."""

    tensors: Tensors
    rows: list[Tensor]
    targets: Tensor


def graph(structure: Structure) -> Tensors:
    """Return the tensors of one crystal.

    Args:
        structure: Ordered.
    """
    found = structure.get_all_neighbors(RADIUS, include_index=True)
    neighbours, distances = [], []
    for of_atom in found:
        nearest = sorted(of_atom, key=lambda neighbour: neighbour.nn_distance)[:NEIGHBOURS]
        missing = NEIGHBOURS - len(nearest)
        neighbours.append([neighbour.index for neighbour in nearest] + [0] * missing)
        distances.append([neighbour.nn_distance for neighbour in nearest] + [PADDING] * missing)
    table = elements.features()
    features = np.stack([table[site.specie.Z] for site in structure])
    bonds = np.exp(-((np.array(distances)[:, :, None] - CENTRES) ** 2) / STEP**2)
    return Tensors(
        torch.tensor(features, dtype=torch.float32), torch.tensor(bonds, dtype=torch.float32), torch.tensor(neighbours)
    )


def collate(crystals: Sequence[Tensors], targets: Sequence[float]) -> Batch:
    """Return crystals as one batch.

    Args:
        crystals: Tensors of each crystal, from `graph`.
        targets: One number for each crystal.
    """
    neighbours, rows, start = [], [], 0
    for crystal in crystals:
        atoms = len(crystal.features)
        neighbours.append(crystal.neighbours + start)
        rows.append(torch.arange(start, start + atoms))
        start += atoms
    tensors = Tensors(
        torch.cat([crystal.features for crystal in crystals]),
        torch.cat([crystal.bonds for crystal in crystals]),
        torch.cat(neighbours),
    )
    return Batch(tensors, rows, torch.tensor(targets, dtype=torch.float32)[:, None])


class Convolution(nn.Module):
    """v_i <- softplus(v_i + norm(sum_j sigmoid(norm(z_ij W_f)) * softplus(norm(z_ij W_s)))), z_ij = [v_i, v_j, e_ij].

    Args:
        width: Width of the atom vectors.
        bond: Number of bond features.
    """

    def __init__(self, width: int, bond: int) -> None:
        super().__init__()
        self.fc_full = nn.Linear(2 * width + bond, 2 * width)
        self.bn1 = nn.BatchNorm1d(2 * width)
        self.bn2 = nn.BatchNorm1d(width)

    def forward(self, atoms: Tensor, bonds: Tensor, neighbours: Tensor) -> Tensor:
        """Return the updated atom vectors, (N, width)."""
        count, each = neighbours.shape
        pairs = torch.cat([atoms[:, None].expand(count, each, -1), atoms[neighbours], bonds], dim=2)
        mixed = self.fc_full(pairs)
        normed = self.bn1(mixed.reshape(count * each, -1)).reshape(mixed.shape)
        opened, core = normed.chunk(2, dim=2)
        summed = (torch.sigmoid(opened) * softplus(core)).sum(dim=1)
        return softplus(atoms + self.bn2(summed))


class Network(nn.Module):
    """The whole network, its parameters named as in the published checkpoints.

    Args:
        width: Width of the atom vectors.
        convolutions: Number of convolutions.
        hidden: Width of the layers behind the pooling.
        depth: Number of hidden layers behind the pooling.
    """

    def __init__(self, width: int = 64, convolutions: int = 3, hidden: int = 128, depth: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Linear(elements.FEATURE_COUNT, width)
        self.convs = nn.ModuleList(Convolution(width, len(CENTRES)) for _ in range(convolutions))
        self.conv_to_fc = nn.Linear(width, hidden)
        self.fcs = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth - 1))
        self.fc_out = nn.Linear(hidden, 1)

    def forward(self, tensors: Tensors, rows: Sequence[Tensor]) -> Tensor:
        """Return one standardised number per crystal, (B, 1)."""
        atoms = self.embedding(tensors.features)
        for convolution in self.convs:
            atoms = convolution(atoms, tensors.bonds, tensors.neighbours)
        pooled = torch.cat([atoms[row].mean(dim=0, keepdim=True) for row in rows])
        hidden = softplus(self.conv_to_fc(softplus(pooled)))
        for layer in self.fcs:
            hidden = softplus(layer(hidden))
        out: Tensor = self.fc_out(hidden)
        return out
