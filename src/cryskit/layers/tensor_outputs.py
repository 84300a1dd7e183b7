"""Heads whose outputs are tensors and the scalars that follow from them, in physical units, compared with labels, and taken over.

What the outputs are made of is left to the heads: `layers.tensor_heads`, and those of `layers.tensor_controls` that know less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.errors import PlanError
from cryskit.layers.heads import Heads
from cryskit.layers.tensor_scalars import SCALARS
from cryskit.layers.tensor_scale import TensorScale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.types import Property


class TensorOutputs(Heads):
    """Heads that learn the coordinates of tensors (`layers.tensor_scale`).

    Args:
        properties: Tensor properties, and scalars of `layers.tensor_scalars` whose tensor is among them.
        scale: The change between the components of a tensor and its coordinates.

    Attributes:
        properties: The properties in the order of the outputs.
        tensor_properties: The tensors among them.
        scales: For each tensor, the change between components and what is learned.
        scalars: The scalars among the properties.
        deviation: (scalars,) standard deviation of each scalar, transformed, in the training rows.

    Raises:
        PlanError: There is no tensor, or a scalar that does not follow from one.
    """

    deviation: Tensor

    def __init__(self, properties: Sequence[Property], scale: type[TensorScale] = TensorScale) -> None:
        super().__init__()
        self.properties = tuple(properties)
        _require_tensors(self.properties)
        self.tensor_properties = [wanted for wanted in self.properties if wanted.tensor]
        self.scales = nn.ModuleDict({wanted.name: scale(wanted) for wanted in self.tensor_properties})
        self.scalars = [wanted for wanted in self.properties if not wanted.tensor]
        self.register_buffer("deviation", torch.ones(len(self.scalars)))

    def tensors(self, learned: Float[Tensor, "crystals learned"]) -> dict[str, Float[Tensor, "crystals rows columns"]]:
        """Return the tensors in Mandel's notation and physical units, by the name of the property.

        Args:
            learned: The standardised coordinates that `of` returns.
        """
        scales = self._scales()
        parts = learned.split([scale.size for scale in scales.values()], dim=1)
        return {name: scale.tensor(part) for (name, scale), part in zip(scales.items(), parts, strict=True)}

    def physical(self, predictions: Float[Tensor, "crystals learned"]) -> Float[Tensor, "crystals outputs"]:
        """Return the components of tensors in Voigt's notation and the scalars, each in its unit, in the order of the properties.

        Args:
            predictions: The standardised coordinates that `of` returns.
        """
        tensors, scales = self.tensors(predictions), self._scales()
        found = [
            scales[wanted.name].components(tensors[wanted.name])
            if wanted.tensor
            else scalar(wanted.name, tensors)[:, None]
            for wanted in self.properties
        ]
        return torch.cat(found, dim=1)

    def fit_scale(self, targets: Float[Tensor, "crystals outputs"]) -> None:
        """Take mean and deviation of the parts of each tensor from the training rows.

        Args:
            targets: The targets of the training rows, in the order of the outputs, NaN where unknown.

        Raises:
            DataError: A tensor has fewer than two usable values there.
        """
        columns = self.by_property(targets)
        for name, scale in self._scales().items():
            scale.fit(columns[name])
        for position, wanted in enumerate(self.scalars):
            known = _transformed(columns[wanted.name][:, 0], wanted)
            known = known[known.isfinite()]
            self.deviation[position] = known.std().clamp_min(1e-8) if len(known) > 1 else 1.0

    def distances(
        self, learned: Float[Tensor, "crystals learned"], targets: Float[Tensor, "crystals outputs"]
    ) -> dict[str, Float[Tensor, " crystals"]]:
        """Return how far predictions are from labels, in units of the spread of the training rows; NaN where there is no label.

        Args:
            learned: The standardised coordinates that `of` returns.
            targets: The targets in the order of the outputs, NaN where unknown.
        """
        scales, columns, tensors = self._scales(), self.by_property(targets), self.tensors(learned)
        parts = learned.split([scale.size for scale in scales.values()], dim=1)
        found = {
            name: scale.distance(part, columns[name]) for (name, scale), part in zip(scales.items(), parts, strict=True)
        }
        for deviation, wanted in zip(self.deviation, self.scalars, strict=True):
            label, predicted = _transformed(columns[wanted.name][:, 0], wanted), scalar(wanted.name, tensors)
            known = label.isfinite()
            off = _transformed(predicted, wanted) - torch.where(known, label, 0.0)
            found[wanted.name] = torch.where(known, off.abs() / deviation, torch.nan)
        return found

    def by_property(self, outputs: Float[Tensor, "crystals outputs"]) -> dict[str, Tensor]:
        """Return the columns of each property, by name.

        Args:
            outputs: Targets or physical predictions, in the order of the outputs.
        """
        parts = outputs.split([wanted.outputs for wanted in self.properties], dim=1)
        return {wanted.name: part for wanted, part in zip(self.properties, parts, strict=True)}

    def take(self, trained: nn.Module) -> list[str]:
        """Copy the weights and the scale of heads for the same properties; return their names, none if the heads differ.

        Args:
            trained: Heads of a trained model.
        """
        own, given = self.state_dict(), trained.state_dict()
        if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in given.items()}:
            return []
        self.load_state_dict(given)
        return [wanted.name for wanted in self.properties]

    def _scales(self) -> dict[str, TensorScale]:
        return {name: scale for name, scale in self.scales.items() if isinstance(scale, TensorScale)}


def scalar(name: str, tensors: Mapping[str, Tensor]) -> Float[Tensor, " crystals"]:
    """Return a scalar property that follows from the tensors of a model.

    Args:
        name: Name of the scalar property.
        tensors: Name of a tensor property to matrices in Mandel's notation.
    """
    found = SCALARS[name]
    return found.of(tensors[found.tensor])


def _transformed(values: Tensor, wanted: Property) -> Tensor:
    """Return values on the scale on which the property is learned; NaN where that does not exist."""
    return torch.where(values > 0, values, torch.nan).log10() if wanted.transform == "log10" else values


def _require_tensors(properties: Sequence[Property]) -> None:
    """Refuse properties that are no tensors and do not follow from one of them.

    Args:
        properties: Properties that are to be learned.

    Raises:
        PlanError: There is no tensor, or a scalar that does not follow from one.
    """
    tensors = [wanted.name for wanted in properties if wanted.tensor]
    others = [
        p.name for p in properties if not p.tensor and (p.name not in SCALARS or SCALARS[p.name].tensor not in tensors)
    ]
    if others or not tensors:
        known = [name for name, found in SCALARS.items() if found.tensor in tensors]
        raise PlanError(
            f"{', '.join(others) or 'Nothing'} does not follow from {', '.join(tensors) or 'a tensor, as there is none'}",
            f"Learn it in a model of its own; with this tensor a model can learn {', '.join(known)}"
            if known
            else "Name a tensor",
        )
