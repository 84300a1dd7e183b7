"""The crystals that are measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryskit.data.read import read
from cryskit.data.sources import sources
from cryskit.types import Crystal

BUNDLED = "bundled"
"""The examples and the data sets that come with the package."""


def chosen(data: str, count: int, seed: int = 0) -> tuple[list[Crystal], str]:
    """Return a random choice of crystals, in the order of their source, and what to call the source.

    Args:
        data: `BUNDLED`, the name of a data set, or a file.
        count: Number of crystals; all if there are fewer, or if it is 0.
        seed: Seed of the choice.
    """
    if data == BUNDLED:
        examples = Path(__file__).resolve().parents[2] / "examples"
        rows = [*read(examples), *(row for name in sources() for row in read(name))]
    else:
        rows = list(read(data))
    crystals = [row for row in rows if isinstance(row, Crystal)]
    if count and count < len(crystals):
        positions = np.sort(np.random.default_rng(seed).choice(len(crystals), count, replace=False))
        crystals = [crystals[position] for position in positions]
    return crystals, Path(data).name
