"""What a feature selector has selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cryskit import elements
from cryskit.errors import ModelError
from cryskit.explain.parts import strengths_of

if TYPE_CHECKING:
    from torch import nn


def strength_table(encoder: nn.Module) -> pd.DataFrame:
    """Return how strongly each bit is heard.

    Args:
        encoder: Wears a selector as its input.

    Returns:
        A row per bit in order: name, block, strength (0 if it is not selected).

    Raises:
        ModelError: It wears none.
    """
    strengths = strengths_of(encoder)
    if strengths is None:
        raise ModelError("The encoder has no feature selector", "Train one with `cryskit train --selector`")
    bits = range(elements.FEATURE_COUNT)
    return pd.DataFrame(
        {
            "name": [elements.feature_name(bit) for bit in bits],
            "block": [elements.block_of(bit) for bit in bits],
            "strength": strengths.tolist(),
        }
    )
