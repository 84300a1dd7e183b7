"""Input layers: from atomic numbers to vectors, by 92 binary element features, a learned embedding, or both.

Every input layer depends on the atomic number alone, so its linear map is applied to the table of elements and the result is
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
    """A linear map of the 92 binary element features of CGCNN.

    The features are those of Xie and Grossman (2018, doi 10.1103/PhysRevLett.120.145301); `elements` names each of them. Their
    table is stored with the weights, so a saved model does not change when an element library does.

    Args:
        width: Width of the vectors that the layer returns.
        bias: Whether the linear map has a bias.

    Attributes:
        bits: (101, 92) uint8, the element features by atomic number. The name is that of the tensor in model files.
    """

    bits: Tensor

    def __init__(self, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.register_buffer("bits", torch.from_numpy(elements.features().astype("uint8")))
        self.linear = nn.Linear(elements.FEATURE_COUNT, width, bias=bias)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms width"]:
        """Return the vector of each atom.

        Args:
            numbers: The atomic number of each atom.
        """
        table: Tensor = self.linear(self.bits.to(self.linear.weight.dtype))
        return table[numbers]


class ElementEmbedding(nn.Embedding):
    """A learned vector for each element.

    Args:
        width: Width of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__(elements.ELEMENTS + 1, width)


class ElementBoth(nn.Module):
    """The sum of the mapped element features and a learned vector: like elements start alike, and all can differ.

    Args:
        width: Width of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = ElementFeatures(width)
        self.embedding = ElementEmbedding(width)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms width"]:
        """Return the vector of each atom.

        Args:
            numbers: The atomic number of each atom.
        """
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
    """Return a new input layer.

    Args:
        inputs: Name of the layer: "features" (92 element features), "embedding" (a learned vector), "both" (their sum) or
            "selector" (the element features that matter); or name and arguments: {"name": "selector", "penalty": 0.3}.
        width: Width of the vectors that the layer returns.

    Raises:
        UnknownNameError: There is no such input, or it has no such argument.
    """
    config = {"name": inputs} if isinstance(inputs, str) else inputs
    made: nn.Module = INPUTS.build({**config, "width": width})
    return made
