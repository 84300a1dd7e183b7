"""Dense layers with Glorot's initial weights, and the activation of SchNet."""

from __future__ import annotations

from itertools import pairwise
from math import log
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from collections.abc import Callable


class DenseLayers(nn.Module):
    """Linear maps, each followed by an activation, the last one too.

    The initial weights are uniform (Glorot and Bengio 2010), the initial biases zero.

    Args:
        *widths: The width of the input and of each layer.
        activation: The activation behind every layer.
    """

    def __init__(self, *widths: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linears = nn.ModuleList(glorot(nn.Linear(a, b)) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, values: Tensor) -> Tensor:
        """Return the values behind the last activation, (rows, last width).

        Args:
            values: The input, (rows, first width).
        """
        for linear in self.linears:
            values = self.activation(linear(values))
        return values


def glorot(linear: nn.Linear) -> nn.Linear:
    """Set the weights of a linear map to Glorot's uniform ones and its bias to zero, and return it.

    Args:
        linear: The linear map, changed in place.
    """
    nn.init.xavier_uniform_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


def shifted_softplus(values: Tensor) -> Tensor:
    """Return log((1 + e^x) / 2), which is 0 at 0 (SchNet; Schuett et al. 2018, doi 10.1063/1.5019779).

    Args:
        values: The input x, of any shape.
    """
    return softplus(values).sub_(log(2))
