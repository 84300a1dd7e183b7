"""Prediction heads: from crystal vectors to properties, standardised as they are learned and in physical units."""

from __future__ import annotations

from itertools import accumulate
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

    from cryskit.types import Encoding, Graph, GraphSpec, Property

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({"silu": silu, "softplus": softplus})


class Heads(nn.Module):
    """What every kind of heads offers to those who do not know which kind it is.

    Attributes:
        properties: The properties that are predicted.
        first: Position of the first output of each property.
    """

    properties: tuple[Property, ...]
    first: tuple[int, ...]

    def columns(self, position: int) -> slice:
        """Return where the outputs of a property are.

        Args:
            position: Position of the property.
        """
        return slice(self.first[position], self.first[position] + self.properties[position].outputs)

    def needs(self, spec: GraphSpec) -> GraphSpec:
        """Return the graph that the heads need on an encoder that needs `spec`."""
        return spec

    def of(self, encoding: Encoding, _graph: Graph) -> Tensor:
        """Return what the heads make of an encoding, one row per crystal, on the scale on which it is learned.

        Args:
            encoding: What the encoder gives for a batch.
        """
        found: Tensor = self(encoding.crystals)
        return found


class PropertyHeads(Heads):
    """One perceptron per output: the transformed value of a scalar, standardised over the training rows, or the logit of a class.

    A property of two classes has one output, the logarithm of the odds of its second class; one of more has an output per class.
    The outputs of `forward` are logits for classes that are equally frequent; `physical` adds the logarithms of how frequent the
    classes are among the training rows.

    Args:
        width: Width of the crystal vectors.
        properties: The properties that are predicted, in the order of the outputs.
        hidden: Width of the hidden layers of each perceptron.
        depth: Number of hidden layers of each perceptron.
        activation: Activation behind each hidden layer: "silu", or "softplus" as in CGCNN.
        activate_input: Whether the activation is applied to the crystal vectors first, as in CGCNN.

    Attributes:
        mean: (outputs,) the mean of the transformed targets of the training rows; of a class the logarithm of its share over the
            share that it had if all were equally frequent (of two classes: of the odds of the second).
        deviation: (outputs,) their standard deviation; of a class 1.
        first: Position of the first output of each property.
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
        *first, outputs = accumulate((p.outputs for p in self.properties), initial=0)
        self.first = tuple(first)
        self.hidden = nn.Linear(width, hidden * outputs)
        self.deeper = nn.ModuleList(_Layer(outputs, hidden) for _ in range(depth - 1))
        self.last = nn.Parameter(torch.randn(outputs, hidden) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("deviation", torch.ones(outputs))

    def forward(self, crystals: Float[Tensor, "crystals width"]) -> Float[Tensor, "crystals outputs"]:
        """Return standardised predictions of every scalar, and the logits of every class.

        Args:
            crystals: The vectors of the crystals.
        """
        inputs = self.activation(crystals) if self.activate_input else crystals
        hidden: Tensor = self.activation(self.hidden(inputs)).unflatten(1, self.last.shape)
        for layer in self.deeper:
            hidden = self.activation(layer(hidden))
        return (hidden * self.last).sum(2) + self.bias

    def fit_scale(self, targets: Float[Tensor, "crystals properties"]) -> None:
        """Set the mean and the deviation to those of the transformed targets of the training rows, and count classes.

        Args:
            targets: The targets of the training rows, each in the unit of its property or the number of its class, NaN where unknown.

        Raises:
            DataError: A property has fewer than two known values there, or labels of one class alone.
        """
        learned = self.transformed(targets)
        for position, wanted in enumerate(self.properties):
            known = learned[:, position][~learned[:, position].isnan()].double()
            if len(known) < 2:
                raise DataError(
                    f"The training rows have {len(known)} usable values of {wanted.name}",
                    "Choose other properties, or data that has labels for it",
                )
            if wanted.classes:
                self.mean[self.columns(position)] = _frequencies(known, wanted).to(self.mean)
            else:
                self.mean[self.first[position]] = known.mean()
                self.deviation[self.first[position]] = known.std().clamp_min(1e-8)

    def take(self, trained: PropertyHeads) -> list[str]:
        """Copy the perceptrons of the properties that trained heads share with these; physical predictions are theirs afterwards.

        Args:
            trained: Heads of the same width, depth and activation.

        Returns:
            Names of the properties whose perceptrons were copied; none if the heads have another shape.
        """
        if self._form != trained._form:
            return []
        known = {(p.name, p.transform, p.classes): place for place, p in enumerate(trained.properties)}
        scales = [(p.name, p.transform, p.classes) for p in self.properties]
        pairs = [(place, known[scale]) for place, scale in enumerate(scales) if scale in known]
        if not pairs:
            return []
        here = [self.first[place] + i for place, _ in pairs for i in range(self.properties[place].outputs)]
        there = [trained.first[place] + i for own, place in pairs for i in range(self.properties[own].outputs)]
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
        return [self.properties[place].name for place, _ in pairs]

    @property
    def _form(self) -> tuple[object, ...]:
        """What two heads have to share for perceptrons of one to work in the other."""
        return self.hidden.in_features, self.last.shape[1], len(self.deeper), self.activation, self.activate_input

    def transformed(self, targets: Float[Tensor, "crystals properties"]) -> Float[Tensor, "crystals properties"]:
        """Return targets on the scale on which they are learned: the value itself, or its decimal logarithm.

        Args:
            targets: The targets, each in the unit of its property or the number of its class, NaN where unknown.

        Returns:
            The transformed targets; NaN where unknown or where the logarithm does not exist.
        """
        logarithmic = _logarithmic(self.properties, targets.device)
        return torch.where(logarithmic, torch.where(targets > 0, targets, torch.nan).log10(), targets)

    def standardised(self, targets: Float[Tensor, "crystals properties"]) -> Float[Tensor, "crystals properties"]:
        """Return targets transformed and standardised, on the scale of what `forward` returns; numbers of classes as they are.

        Args:
            targets: The targets, each in the unit of its property or the number of its class, NaN where unknown.
        """
        mean, deviation = self.mean[list(self.first)], self.deviation[list(self.first)]
        classes = torch.from_numpy(np.array([p.kind == "class" for p in self.properties])).to(targets.device)
        return torch.where(classes, targets, (self.transformed(targets) - mean) / deviation)

    def physical(self, predictions: Float[Tensor, "crystals outputs"]) -> Float[Tensor, "crystals outputs"]:
        """Return predictions in the unit of each property, and the logits of classes as frequent as in the training rows.

        Args:
            predictions: The standardised predictions that `forward` returns.
        """
        learned = predictions * self.deviation + self.mean
        per_output = [p for p in self.properties for _ in range(p.outputs)]
        return torch.where(_logarithmic(per_output, learned.device), 10**learned, learned)


def _logarithmic(properties: Sequence[Property], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array([p.transform == "log10" for p in properties])).to(device)


def _frequencies(known: Tensor, wanted: Property) -> Tensor:
    """Return the logarithms of how frequent the classes are, over their mean; of two, that of the odds of the second.

    Args:
        known: (n,) numbers of the classes of the training rows.
        wanted: The property.
    """
    counts = torch.bincount(known.long(), minlength=len(wanted.classes)).double()
    if (counts > 0).sum() < 2:
        raise DataError(
            f"All {len(known)} training labels of {wanted.name} are {wanted.classes[int(counts.argmax())]}",
            "Give training crystals of two classes or more",
        )
    shares = counts.clamp_min(0.5) / counts.sum()
    return (shares[1] / shares[0]).log()[None] if wanted.outputs == 1 else (shares * len(shares)).log()


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
