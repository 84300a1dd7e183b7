"""The parts that an atom's input vector is the sum of: one per named bit, and what is learned of the element.

    x_Z = sum_b bits_Zb D_b + rest_Z

An input layer keeps its 92 bits in a buffer called `bits` and is linear in them, so the directions D are found by giving it
other bits. Whatever else it adds (a learned vector, a bias) is the rest. This holds for every input layer, whatever it does
to the bits on the way, and is exact by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.func import functional_call

from cryskit import elements
from cryskit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

LEARNED = "learned"
"""Name of the part that is no linear function of the bits, beside the blocks of `elements.BLOCKS`."""

FEATURES = elements.FEATURE_COUNT + 1
"""The bits, and after them the learned part."""


class Parts(NamedTuple):
    """The input vectors of all elements and what they are the sum of.

    Attributes:
        table: (101, width) the input vector of each element, row 0 unused.
        bits: (101, 92) of zeros and ones.
        directions: (92, width) what each bit adds.
        rest: (101, width) what is not linear in the bits.
    """

    table: Tensor
    bits: Tensor
    directions: Tensor
    rest: Tensor


class Baseline(NamedTuple):
    """An element that is the mean of some, from which attributions are counted.

    Attributes:
        vector: (width,) its input vector.
        bits: (92,) the share of elements that have each bit.
        rest: (width,) the mean of the rest.
    """

    vector: Tensor
    bits: Tensor
    rest: Tensor


def inputs_of(encoder: nn.Module) -> Any:
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
def parts_of(encoder: nn.Module) -> Parts:
    """Split the input vectors of an encoder's elements.

    Raises:
        ModelError: The encoder has no input layer.
    """
    layer = inputs_of(encoder)
    numbers = torch.arange(elements.ELEMENTS + 1)
    table = layer(numbers)
    tables = {name: buffer for name, buffer in layer.named_buffers() if name.rpartition(".")[2] == "bits"}
    if not tables:
        bits = torch.from_numpy(elements.features().copy())
        return Parts(table, bits, table.new_zeros(elements.FEATURE_COUNT, table.shape[1]), table)
    bits = next(iter(tables.values()))
    probe = torch.zeros_like(bits)
    empty = functional_call(layer, dict.fromkeys(tables, probe), (numbers,))
    one = probe.clone()
    one[1 : elements.FEATURE_COUNT + 1] = torch.eye(elements.FEATURE_COUNT, dtype=bits.dtype)
    single = functional_call(layer, dict.fromkeys(tables, one), (numbers,))
    directions = (single - empty)[1 : elements.FEATURE_COUNT + 1]
    return Parts(table, bits.to(table.dtype), directions, table - bits.to(table.dtype) @ directions)


def baseline_of(parts: Parts, numbers: Iterable[int]) -> Baseline:
    """Return the mean element.

    Args:
        parts: Of the encoder.
        numbers: Atomic numbers of the elements, as on the card of the model; all if there are none.
    """
    rows = torch.tensor(sorted(numbers) or range(1, elements.ELEMENTS + 1))
    return Baseline(*(table[rows].mean(0) for table in (parts.table, parts.bits, parts.rest)))


def strengths_of(encoder: nn.Module) -> Tensor | None:
    """Return how strongly the model's feature selector lets each bit through, (92,), or None if it wears none."""
    for module in encoder.modules():
        ask = getattr(module, "strengths", None)
        if callable(ask):
            strengths: Tensor = ask()
            return strengths.detach()
    return None


def feature_name(feature: int) -> str:
    """Return the name of a bit, or of the learned part."""
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
