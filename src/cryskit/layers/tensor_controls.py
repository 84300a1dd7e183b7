"""Heads for tensor properties that know less than `layers.tensor_heads`, to be compared with it under the same training.

    components    every independent component in Voigt's notation is an output of its own, standardised, as in networks for scalars:
                  nothing makes the tensor turn with the crystal, have its symmetry, or be positive definite
    isotropic     the isotropic parts alone, two of a stiffness and one of a permittivity; the tensor is the same along all directions

Both read the vector of the crystal only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from cryskit.errors import DataError, PlanError
from cryskit.layers.tensor_basis import IRREPS
from cryskit.layers.tensor_outputs import TensorOutputs
from cryskit.layers.tensor_scale import TensorScale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Encoding, Graph, GraphSpec, Property


class _CrystalHeads(TensorOutputs):
    """A perceptron on the vector of the crystal for the first coordinates of each tensor; the others are zero.

    Args:
        width: Width of the crystal vectors.
        properties: Tensor properties, and scalars that follow from them.
        hidden: Width of the hidden layer.

    Raises:
        PlanError: There is no tensor, or one of which nothing can be learned.
    """

    scale: ClassVar[type[TensorScale]] = TensorScale

    def __init__(self, width: int, properties: Sequence[Property], hidden: int = 64) -> None:
        super().__init__(properties, self.scale)
        self.parts = nn.ModuleDict(
            {
                wanted.name: nn.Sequential(
                    nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, self.count_of(wanted))
                )
                for wanted in self.tensor_properties
            }
        )

    def count_of(self, wanted: Property) -> int:
        """Return how many coordinates of a tensor are learned."""
        return wanted.outputs

    def needs(self, spec: GraphSpec) -> GraphSpec:
        """Return the graph that the heads need on an encoder that needs `spec`."""
        return spec

    def of(self, encoding: Encoding, _graph: Graph) -> Float[Tensor, "crystals learned"]:
        """Return the standardised coordinates of every tensor, one tensor after the other.

        Args:
            encoding: What the encoder gives for the graph.
        """
        sizes = [wanted.outputs for wanted in self.tensor_properties]
        found = [part(encoding.crystals) for part in self.parts.values()]
        return torch.cat([pad(each, (0, n - each.shape[1])) for each, n in zip(found, sizes, strict=True)], dim=1)


class IsotropicHeads(_CrystalHeads):
    """The isotropic parts of tensors alone; a tensor that has none is refused with a PlanError."""

    def count_of(self, wanted: Property) -> int:
        """Return the number of isotropic parts."""
        count = sum(degree == 0 for degree, _ in IRREPS[wanted.symmetry])
        if not count:
            raise PlanError(f"{wanted.name} has no isotropic part", "Learn it with heads called tensors")
        return count


class _ComponentScale(TensorScale):
    """The change between the components of a tensor and the same standardised, each by itself.

    Args:
        wanted: The tensor property.
    """

    def tensor(self, learned: Float[Tensor, "crystals size"]) -> Float[Tensor, "crystals rows columns"]:
        """Return tensors in Mandel's notation, in the unit of the property.

        Args:
            learned: Standardised components.
        """
        return self.matrices(learned * self.deviation + self.mean)

    def distance(
        self, learned: Float[Tensor, "crystals size"], components: Float[Tensor, "crystals size"]
    ) -> Float[Tensor, " crystals"]:
        """Return the mean difference of standardised components; NaN where there is no label.

        Args:
            learned: Standardised components of predictions.
            components: Components of the labels, NaN where unknown.
        """
        target = (components - self.mean) / self.deviation
        known = target.isfinite().all(1)
        difference = (learned - torch.where(known[:, None], target, 0.0)).abs().mean(1)
        return torch.where(known, difference, torch.nan)

    def fit(self, components: Float[Tensor, "crystals size"]) -> None:
        """Take mean and deviation of each component from tensors.

        Args:
            components: Components of the training rows, NaN where unknown.

        Raises:
            DataError: Fewer than two of them are known.
        """
        known = components[components.isfinite().all(1)].double()
        if len(known) < 2:
            raise DataError(
                f"The training rows have {len(known)} values of {self.name}",
                "Choose other properties, or data that has labels for it",
            )
        self.mean.copy_(known.mean(0))
        spread = known.std(0)
        self.deviation.copy_(torch.where(spread > 1e-6 * spread.max(), spread, spread.max().clamp_min(1e-8)))


class ComponentHeads(_CrystalHeads):
    """Every component of a tensor as an output of its own."""

    scale = _ComponentScale
