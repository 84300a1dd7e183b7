"""CrysAE: learn from crystals without labels by restoring what was corrupted (doi 10.1038/s41524-022-00716-8).

    L = w_bits BCE(x_u) + w_connectivity NLL(k_uv) + w_lengths BCE(s_uv)
        + w_displacements |d_u|^2 + w_scale s^2 + w_descriptors H(D)

The paper rebuilds, from the vectors v of a graph network, the 92 element features x_u of each atom (linear), how often v is
among the neighbours of u, k = 0..5 (bilinear), and in which bins of length those bonds lie (bilinear). It shows the network all
that it asks for, so the features need no more than an identity map. Here all atoms of some elements of a crystal may be
masked, half of them behind another element, so that the neighbours and the distances have to say what belongs there; the
atoms may be displaced at random, and the volume of the whole crystal may be scaled. The vector of the crystal is
asked for descriptors D of the crystal before its corruption (`losses.descriptors`; H is Huber's loss).

Every loss is the mean over crystals of the mean over a crystal's atoms or pairs. Nodes that stand for several atoms count
as often, so a reduced graph has the feature loss of the full one; its pairs are pairs of orbits.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from cryskit.errors import PlanError
from cryskit.layers.pool import mean_pool
from cryskit.losses.corruption import Corruption
from cryskit.losses.decoders import Displacements
from cryskit.losses.reconstruction import Bits, Connections, CrystalLevelLosses
from cryskit.objectives.base import Settings, chosen
from cryskit.protocols import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.protocols import Encoder
    from cryskit.types import Graph

Weight = Annotated[float, Field(ge=0)]


class CrysAESettings(Settings):
    """Weights of the losses, and how crystals are corrupted; a loss of weight 0 is not asked for.

    Attributes:
        bits: Weight of the 92 element features; where atoms are masked, those that are not count a quarter.
        connectivity: Weight of the number of edges between two atoms.
        lengths: Weight of the bond-length bins.
        displacements: Weight of the displacements of atoms, in units of their standard deviation.
        scale: Weight of the volume scaling of the crystal, in units of its standard deviation.
        descriptors: Weight of the descriptors of the crystal, in units of their standard deviations.
        mask_fraction: Share of the elements of each crystal that are masked, at least one.
        position_noise: Standard deviation of the displacements of atoms along each axis, angstrom.
        volume_noise: Standard deviation of the logarithm of the factor on all distances.
        reduce: Whether nodes are orbits of the space group; None for what the encoder needs. Displacements of single
            atoms break symmetry, so they need False.
        seed: Seed of the corruption.
    """

    bits: Weight = 0.0
    connectivity: Weight = 0.0
    lengths: Weight = 0.0
    displacements: Weight = 0.0
    scale: Weight = 0.0
    descriptors: Weight = 0.0
    mask_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    position_noise: Annotated[float, Field(ge=0)] = 0.0
    volume_noise: Annotated[float, Field(ge=0)] = 0.0
    reduce: bool | None = None
    seed: int = 0

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss that is asked for."""
        found = self.model_dump(include={"bits", "connectivity", "lengths", "displacements", "scale", "descriptors"})
        return {name: weight for name, weight in found.items() if weight}


PRESETS: Mapping[str, CrysAESettings] = MappingProxyType(
    {
        "paper": CrysAESettings(bits=1.0, connectivity=1.0, lengths=1.0, reduce=False),
        "code": CrysAESettings(bits=0.1, connectivity=0.9, reduce=False),
        "masked": CrysAESettings(
            bits=1.0, connectivity=0.1, scale=1.0, descriptors=1.0, mask_fraction=0.2, volume_noise=0.1
        ),
    }
)
"""Settings by name; what a preset does not name has its default."""


class CrysAE(nn.Module, Objective):
    """Rebuild element features, connectivity and bond lengths; undo displacements and volume scaling.

    Args:
        encoder: Any encoder.
        preset: "masked" (ours), "paper" (1:1:1, nothing masked) or "code" (0.9:0.1, the authors' later program, which lost
            the bond lengths).
        settings: Settings that win over those of the preset (`CrysAESettings`).

    Raises:
        PlanError: The weights and the corruption contradict one another.
        UnknownNameError: There is no such preset or setting.
    """

    def __init__(self, encoder: Encoder, preset: str = "masked", **settings: Any) -> None:
        super().__init__()
        wanted = chosen(CrysAESettings, "crysae", PRESETS, preset, settings)
        self.weights = wanted.weights
        reduce = encoder.needs.reduce if wanted.reduce is None else wanted.reduce
        self.needs = replace(encoder.needs, reduce=reduce)
        noises = wanted.mask_fraction, wanted.position_noise, wanted.volume_noise
        self.corruption = Corruption(*noises, wanted.seed, self.needs)
        self._check()
        self.encoder = encoder
        asked = {name: name in self.weights for name in ("connectivity", "lengths")}
        self.bits = Bits(encoder.width) if "bits" in self.weights else None
        self.connections = Connections(encoder.width, **asked)
        self.displacements = (
            Displacements(encoder.width, self.needs.radius) if "displacements" in self.weights else None
        )
        self.crystal_level = CrystalLevelLosses(
            encoder.width, **{name: name in self.weights for name in ("scale", "descriptors")}
        )

    def _check(self) -> None:
        if not self.weights:
            raise PlanError("All losses of CrysAE have weight 0", "Give at least one a weight")
        for loss, amount in (("displacements", "position_noise"), ("scale", "volume_noise")):
            if loss in self.weights and not getattr(self.corruption, amount):
                raise PlanError(f"{loss} has a weight but {amount} is 0", f"Give {amount} a value, or {loss} none")
        if self.corruption.position_noise and self.needs.reduce:
            raise PlanError("Displaced atoms break the symmetry of a reduced graph", "Set reduce to false")

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted losses by name, each a mean over crystals."""
        corrupted = self.corruption(graph)
        encoding = self.encoder(corrupted.graph)
        losses: dict[str, Tensor] = {}
        if self.bits is not None:
            losses["bits"] = self.bits(encoding.atoms, graph, corrupted.masked).over_crystals()
        if "connectivity" in self.weights or "lengths" in self.weights:
            found = self.connections(encoding.atoms, graph)
            losses |= {name: each.over_crystals() for name, each in found.items()}
        if self.displacements is not None:
            found = self.displacements(encoding.atoms, corrupted.graph)
            wrong = ((found - corrupted.shifts) / self.corruption.position_noise).pow(2).mean(1, keepdim=True)
            losses["displacements"] = mean_pool(wrong, graph).mean()
        losses |= self.crystal_level(encoding.crystals, graph, corrupted.scaling)
        return {name: self.weights[name] * loss for name, loss in losses.items()}
