"""The parts that an atom's input vector is the sum of: one per element feature, and what is learned of the element.

    x_Z = sum_f features_Zf D_f + learned_Z

An input layer keeps the 92 binary features of the elements in a buffer called `bits` and is linear in them, so the directions
D are found by giving it other features. Whatever else it adds (a learned vector, a bias) is the learned part. This holds for
every input layer, whatever it does to the features on the way, and is exact by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.func import functional_call

from cryskit import elements
from cryskit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from cryskit.protocols import Encoder

LEARNED = "learned"
"""Name of the part that is no linear function of the element features; it stands with the blocks of `elements.BLOCKS`."""

FEATURES = elements.FEATURE_COUNT + 1
"""Number of columns of an attribution: one per element feature, and the last for the learned part."""


class Parts(NamedTuple):
    """The input vectors of all elements and what they are the sum of, on the CPU.

    Attributes:
        vectors: (101, width) the input vector of each element, row 0 unused.
        features: (101, 92) the element features, zeros and ones.
        directions: (92, width) what each feature adds to the input vector of an element that has it.
        learned: (101, width) what is not linear in the features.
    """

    vectors: Tensor
    features: Tensor
    directions: Tensor
    learned: Tensor


class Baseline(NamedTuple):
    """The mean of some elements, from which attributions are counted.

    Attributes:
        vector: (width,) mean input vector.
        features: (92,) share of the elements that have each feature.
        learned: (width,) mean of the learned part.
    """

    vector: Tensor
    features: Tensor
    learned: Tensor


def inputs_of(encoder: Encoder) -> Any:
    """Return the layer that turns atomic numbers into input vectors.

    Raises:
        ModelError: The encoder has none.
    """
    layer = getattr(encoder, "inputs", None)
    if layer is None:
        raise ModelError(
            f"The encoder {type(encoder).__name__} has no input layer called `inputs`",
            "Explain a model whose encoder makes its atoms with `self.inputs(graph.numbers)`",
        )
    return layer


@torch.no_grad()
def parts_of(encoder: Encoder) -> Parts:
    """Split the input vectors of an encoder's elements.

    Raises:
        ModelError: The encoder has no input layer.
    """
    layer = inputs_of(encoder)
    numbers = torch.arange(elements.ELEMENTS + 1, device=next(layer.parameters()).device)
    vectors = layer(numbers).cpu()
    buffers = {name: buffer for name, buffer in layer.named_buffers() if name.rpartition(".")[2] == "bits"}
    if not buffers:
        features = torch.from_numpy(elements.features().copy())
        return Parts(vectors, features, vectors.new_zeros(elements.FEATURE_COUNT, vectors.shape[1]), vectors)
    known = next(iter(buffers.values()))
    none = torch.zeros_like(known)
    one = none.clone()
    one[1 : elements.FEATURE_COUNT + 1] = torch.eye(elements.FEATURE_COUNT).to(known)
    without, single = (functional_call(layer, dict.fromkeys(buffers, given), (numbers,)).cpu() for given in (none, one))
    directions = (single - without)[1 : elements.FEATURE_COUNT + 1]
    features = known.to(vectors)
    return Parts(vectors, features, directions, vectors - features @ directions)


def baseline_of(parts: Parts, numbers: Iterable[int]) -> Baseline:
    """Return the mean element.

    Args:
        parts: The input vectors of the encoder and what they are the sum of.
        numbers: Atomic numbers of the elements to average, as on the card of the model; all if there are none.
    """
    rows = torch.tensor(sorted(numbers) or range(1, elements.ELEMENTS + 1))
    return Baseline(*(table[rows].mean(0) for table in (parts.vectors, parts.features, parts.learned)))


def strengths_of(encoder: Encoder) -> Tensor | None:
    """Return the importance of each element feature to the model's feature selector, (92,), or None if it has none."""
    for module in encoder.modules():
        ask = getattr(module, "strengths", None)
        if callable(ask):
            strengths: Tensor = ask()
            return strengths.detach().cpu()
    return None


def feature_name(feature: int) -> str:
    """Return the name of an element feature, or of the learned part.

    Args:
        feature: Column of the feature, 0..92, the last being the learned part.
    """
    return LEARNED if feature == elements.FEATURE_COUNT else elements.feature_name(feature)


def feature_names() -> list[str]:
    """Return the names of all 93 features, in order."""
    return [feature_name(feature) for feature in range(FEATURES)]


def by_block(features: Any) -> dict[str, Any]:
    """Return the sums over each named block.

    Args:
        features: (..., 93) an array; the last column is the learned part.
    """
    sums = {name: features[..., columns].sum(-1) for name, columns in elements.BLOCKS.items()}
    return {**sums, LEARNED: features[..., elements.FEATURE_COUNT]}
