"""CrysAE: learn from crystals without labels by rebuilding what was hidden or disturbed (doi 10.1038/s41524-022-00716-8).

    L = w_bits BCE(x_u) + w_connectivity NLL(k_uv) + w_lengths BCE(s_uv)
        + w_displacements |d_u|^2 + w_scale s^2 + w_descriptors H(D)

The paper rebuilds, from the vectors v of a graph network, the 92 bits x_u of each atom (linear), how often v is among the
neighbours of u, k = 0..5 (bilinear), and in which bins of length those bonds lie (bilinear). It shows the network all
that it asks for, so the bits need no more than an identity map. Here all atoms of some elements of a crystal may be
hidden, half of them behind another element, so that it has to be told from the company and the distances what belongs
there; the atoms may be displaced at random, and the whole crystal may be swollen or shrunk. The vector of the crystal is
asked for descriptors D of what was neither hidden nor disturbed (`losses.descriptors`; H is Huber's loss).

Every loss is the mean over crystals of the mean over a crystal's atoms or pairs. Nodes that stand for several atoms count
as often, so a reduced graph has the bits' loss of the full one; its pairs are pairs of orbits.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cryskit.errors import PlanError
from cryskit.layers.pool import mean_pool
from cryskit.losses.corruption import Corruption
from cryskit.losses.decoders import Displacements
from cryskit.losses.reconstruction import Bits, Connections, CrystalLevelLosses
from cryskit.registry import preset_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, GraphSpec

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

_LOSSES = ("bits", "connectivity", "lengths", "displacements", "scale", "descriptors")


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
        seed: Of what is hidden and corrupted.

    Raises:
        PlanError: The weights and disturbances contradict one another.
        UnknownNameError: There is no such preset.
    """

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
        chosen = preset_of("crysae", PRESETS, preset, given)
        self.weights = {name: float(chosen[name]) for name in _LOSSES if chosen.get(name)}
        self.corruption = Corruption(
            **{name: float(chosen.get(name, 0)) for name in ("hidden", "displaced", "swelling")}, seed=seed
        )
        network: Any = encoder
        self.needs: GraphSpec = replace(network.needs, reduce=chosen.get("reduce", network.needs.reduce))
        self._check()
        self.encoder = encoder
        asked = {name: name in self.weights for name in ("connectivity", "lengths")}
        self.bits = Bits(network.width) if "bits" in self.weights else None
        self.connections = Connections(network.width, **asked)
        self.displacements = (
            Displacements(network.width, self.needs.radius) if "displacements" in self.weights else None
        )
        self.crystal_level = CrystalLevelLosses(
            network.width, **{name: name in self.weights for name in ("scale", "descriptors")}
        )

    def _check(self) -> None:
        if not self.weights:
            raise PlanError("All losses of CrysAE have weight 0", "Give at least one a weight")
        for loss, amount in (("displacements", "displaced"), ("scale", "swelling")):
            if loss in self.weights and not getattr(self.corruption, amount):
                raise PlanError(f"{loss} has a weight but {amount} is 0", f"Give {amount} a value, or {loss} none")
        if self.corruption.displaced and self.needs.reduce:
            raise PlanError("Displaced atoms break the symmetry of a reduced graph", "Set reduce to false")

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted losses by name."""
        corrupted = self.corruption(graph)
        encoding = self.encoder(corrupted.graph)
        losses: dict[str, Tensor] = {}
        if self.bits is not None:
            losses["bits"] = self.bits(encoding.atoms, graph, corrupted.hidden).over_crystals()
        if "connectivity" in self.weights or "lengths" in self.weights:
            found = self.connections(encoding.atoms, graph)
            losses |= {name: each.over_crystals() for name, each in found.items()}
        if self.displacements is not None:
            found = self.displacements(encoding.atoms, corrupted.graph)
            wrong = ((found - corrupted.shifts) / self.corruption.displaced).pow(2).mean(1, keepdim=True)
            losses["displacements"] = mean_pool(wrong, graph).mean()
        losses |= self.crystal_level(encoding.crystals, graph, corrupted.swelling)
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return of how many crystals each loss is the mean, so that batches can be averaged."""
        return dict.fromkeys(self.weights, graph.crystals)
