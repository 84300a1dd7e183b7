"""The scale on which a property is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cryskit.types import Property


def learned(wanted: Property, values: Any) -> np.ndarray:
    """Return values on the scale where a property is learned; NaN where they have no logarithm."""
    found = np.asarray(values, float)
    return np.log10(np.where(found > 0, found, np.nan)) if wanted.transform == "log10" else found
