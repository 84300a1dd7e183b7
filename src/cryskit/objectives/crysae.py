"""CrysAE: learn from crystals without labels by rebuilding what was hidden or disturbed (doi 10.1038/s41524-022-00716-8).

    L = w_bits BCE(x_u) + w_connectivity NLL(k_uv) + w_lengths BCE(s_uv)
        + w_displacements |d_u|^2 + w_scale s^2 + w_descriptors H(D)

The paper rebuilds, from the vectors v of a graph network, the 92 bits x_u of each atom (linear), how often v is among the
neighbours of u, k = 0..5 (bilinear), and in which bins of length those bonds lie (bilinear). It shows the network all
that it asks for, so the bits need no more than an identity map. Here all atoms of some elements of a crystal may be
hidden, half of them behind another element, so that it has to be told from the company and the distances what belongs
there; the atoms may be displaced at random, and the whole crystal may be swollen or shrunk. The vector of the crystal is
asked for descriptors D of what was neither hidden nor disturbed (`layers.descriptors`; H is Huber's loss).

Every loss is the mean over crystals of the mean over a crystal's atoms or pairs. Nodes that stand for several atoms count
as often, so a reduced graph has the bits' loss of the full one; its pairs are pairs of orbits.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from cryskit import elements
from cryskit.errors import PlanError, UnknownNameError
from cryskit.layers.decoders import Bilinear, Displacements
from cryskit.layers.descriptors import COUNT, Descriptors
from cryskit.layers.pairs import pairs
from cryskit.layers.pool import mean_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.types import Encoding, Graph, GraphSpec

CLASSES = 6
"""Of connectivity: 0, 1, 2, 3, 4, and 5 or more edges."""

BINS = 4
"""Of bond lengths, rounded to angstrom: at most 1, 2, 3, at least 4."""

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": MappingProxyType({"bits": 1.0, "connectivity": 1.0, "lengths": 1.0, "reduce": False}),
        "code": MappingProxyType({"bits": 0.1, "connectivity": 0.9, "reduce": False}),
        "masked": MappingProxyType(
            {"bits": 1.0, "connectivity": 0.1, "scale": 1.0, "descriptors": 1.0, "hidden": 0.2, "swelling": 0.1}
        ),
    }
)
"""Weights and disturbances by name; what a preset does not name is 0."""

_UNCONNECTED = 0.1  # weight of the class "no edge", which most pairs are in
_SEEN = 0.25  # weight of the bits of an atom that is not hidden
_DISGUISED = 0.5  # share of the hidden elements that are shown as another
_STRIDE = elements.ELEMENTS + 1


class CrysAE(nn.Module):
    """Rebuild bits, connectivity and bond lengths; undo displacements and swelling.

    Args:
        encoder: Any encoder.
        preset: "masked" (ours), "paper" (1:1:1, nothing hidden) or "code" (0.9:0.1, the authors' later program, which lost
            the bond lengths); each of the following, if given, wins over it.
        bits: Weight of the 92 bits; where atoms are hidden, those that are not count a quarter.
        connectivity: Weight of the number of edges between two atoms.
        lengths: Weight of the bond-length bins.
        displacements: Weight of the displacements of atoms, in units of their deviation.
        scale: Weight of the swelling of the crystal, in units of its deviation.
        descriptors: Weight of the descriptors of the crystal, in units of their deviations.
        hidden: Share of the elements of each crystal that are hidden, at least one.
        displaced: Angstrom, standard deviation of the displacements along each axis.
        swelling: Standard deviation of the logarithm of the factor on all distances.
        reduce: Whether nodes are orbits of the space group. Displacements of single atoms break symmetry, so they need
            False.
        seed: Of what is hidden and disturbed.

    Raises:
        PlanError: The weights and disturbances contradict one another.
        UnknownNameError: There is no such preset.
    """

    step: Tensor
    table: Tensor
    rarity: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        preset: str = "masked",
        *,
        bits: float | None = None,
        connectivity: float | None = None,
        lengths: float | None = None,
        displacements: float | None = None,
        scale: float | None = None,
        descriptors: float | None = None,
        hidden: float | None = None,
        displaced: float | None = None,
        swelling: float | None = None,
        reduce: bool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        given = {
            "bits": bits,
            "connectivity": connectivity,
            "lengths": lengths,
            "displacements": displacements,
            "scale": scale,
            "descriptors": descriptors,
            "hidden": hidden,
            "displaced": displaced,
            "swelling": swelling,
            "reduce": reduce,
        }
        if preset not in PRESETS:
            raise UnknownNameError("preset of crysae", preset, PRESETS)
        chosen = {**PRESETS[preset], **{name: value for name, value in given.items() if value is not None}}
        names = ("bits", "connectivity", "lengths", "displacements", "scale", "descriptors")
        self.weights = {name: float(chosen[name]) for name in names if chosen.get(name)}
        self.hidden, self.displaced, self.swelling = (
            float(chosen.get(name, 0)) for name in ("hidden", "displaced", "swelling")
        )
        network: Any = encoder
        self.needs: GraphSpec = replace(network.needs, reduce=chosen.get("reduce", network.needs.reduce))
        self._check()
        self.encoder = encoder
        self.seed = seed
        made = {name: _decoder(name, network.width, self.needs.radius) for name in self.weights}
        self.decoders: Any = nn.ModuleDict(made)
        self.descriptors = Descriptors()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("table", torch.from_numpy(elements.features().astype("uint8")), persistent=False)
        self.register_buffer("rarity", torch.tensor([_UNCONNECTED, *[1.0] * (CLASSES - 1)]), persistent=False)

    def _check(self) -> None:
        if not self.weights:
            raise PlanError("All losses of CrysAE have weight 0", "Give at least one a weight")
        for loss, disturbance in (("displacements", self.displaced), ("scale", self.swelling)):
            if loss in self.weights and not disturbance:
                amount = {"displacements": "displaced", "scale": "swelling"}[loss]
                raise PlanError(f"{loss} has a weight but {amount} is 0", f"Give {amount} a value, or {loss} none")
        if self.displaced and self.needs.reduce:
            raise PlanError("Displaced atoms break the symmetry of a reduced graph", "Set reduce to false")

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted losses by name."""
        if self.training:
            self.step += 1
        # Drawn from a counter that is saved with the weights, so that a resumed run is the run that was not stopped.
        chance = torch.Generator().manual_seed(self.seed + (int(self.step) << 8) if self.training else self.seed)
        hidden, shown = self._hide(graph, chance)
        swelling = torch.randn(graph.crystals, generator=chance).to(graph.vectors)
        shifts = torch.randn(graph.atoms, 3, generator=chance).to(graph.vectors) * self.displaced
        disturbed = self._disturb(graph, shown, shifts, swelling)
        encoding = self.encoder(disturbed)
        losses: dict[str, Tensor] = {}
        if "bits" in self.weights:
            losses["bits"] = self._bits(graph, encoding, hidden)
        if "connectivity" in self.weights or "lengths" in self.weights:
            losses |= self._pairs(graph, encoding)
        if "displacements" in self.weights:
            found = self.decoders["displacements"](encoding.atoms, disturbed)
            wrong = ((found - shifts) / self.displaced).pow(2).mean(1, keepdim=True)
            losses["displacements"] = mean_pool(wrong, graph).mean()
        if "scale" in self.weights:
            losses["scale"] = (self.decoders["scale"](encoding.crystals)[:, 0] - swelling).pow(2).mean()
        if "descriptors" in self.weights:
            found = self.decoders["descriptors"](encoding.crystals)
            losses["descriptors"] = smooth_l1_loss(found, self.descriptors(graph))
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return of how many crystals each loss is the mean, so that batches can be averaged."""
        return dict.fromkeys(self.weights, graph.crystals)

    def _hide(self, graph: Graph, chance: torch.Generator) -> tuple[Bool[Tensor, " atoms"], Int[Tensor, " atoms"]]:
        """Choose the hidden elements of each crystal: a share, and the first in a random order.

        Returns:
            Which atoms are hidden, and the atomic number that every atom shows: 0 or another element where it is hidden.
        """
        if not self.hidden:
            return torch.zeros_like(graph.numbers, dtype=torch.bool), graph.numbers
        kinds, kind = (graph.crystal_of_atom * _STRIDE + graph.numbers).unique(return_inverse=True)
        crystal = kinds // _STRIDE
        drawn, lot = torch.rand(2, len(kinds), generator=chance).to(graph.vectors)
        least = drawn.new_ones(graph.crystals).scatter_reduce(0, crystal, drawn, "amin")
        hidden = (drawn < self.hidden) | (drawn == least[crystal])
        other = graph.numbers[torch.randint(graph.atoms, (len(kinds),), generator=chance).to(kinds.device)]
        shown = torch.where(lot < _DISGUISED, other, 0)
        return hidden[kind], torch.where(hidden[kind], shown[kind], graph.numbers)

    def _disturb(
        self,
        graph: Graph,
        shown: Int[Tensor, " atoms"],
        shifts: Float[Tensor, "atoms 3"],
        swelling: Float[Tensor, " crystals"],
    ) -> Graph:
        centre, neighbour = graph.edges
        vectors = graph.vectors + shifts[neighbour] - shifts[centre] if self.displaced else graph.vectors
        if self.swelling:
            factor = (self.swelling * swelling).exp()
            vectors = vectors * factor[graph.crystal_of_atom[centre]][:, None]
        return replace(graph, numbers=shown, vectors=vectors)

    def _bits(self, graph: Graph, encoding: Encoding, hidden: Bool[Tensor, " atoms"]) -> Tensor:
        logits = self.decoders["bits"](encoding.atoms)
        each = binary_cross_entropy_with_logits(logits, self.table[graph.numbers].to(logits), reduction="none")
        weight = graph.multiplicity * (torch.where(hidden, 1, _SEEN) if self.hidden else 1)
        return mean_pool(each.mean(1, keepdim=True), replace(graph, multiplicity=weight)).mean()

    def _pairs(self, graph: Graph, encoding: Encoding) -> dict[str, Tensor]:
        """Return the losses of connectivity and bond lengths, each a mean over crystals of their weighted means."""
        rounded = graph.vectors.norm(dim=1).round().clamp(1, BINS).long() - 1
        losses: dict[str, list[Tensor]] = {}
        for group in pairs(graph):
            counts = group.count(rounded, BINS)
            weights = group.weights(graph.multiplicity)
            if "connectivity" in self.weights:
                target = counts.sum(3).clamp_max(CLASSES - 1).long()
                scores = self.decoders["connectivity"](encoding.atoms, group)
                each = cross_entropy(scores.flatten(0, 1), target.flatten(0, 1), reduction="none").view_as(weights)
                losses.setdefault("connectivity", []).append(_means(each, weights * self.rarity[target]))
            if "lengths" in self.weights:
                scores = self.decoders["lengths"](encoding.atoms, group).movedim(2, 3)
                each = binary_cross_entropy_with_logits(scores, counts.clamp_max(1), reduction="none").mean(3)
                losses.setdefault("lengths", []).append(_means(each, weights))
        return {name: torch.cat(means).mean() for name, means in losses.items()}


def _means(each: Tensor, weights: Tensor) -> Float[Tensor, " crystals"]:
    """Return the weighted mean of each crystal."""
    return (each * weights).sum((1, 2)) / weights.sum((1, 2))


def _decoder(name: str, width: int, radius: float) -> nn.Module:
    makers: dict[str, Callable[[], nn.Module]] = {
        "bits": lambda: nn.Linear(width, elements.BITS),
        "connectivity": lambda: Bilinear(width, CLASSES),
        "lengths": lambda: Bilinear(width, BINS),
        "displacements": lambda: Displacements(width, radius),
        "scale": lambda: nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)),
        "descriptors": lambda: nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, COUNT)),
    }
    return makers[name]()
