"""What a network is told of an element: ninety-two named bits, some of them, a learned vector, or bits and vector.

All of them depend on the atomic number alone, so their linear map is applied to the table of elements and the result is
gathered: one row per element instead of one per atom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cryskit import elements
from cryskit.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping


class ElementFeatures(nn.Module):
    """The 92 bits of CGCNN (doi 10.1103/PhysRevLett.120.145301) under a linear map; see `elements` for their names.

    The bits are stored with the weights, so a saved model does not change when an element library does.

    Args:
        width: Of the vectors it gives.
        bias: Whether the map has one.
    """

    bits: Tensor

    def __init__(self, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.register_buffer("bits", torch.from_numpy(elements.features().astype("uint8")))
        self.linear = nn.Linear(elements.BITS, width, bias=bias)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms width"]:
        """Return the vector of each atom."""
        table: Tensor = self.linear(self.bits.to(self.linear.weight.dtype))
        return table[numbers]


class ElementEmbedding(nn.Embedding):
    """A learned vector for each element.

    Args:
        width: Of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__(elements.ELEMENTS + 1, width)


class ElementBoth(nn.Module):
    """The sum of the mapped bits and a learned vector: like elements start alike, and all can differ.

    Args:
        width: Of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = ElementFeatures(width)
        self.embedding = ElementEmbedding(width)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms width"]:
        """Return the vector of each atom."""
        total: Tensor = self.features(numbers) + self.embedding(numbers)
        return total


INPUTS = Registry(
    "input",
    {
        "features": "cryskit.layers.inputs:ElementFeatures",
        "embedding": "cryskit.layers.inputs:ElementEmbedding",
        "both": "cryskit.layers.inputs:ElementBoth",
        "selector": "cryskit.layers.selector:FeatureSelector",
    },
)


def make_input(inputs: str | Mapping[str, Any], width: int) -> nn.Module:
    """Make an input layer.

    Args:
        inputs: "features" (the 92 bits), "embedding" (a learned vector), "both", "selector" (the bits that matter), or a
            name and arguments: {"name": "selector", "penalty": 0.3}.
        width: Of the vectors it gives.

    Raises:
        UnknownNameError: There is no such input, or it has no such argument.
    """
    config = {"name": inputs} if isinstance(inputs, str) else inputs
    made: nn.Module = INPUTS.build({**config, "width": width})
    return made
