"""CrysGNN: pre-train a deep network on atoms and on whole crystals without labels (doi 10.1609/aaai.v37i6.25892).

    L = w_bits BCE(x_u) + w_connectivity NLL(k_uv) + w_space_group CE(g) + w_contrast NTXent(z_G, c)
        + w_scale s^2 + w_descriptors H(D)

Atoms are to rebuild their 92 element features x_u and how often v is among the neighbours of u, k_uv, as in CrysAE. Crystals
are to give their space group g, one of 230, and crystals of one crystal system c are drawn together, those of others pushed
apart. Symmetry is detected, never read from a file.

The paper shows the network all that it asks for, weighs the four losses alike, and takes for z_G the mean of the atoms'
vectors, each of length 1 (preset "paper"). That draws atoms together by the symmetry of their crystal, whatever they are. The
preset "masked" asks the encoder's own vector of the crystal for its symmetry, with smaller weights, and leaves the atoms to
chemistry; it masks elements, scales the volume of crystals by s, and asks for that and for descriptors D of the crystal
besides, as CrysAE does.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cryskit.errors import PlanError
from cryskit.layers.pool import mean_pool
from cryskit.losses.corruption import Corruption
from cryskit.losses.ntxent import NTXent
from cryskit.losses.reconstruction import Bits, Connections, CrystalLevelLosses
from cryskit.objectives.base import Settings, chosen
from cryskit.protocols import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.losses.reconstruction import Losses
    from cryskit.protocols import Encoder
    from cryskit.types import Graph

GROUPS = 230
"""Number of space groups."""

Weight = Annotated[float, Field(ge=0)]


class CrysGNNSettings(Settings):
    """Weights of the losses, and how crystals are corrupted; a loss of weight 0 is not asked for.

    Attributes:
        bits: Weight of the 92 element features; where atoms are masked, those that are not count a quarter.
        connectivity: Weight of the number of edges between two atoms.
        space_group: Weight of the space group.
        contrast: Weight of the contrast of crystal systems.
        scale: Weight of the volume scaling of the crystal, in units of its standard deviation.
        descriptors: Weight of the descriptors of the crystal, in units of their standard deviations.
        temperature: Temperature of the contrast.
        mask_fraction: Share of the elements of each crystal that are masked, at least one.
        volume_noise: Standard deviation of the logarithm of the factor on all distances.
        vectors: Whether atoms have vectors of length 1 and the crystal their mean ("unit", the paper's), or both the encoder's
            "own".
        average: Whether atoms and pairs count alike in the whole "batch", as in the paper, so that large cells count more, or
            crystals do ("crystals").
        reduce: Whether nodes are orbits of the space group; None for what the encoder needs.
        seed: Seed of the corruption.
    """

    bits: Weight = 0.0
    connectivity: Weight = 0.0
    space_group: Weight = 0.0
    contrast: Weight = 0.0
    scale: Weight = 0.0
    descriptors: Weight = 0.0
    temperature: Annotated[float, Field(gt=0)] = 0.07
    mask_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    volume_noise: Annotated[float, Field(ge=0)] = 0.0
    vectors: Literal["unit", "own"] = "own"
    average: Literal["crystals", "batch"] = "crystals"
    reduce: bool | None = None
    seed: int = 0

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss that is asked for."""
        found = self.model_dump(include={"bits", "connectivity", "space_group", "contrast", "scale", "descriptors"})
        return {name: weight for name, weight in found.items() if weight}


PRESETS: Mapping[str, CrysGNNSettings] = MappingProxyType(
    {
        "paper": CrysGNNSettings(
            **dict.fromkeys(("bits", "connectivity", "space_group", "contrast"), 0.25),
            vectors="unit",
            average="batch",
            reduce=False,
        ),
        "masked": CrysGNNSettings(
            bits=1.0,
            connectivity=0.1,
            space_group=0.05,
            contrast=0.05,
            scale=1.0,
            descriptors=1.0,
            mask_fraction=0.2,
            volume_noise=0.1,
        ),
    }
)
"""Settings by name; what a preset does not name has its default."""


class CrysGNN(nn.Module, Objective):
    """Rebuild element features and connectivity; classify space group and contrast crystal systems.

    Args:
        encoder: Any encoder; the paper's is five convolutions of 64.
        preset: "masked" (ours) or "paper".
        settings: Settings that win over those of the preset (`CrysGNNSettings`).

    Raises:
        PlanError: All losses have weight 0, or the volume scaling is asked for and there is none.
        UnknownNameError: There is no such preset or setting.
    """

    default_encoder: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": "cgcnn", "width": 64, "layers": 5})

    def __init__(self, encoder: Encoder, preset: str = "masked", **settings: Any) -> None:
        super().__init__()
        wanted = chosen(CrysGNNSettings, "crysgnn", PRESETS, preset, settings)
        self.weights = wanted.weights
        if not self.weights:
            raise PlanError("All losses of CrysGNN have weight 0", "Give at least one a weight")
        if "scale" in self.weights and not wanted.volume_noise:
            raise PlanError("scale has a weight but volume_noise is 0", "Give volume_noise a value, or scale none")
        self.unit = wanted.vectors == "unit"
        self.over_all = wanted.average == "batch"
        self.corruption = Corruption(wanted.mask_fraction, 0.0, wanted.volume_noise, wanted.seed)
        reduce = encoder.needs.reduce if wanted.reduce is None else wanted.reduce
        self.needs = replace(encoder.needs, reduce=reduce, symmetry=True)
        self.encoder = encoder
        self.bits = Bits(encoder.width) if "bits" in self.weights else None
        self.connections = Connections(encoder.width) if "connectivity" in self.weights else None
        self.space_group = nn.Linear(encoder.width, GROUPS) if "space_group" in self.weights else None
        self.contrast = NTXent(wanted.temperature) if "contrast" in self.weights else None
        self.crystal_level = CrystalLevelLosses(
            encoder.width, **{name: name in self.weights for name in ("scale", "descriptors")}
        )

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted losses by name."""
        corrupted = self.corruption(graph)
        encoding = self.encoder(corrupted.graph)
        atoms = normalize(encoding.atoms, dim=1) if self.unit else encoding.atoms
        crystals = mean_pool(atoms, graph) if self.unit else encoding.crystals
        group, system = _symmetry(graph)
        losses: dict[str, Tensor] = {}
        if self.bits is not None:
            losses["bits"] = self._mean(self.bits(atoms, graph, corrupted.masked))
        if self.connections is not None:
            losses["connectivity"] = self._mean(self.connections(atoms, graph)["connectivity"])
        if self.space_group is not None:
            losses["space_group"] = cross_entropy(self.space_group(crystals), group - 1)
        if self.contrast is not None:
            losses["contrast"] = self.contrast(crystals, system)
        losses |= self.crystal_level(encoding.crystals, graph, corrupted.scaling)
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def _mean(self, losses: Losses) -> Float[Tensor, ""]:
        return losses.over_all() if self.over_all else losses.over_crystals()


def _symmetry(graph: Graph) -> tuple[Tensor, Tensor]:
    """Return space group and crystal system of each crystal, (B,) each."""
    if graph.symmetry is None:
        raise PlanError("The graph has no space groups", "Build it with the objective's own spec (`needs`)")
    group, system = torch.unbind(graph.symmetry, dim=1)
    return group, system
