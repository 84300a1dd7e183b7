"""CrysGNN: pre-train a deep network on atoms and on whole crystals without labels (doi 10.1609/aaai.v37i6.25892).

    L = w_bits BCE(x_u) + w_connectivity NLL(k_uv) + w_space_group CE(g) + w_contrast NTXent(z_G, c)
        + w_scale s^2 + w_descriptors H(D)

Atoms are to rebuild their 92 bits x_u and how often v is among the neighbours of u, k_uv, as in CrysAE. Crystals are to
tell their space group g, one of 230, and crystals of one crystal system c are drawn together, those of others pushed apart.
Symmetry is detected, never read from a file.

The paper shows the network all that it asks for, weighs the four losses alike, and takes for z_G the mean of the atoms'
vectors, each of length 1 (preset "paper"). That draws atoms together by the symmetry of their crystal, whatever they are. The preset "masked" asks the encoder's own vector of the crystal for its symmetry, with smaller
weights, and leaves the atoms to chemistry; it hides elements, swells and shrinks crystals by s, and asks for that and for
descriptors D of the crystal besides, as CrysAE does.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cryskit.errors import PlanError
from cryskit.layers.pool import mean_pool
from cryskit.losses.corruption import Corruption
from cryskit.losses.ntxent import NTXent
from cryskit.losses.reconstruction import Bits, Connections, CrystalLevelLosses
from cryskit.registry import preset_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, GraphSpec

GROUPS = 230
"""Space groups."""

_QUARTERS = {"bits": 0.25, "connectivity": 0.25, "space_group": 0.25, "contrast": 0.25}
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": MappingProxyType({**_QUARTERS, "vectors": "unit", "average": "batch", "reduce": False}),
        "masked": MappingProxyType(
            {
                "bits": 1.0,
                "connectivity": 0.1,
                "space_group": 0.05,
                "contrast": 0.05,
                "scale": 1.0,
                "descriptors": 1.0,
                "hidden": 0.2,
                "swelling": 0.1,
            }
        ),
    }
)
"""Weights and disturbances by name; what a preset does not name is 0."""

_LOSSES = (*_QUARTERS, "scale", "descriptors")


class CrysGNN(nn.Module):
    """Rebuild bits and connectivity; tell space group and crystal system.

    Args:
        encoder: Any encoder; the paper's is five convolutions of 64.
        preset: "masked" (ours) or "paper"; each of the following, if given, wins over it.
        bits: Weight of the 92 bits; where atoms are hidden, those that are not count a quarter.
        connectivity: Weight of the number of edges between two atoms.
        space_group: Weight of the space group.
        contrast: Weight of the contrast of crystal systems.
        scale: Weight of the swelling of the crystal, in units of its deviation.
        descriptors: Weight of the descriptors of the crystal, in units of their deviations.
        temperature: Of the contrast.
        hidden: Share of the elements of each crystal that are hidden, at least one.
        swelling: Standard deviation of the logarithm of a factor on all distances.
        vectors: Whether atoms have vectors of length 1 and the crystal their mean ("unit", the paper's), or both the encoder's
            "own".
        average: Whether atoms and pairs count alike in the whole "batch", as in the paper, so that large cells count more, or
            crystals do ("crystals").
        reduce: Whether nodes are orbits of the space group.
        seed: Of what is hidden and corrupted.

    Raises:
        PlanError: All losses have weight 0, or the scale is asked for of crystals that do not swell.
        UnknownNameError: There is no such preset.

    Attributes:
        default: The encoder where a plan names none.
    """

    default: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": "cgcnn", "width": 64, "layers": 5})

    def __init__(
        self,
        encoder: nn.Module,
        preset: str = "masked",
        *,
        bits: float | None = None,
        connectivity: float | None = None,
        space_group: float | None = None,
        contrast: float | None = None,
        scale: float | None = None,
        descriptors: float | None = None,
        temperature: float = 0.07,
        hidden: float | None = None,
        swelling: float | None = None,
        vectors: Literal["unit", "own"] | None = None,
        average: Literal["crystals", "batch"] | None = None,
        reduce: bool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        given = {
            "bits": bits,
            "connectivity": connectivity,
            "space_group": space_group,
            "contrast": contrast,
            "scale": scale,
            "descriptors": descriptors,
            "hidden": hidden,
            "swelling": swelling,
            "vectors": vectors,
            "average": average,
            "reduce": reduce,
        }
        chosen = preset_of("crysgnn", PRESETS, preset, given)
        self.weights = {name: float(chosen[name]) for name in _LOSSES if chosen.get(name)}
        if not self.weights:
            raise PlanError("All losses of CrysGNN have weight 0", "Give at least one a weight")
        if "scale" in self.weights and not chosen.get("swelling"):
            raise PlanError("scale has a weight but swelling is 0", "Give swelling a value, or scale none")
        self.unit = chosen.get("vectors") == "unit"
        self.over_all = chosen.get("average") == "batch"
        self.corruption = Corruption(chosen.get("hidden", 0.0), 0.0, chosen.get("swelling", 0.0), seed)
        network: Any = encoder
        reduced = chosen.get("reduce", network.needs.reduce)
        self.needs: GraphSpec = replace(network.needs, reduce=reduced, symmetry=True)
        self.encoder = encoder
        self.bits = Bits(network.width) if "bits" in self.weights else None
        self.connections = Connections(network.width) if "connectivity" in self.weights else None
        self.space_group = nn.Linear(network.width, GROUPS) if "space_group" in self.weights else None
        self.contrast = NTXent(temperature) if "contrast" in self.weights else None
        self.crystal_level = CrystalLevelLosses(
            network.width, **{name: name in self.weights for name in ("scale", "descriptors")}
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
            losses["bits"] = self._mean(self.bits(atoms, graph, corrupted.hidden))
        if self.connections is not None:
            losses["connectivity"] = self._mean(self.connections(atoms, graph)["connectivity"])
        if self.space_group is not None:
            losses["space_group"] = cross_entropy(self.space_group(crystals), group - 1)
        if self.contrast is not None:
            losses["contrast"] = self.contrast(crystals, system)
        losses |= self.crystal_level(encoding.crystals, graph, corrupted.swelling)
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return of how many crystals each loss is the mean, so that batches can be averaged."""
        return dict.fromkeys(self.weights, graph.crystals)

    def _mean(self, losses: Any) -> Float[Tensor, ""]:
        mean: Tensor = losses.over_all() if self.over_all else losses.over_crystals()
        return mean


def _symmetry(graph: Graph) -> tuple[Tensor, Tensor]:
    """Return space group and crystal system of each crystal, (B,) each."""
    if graph.symmetry is None:
        raise PlanError("The graph has no space groups", "Build it with the objective's own spec (`needs`)")
    group, system = torch.unbind(graph.symmetry, dim=1)
    return group, system
