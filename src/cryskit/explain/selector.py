"""The element features that a feature selector has selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cryskit import elements
from cryskit.errors import ModelError
from cryskit.explain.parts import feature_name, strengths_of

if TYPE_CHECKING:
    from cryskit.protocols import Encoder


def features_left(encoder: Encoder) -> dict[str, list[str]]:
    """Return the element features that the feature selector of an encoder has left open.

    Args:
        encoder: Any encoder.

    Returns:
        Block ("group") to the names of its features that are left ("group 1"), in order; empty without a feature selector.
    """
    if strengths_of(encoder) is None:
        return {}
    table = strength_table(encoder)
    left = table[table["strength"] > 0]
    return {block: left["name"][left["block"] == block].tolist() for block in elements.BLOCKS}


def strength_table(encoder: Encoder) -> pd.DataFrame:
    """Return the importance of each element feature to a feature selector.

    Args:
        encoder: An encoder whose input layer is a feature selector.

    Returns:
        A row per element feature in order: name, block, strength (0 if it is not selected).

    Raises:
        ModelError: The encoder has no feature selector.
    """
    strengths = strengths_of(encoder)
    if strengths is None:
        raise ModelError("The encoder has no feature selector", "Train one with `cryskit train --selector`")
    features = range(elements.FEATURE_COUNT)
    return pd.DataFrame(
        {
            "name": [feature_name(feature) for feature in features],
            "block": [elements.block_of(feature) for feature in features],
            "strength": strengths.tolist(),
        }
    )
