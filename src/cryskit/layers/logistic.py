"""Logistic regression on crystal vectors that scikit-learn has fitted, as tensors: the logits are those of scikit-learn.

    two classes:  z = w . x + b, the logarithm of the odds of the second
    more:         z_k = w_k . x + b_k

All arithmetic is in double precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from cryskit.errors import PlanError
from cryskit.layers.heads import Heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Property


class LogisticHeads(Heads):
    """The logits of one class property; it takes the place of `PropertyHeads` in a model of `cryskit.sklearn.CryskitClassifier`.

    Args:
        width: Width of the crystal vectors.
        properties: The class property that is predicted, alone.

    Attributes:
        weight: (width, outputs) float64, the weights.
        bias: (outputs,) float64, the intercepts.
        mean: (outputs,) zeros: the logits are those of classes as frequent as in the training rows already.
        deviation: (outputs,) ones.
        first: (0,), the position of the first output.

    Raises:
        PlanError: There is not one property, or it is no class.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, properties: Sequence[Property]) -> None:
        super().__init__()
        if len(properties) != 1 or not properties[0].classes:
            raise PlanError("Logistic regression predicts one property that is a class", "Give one, and its classes")
        self.properties = tuple(properties)
        self.first = (0,)
        outputs = properties[0].outputs
        self.register_buffer("weight", torch.zeros(width, outputs, dtype=torch.double))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.double))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("deviation", torch.ones(outputs))

    def forward(self, crystals: Float[Tensor, "crystals width"]) -> Float[Tensor, "crystals outputs"]:
        """Return the logits.

        Args:
            crystals: The vectors of the crystals.
        """
        return crystals.double() @ self.weight + self.bias

    def physical(self, predictions: Float[Tensor, "crystals outputs"]) -> Float[Tensor, "crystals outputs"]:
        """Return the logits as they are.

        Args:
            predictions: The logits that `forward` returns.
        """
        return predictions
