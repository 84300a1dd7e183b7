"""A small network that has learned, from the errors of a model on its training crystals, where errors are large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import silu

from cryskit.elements import ELEMENTS

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

HIDDEN = 64


class ErrorHead(nn.Module):
    """From the vector of a crystal, its elements and the predictions to the logarithms of the expected errors.

    Args:
        width: Width of the crystal vectors.
        properties: Number of properties.
        hidden: Width of the hidden layer.

    Attributes:
        centre: (width,) the mean of the vectors of training crystals.
        spread: (width,) their standard deviation.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, width: int, properties: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.hidden = nn.Linear(width + ELEMENTS + 1 + properties, hidden)
        self.last = nn.Linear(hidden, properties)

    def forward(
        self,
        vectors: Float[Tensor, "crystals width"],
        predictions: Float[Tensor, "crystals properties"],
        counts: Float[Tensor, "crystals elements"],
    ) -> Float[Tensor, "crystals properties"]:
        """Return the logarithms of the expected errors, on the standardised scale of the heads.

        Args:
            vectors: The vectors of the crystals.
            predictions: The standardised predictions.
            counts: Number of atoms of each element (`groups.element_counts`).
        """
        inputs = [(vectors - self.centre) / self.spread, (counts > 0).to(vectors.dtype), predictions]
        found: Tensor = self.last(silu(self.hidden(torch.cat(inputs, dim=1))))
        return found
