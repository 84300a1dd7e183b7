"""Linear maps, each followed by an activation."""

from __future__ import annotations

from itertools import pairwise
from math import log
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from collections.abc import Callable


class Stack(nn.Module):
    """Linear maps with Glorot's initial weights and no initial bias, each followed by an activation, the last one too.

    Args:
        widths: Of the input and of each layer.
        activation: Of all layers.
    """

    def __init__(self, *widths: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linears = nn.ModuleList(glorot(nn.Linear(a, b)) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, values: Tensor) -> Tensor:
        """Return the values after the last activation, (rows, last width)."""
        for linear in self.linears:
            values = self.activation(linear(values))
        return values


def glorot(linear: nn.Linear) -> nn.Linear:
    """Give a linear map Glorot's uniform weights and no bias to begin with."""
    nn.init.xavier_uniform_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


def shifted_softplus(values: Tensor) -> Tensor:
    """Return log((1 + e^x) / 2), which is 0 at 0."""
    return softplus(values).sub_(log(2))
