"""Prediction heads: from crystal vectors to properties, standardised as they are learned and in physical units."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryskit.types import Property

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({"silu": silu, "softplus": softplus})


class PropertyHeads(nn.Module):
    """One perceptron per property, which predicts the transformed value, standardised over the training rows.

    Args:
        width: Width of the crystal vectors.
        properties: The properties that are predicted, in the order of the columns.
        hidden: Width of the hidden layers of each perceptron.
        depth: Number of hidden layers of each perceptron.
        activation: Activation behind each hidden layer: "silu", or "softplus" as in CGCNN.
        activate_input: Whether the activation is applied to the crystal vectors first, as in CGCNN.

    Attributes:
        mean: (properties,) the mean of the transformed targets of the training rows.
        deviation: (properties,) their standard deviation.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        width: int,
        properties: Sequence[Property],
        hidden: int = 64,
        depth: int = 1,
        activation: Literal["silu", "softplus"] = "silu",
        *,
        activate_input: bool = False,
    ) -> None:
        super().__init__()
        self.properties = tuple(properties)
        self.activation = _ACTIVATIONS[activation]
        self.activate_input = activate_input
        self.hidden = nn.Linear(width, hidden * len(self.properties))
        self.deeper = nn.ModuleList(_Layer(len(self.properties), hidden) for _ in range(depth - 1))
        self.last = nn.Parameter(torch.randn(len(self.properties), hidden) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(len(self.properties)))
        self.register_buffer("mean", torch.zeros(len(self.properties)))
        self.register_buffer("deviation", torch.ones(len(self.properties)))

    def forward(self, crystals: Float[Tensor, "crystals width"]) -> Float[Tensor, "crystals properties"]:
        """Return standardised predictions of every property.

        Args:
            crystals: The vectors of the crystals.
        """
        inputs = self.activation(crystals) if self.activate_input else crystals
        hidden: Tensor = self.activation(self.hidden(inputs)).unflatten(1, self.last.shape)
        for layer in self.deeper:
            hidden = self.activation(layer(hidden))
        return (hidden * self.last).sum(2) + self.bias

    def fit_scale(self, targets: Float[Tensor, "crystals properties"]) -> None:
        """Set the mean and the deviation to those of the transformed targets of the training rows.

        Args:
            targets: The targets of the training rows, each in the unit of its property, NaN where unknown.

        Raises:
            DataError: A property has fewer than two known values there.
        """
        learned = self.transformed(targets)
        for column, name in enumerate(p.name for p in self.properties):
            known = learned[:, column][~learned[:, column].isnan()].double()
            if len(known) < 2:
                raise DataError(
                    f"The training rows have {len(known)} usable values of {name}",
                    "Choose other properties, or data that has labels for it",
                )
            self.mean[column] = known.mean()
            self.deviation[column] = known.std().clamp_min(1e-8)

    def take(self, trained: PropertyHeads) -> list[str]:
        """Copy the perceptrons of the properties that trained heads share with these; physical predictions are theirs afterwards.

        Args:
            trained: Heads of the same width, depth and activation.

        Returns:
            Names of the properties whose perceptrons were copied; none if the heads have another shape.
        """
        if self._form != trained._form:
            return []
        columns = {(p.name, p.transform): column for column, p in enumerate(trained.properties)}
        scales = [(p.name, p.transform) for p in self.properties]
        pairs = [(column, columns[scale]) for column, scale in enumerate(scales) if scale in columns]
        if not pairs:
            return []
        here, there = map(list, zip(*pairs, strict=True))
        with torch.no_grad():
            for own, other in zip(
                (self.hidden.weight, self.hidden.bias), (trained.hidden.weight, trained.hidden.bias), strict=True
            ):
                own.unflatten(0, self.last.shape)[here] = other.unflatten(0, trained.last.shape)[there]
            for layer, taken in zip(self.deeper, trained.deeper, strict=True):
                for own, other in zip(layer.parameters(), taken.parameters(), strict=True):
                    own[here] = other[there]
            ratio = trained.deviation[there] / self.deviation[here]
            self.last[here] = trained.last[there] * ratio[:, None]
            self.bias[here] = (
                trained.bias[there] * ratio + (trained.mean[there] - self.mean[here]) / self.deviation[here]
            )
        return [self.properties[column].name for column in here]

    @property
    def _form(self) -> tuple[object, ...]:
        """What two heads have to share for perceptrons of one to work in the other."""
        return self.hidden.in_features, self.last.shape[1], len(self.deeper), self.activation, self.activate_input

    def transformed(self, targets: Float[Tensor, "crystals properties"]) -> Float[Tensor, "crystals properties"]:
        """Return targets on the scale on which they are learned: the value itself, or its decimal logarithm.

        Args:
            targets: The targets, each in the unit of its property, NaN where unknown.

        Returns:
            The transformed targets; NaN where unknown or where the logarithm does not exist.
        """
        logarithmic = self._logarithmic(targets.device)
        return torch.where(logarithmic, torch.where(targets > 0, targets, torch.nan).log10(), targets)

    def standardised(self, targets: Float[Tensor, "crystals properties"]) -> Float[Tensor, "crystals properties"]:
        """Return targets transformed and standardised, on the scale of what `forward` returns.

        Args:
            targets: The targets, each in the unit of its property, NaN where unknown.
        """
        return (self.transformed(targets) - self.mean) / self.deviation

    def physical(self, predictions: Float[Tensor, "crystals properties"]) -> Float[Tensor, "crystals properties"]:
        """Return predictions in the unit of each property.

        Args:
            predictions: The standardised predictions that `forward` returns.
        """
        learned = predictions * self.deviation + self.mean
        return torch.where(self._logarithmic(learned.device), 10**learned, learned)

    def _logarithmic(self, device: torch.device) -> Tensor:
        return torch.from_numpy(np.array([p.transform == "log10" for p in self.properties])).to(device)


class _Layer(nn.Module):
    """One hidden layer of several perceptrons side by side.

    Args:
        perceptrons: Number of perceptrons.
        width: Width of the layer in each perceptron.
    """

    def __init__(self, perceptrons: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(perceptrons, width, width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(perceptrons, width))

    def forward(
        self, hidden: Float[Tensor, "crystals perceptrons width"]
    ) -> Float[Tensor, "crystals perceptrons width"]:
        """Return the values before the activation."""
        return torch.einsum("cpi,poi->cpo", hidden, self.weight) + self.bias
