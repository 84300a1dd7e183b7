"""Damage to files: seeded flips of bytes and cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


def damaged(content: bytes, flips: int = 200, cuts: int = 50, seed: int = 0) -> Iterator[bytes]:
    """Yield copies of the content of a file, each with one byte changed, or cut short, at a random place."""
    random = np.random.default_rng(seed)
    for place, change in zip(
        random.integers(len(content), size=flips), random.integers(1, 256, size=flips), strict=True
    ):
        copy = bytearray(content)
        copy[place] ^= change
        yield bytes(copy)
    for end in random.integers(len(content), size=cuts):
        yield content[:end]
