"""Losses of reconstruction: the elements of atoms, which atoms are neighbours and at what distance, the crystal as a whole.

Losses of atoms and of their pairs are given crystal by crystal, with their weight in a mean over all atoms or pairs of a batch;
those of the vector of the crystal are means over crystals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from cryskit import elements
from cryskit.losses.atom_pairs import pairs
from cryskit.losses.decoders import Bilinear, perceptron
from cryskit.losses.descriptors import COUNT, Descriptors

if TYPE_CHECKING:
    from cryskit.losses.atom_pairs import Pairs
    from cryskit.types import Graph

CLASSES = 6
"""Number of classes of connectivity: 0, 1, 2, 3, 4, and 5 or more edges."""

BINS = 4
"""Number of bins of bond lengths, rounded to angstrom: at most 1, 2, 3, at least 4."""

_UNCONNECTED = 0.1  # weight of the class "no edge", which most pairs are in
_SEEN = 0.25  # weight of the features of an atom that is not masked, where others are


class Losses(NamedTuple):
    """The loss of each crystal.

    Attributes:
        means: (B,) the weighted mean over the atoms or pairs of the crystal.
        weights: (B,) their total weight.
    """

    means: Tensor
    weights: Tensor

    def over_crystals(self) -> Float[Tensor, ""]:
        """Return the mean in which crystals count alike."""
        return self.means.mean()

    def over_all(self) -> Float[Tensor, ""]:
        """Return the mean in which atoms or pairs count alike, so that large cells count more."""
        return (self.means * self.weights).sum() / self.weights.sum()


class Bits(nn.Module):
    """Binary cross-entropy of the 92 element features of each atom, which are bits; linear in its vector.

    Args:
        width: Length of the atom vectors.
    """

    table: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decoder = nn.Linear(width, elements.FEATURE_COUNT)
        self.register_buffer("table", torch.from_numpy(elements.features().astype("uint8")), persistent=False)

    def forward(
        self, atoms: Float[Tensor, "atoms width"], graph: Graph, masked: Bool[Tensor, " atoms"] | None = None
    ) -> Losses:
        """Return the losses; where atoms are masked, those that are not count a quarter.

        Args:
            atoms: Vectors of the atoms.
            graph: The batch with the true atomic numbers.
            masked: Which atoms the network was not shown.
        """
        logits = self.decoder(atoms)
        each = binary_cross_entropy_with_logits(logits, self.table[graph.numbers].to(logits), reduction="none")
        weight = graph.multiplicity if masked is None else graph.multiplicity * torch.where(masked, 1, _SEEN)
        totals = weight.new_zeros(graph.crystals, 2)
        sums = totals.index_add(0, graph.crystal_of_atom, torch.stack([each.mean(1) * weight, weight], dim=1))
        return Losses(sums[:, 0] / sums[:, 1], sums[:, 1])


class Connections(nn.Module):
    """Losses of the pairs of atoms: how often one is among the neighbours of the other, and in which bins of length.

    Connectivity k = 0..5, the sum of the weights of the edges of a pair, has the negative log-likelihood of a bilinear score, the
    class "no edge" weighing 0.1; between two whole numbers it belongs to both classes in part. Each bin of length has the BCE of
    one.

    Args:
        width: Length of the atom vectors.
        connectivity: Whether connectivity is asked for.
        lengths: Whether the bins of bond lengths are asked for.
    """

    rarity: Tensor

    def __init__(self, width: int, *, connectivity: bool = True, lengths: bool = False) -> None:
        super().__init__()
        self.connectivity = Bilinear(width, CLASSES) if connectivity else None
        self.lengths = Bilinear(width, BINS) if lengths else None
        self.register_buffer("rarity", torch.tensor([_UNCONNECTED, *[1.0] * (CLASSES - 1)]), persistent=False)

    def forward(self, atoms: Float[Tensor, "atoms width"], graph: Graph) -> dict[str, Losses]:
        """Return the losses by name: "connectivity" and "lengths", as far as they are asked for."""
        rounded = graph.vectors.norm(dim=1).round().clamp(1, BINS).long() - 1
        found: dict[str, list[Losses]] = {}
        for group in pairs(graph):
            counts = group.count(rounded, BINS, graph.weight)
            for name, losses in self._group(atoms, group, counts, group.weights(graph.multiplicity)).items():
                found.setdefault(name, []).append(losses)
        return {name: Losses(*map(torch.cat, zip(*parts, strict=True))) for name, parts in found.items()}

    def _group(self, atoms: Tensor, group: Pairs, counts: Tensor, weights: Tensor) -> dict[str, Losses]:
        losses: dict[str, Losses] = {}
        if self.connectivity is not None:
            target = _between_classes(counts.sum(3).clamp_max(CLASSES - 1))
            scores = self.connectivity(atoms, group)
            each = cross_entropy(scores.flatten(0, 1), target.flatten(0, 1), reduction="none").view_as(weights)
            losses["connectivity"] = _means(each, weights * torch.einsum("cikj,k->cij", target, self.rarity))
        if self.lengths is not None:
            scores = self.lengths(atoms, group).movedim(2, 3)
            each = binary_cross_entropy_with_logits(scores, counts.clamp_max(1), reduction="none").mean(3)
            losses["lengths"] = _means(each, weights)
        return losses


class CrystalLevelLosses(nn.Module):
    """Losses of the vector of the crystal: its volume scaling, and its descriptors (`losses.descriptors`).

    Args:
        width: Length of the crystal vectors.
        scale: Whether the volume scaling is asked for.
        descriptors: Whether the descriptors are asked for.
    """

    def __init__(self, width: int, *, scale: bool, descriptors: bool) -> None:
        super().__init__()
        self.scale = perceptron(width, 1) if scale else None
        self.described = perceptron(width, COUNT) if descriptors else None
        self.descriptors = Descriptors()

    def forward(
        self, crystals: Float[Tensor, "crystals width"], graph: Graph, scaling: Float[Tensor, " crystals"]
    ) -> dict[str, Tensor]:
        """Return the mean losses by name: "scale" and "descriptors", as far as they are asked for.

        Args:
            crystals: Vectors of the crystals.
            graph: The batch before anything was masked or corrupted.
            scaling: Logarithm of the factor on all distances, in units of its standard deviation.
        """
        losses: dict[str, Tensor] = {}
        if self.scale is not None:
            losses["scale"] = (self.scale(crystals)[:, 0] - scaling).pow(2).mean()
        if self.described is not None:
            losses["descriptors"] = smooth_l1_loss(self.described(crystals), self.descriptors(graph))
        return losses


def _between_classes(count: Float[Tensor, "crystals one other"]) -> Float[Tensor, "crystals one classes other"]:
    """Return the share of each class in a count: that of the two whole numbers between which it is."""
    classes = torch.arange(CLASSES, device=count.device, dtype=count.dtype)
    return (1 - (count[:, :, None, :] - classes[:, None]).abs()).clamp_min(0)


def _means(each: Tensor, weights: Tensor) -> Losses:
    total = weights.sum((1, 2))
    return Losses((each * weights).sum((1, 2)) / total, total)
