"""How much more the strongest features or atoms of an explanation matter than random ones, with bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from cryskit.explain.checks import Deletions

_RESAMPLES = 2000


class Advantage(NamedTuple):
    """How much more the strongest k matter than random ones.

    Attributes:
        size: Number k of features or orbits that are replaced.
        crystals: Number of crystals that have more than k.
        top: How far replacing the strongest moves the prediction (or its error), mean over crystals.
        random: How far replacing random ones moves it, mean over crystals.
        difference: The difference top - random, paired by crystal.
        low: Lower end of the 95 % interval of the difference (bootstrap over crystals).
        high: Upper end of that interval.
    """

    size: int
    crystals: int
    top: float
    random: float
    difference: float
    low: float
    high: float


def advantages(found: Deletions, truth: np.ndarray | None = None, seed: int = 0) -> list[Advantage]:
    """Compare the strongest with random ones: how far the prediction moves, or how much its error grows.

    Args:
        found: Predictions from `deletions`.
        truth: (C,) labels in the space where the property is learned, NaN where unknown; if given, errors are compared.
        seed: Seed of the bootstrap.
    """
    origin = found.value if truth is None else truth
    before = np.abs(found.value - origin)
    top = np.abs(found.top - origin[:, None]) - before[:, None]
    random = (np.abs(found.random - origin[:, None, None]) - before[:, None, None]).mean(2)
    return [_advantage(k, top[:, i], random[:, i], seed) for i, k in enumerate(found.sizes)]


def _advantage(size: int, top: np.ndarray, random: np.ndarray, seed: int) -> Advantage:
    known = np.isfinite(top) & np.isfinite(random)
    top, random = top[known], random[known]
    if not len(top):
        return Advantage(size, 0, np.nan, np.nan, np.nan, np.nan, np.nan)
    chosen = np.random.default_rng(seed).integers(len(top), size=(_RESAMPLES, len(top)))
    low, high = np.quantile((top - random)[chosen].mean(1), [0.025, 0.975])
    most, least = float(top.mean()), float(random.mean())
    return Advantage(size, len(top), most, least, most - least, float(low), float(high))
