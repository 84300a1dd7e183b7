"""Which atomic properties a model uses for a property: explanations of many crystals, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.explain.parts import FEATURES, by_block, feature_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Use(NamedTuple):
    """How much a feature or block moves predictions away from their base values.

    Attributes:
        name: Of the feature or block.
        mean_absolute: Mean over crystals of the absolute attribution, all atoms of a crystal together.
        mean: Mean over crystals of the attribution: which way it mostly moves.
        share: Of the sum of `mean_absolute` over the features or blocks.
    """

    name: str
    mean_absolute: float
    mean: float
    share: float


def blocks_used(crystals: Sequence[Sequence[float] | np.ndarray]) -> list[Use]:
    """Return the use of each named block, the most used first.

    Args:
        crystals: (93,) the attributions of each crystal, summed over its atoms.
    """
    return _uses(by_block(_stacked(crystals)))


def features_used(crystals: Sequence[Sequence[float] | np.ndarray]) -> list[Use]:
    """Return the use of each bit and of the learned part, the most used first; those never attributed anything are left out.

    Args:
        crystals: As for `blocks_used`.
    """
    stacked = _stacked(crystals)
    return _uses(dict(zip(feature_names(), stacked.T, strict=True)))


def elements_used(crystals: Sequence[Mapping[str, float]]) -> list[Use]:
    """Return the use of each element over the crystals that have it, the most used first.

    Args:
        crystals: The attributions of the elements of each crystal.
    """
    symbols = {symbol for crystal in crystals for symbol in crystal}
    return _uses({s: np.array([crystal[s] for crystal in crystals if s in crystal]) for s in sorted(symbols)})


def _stacked(crystals: Sequence[Sequence[float] | np.ndarray]) -> np.ndarray:
    return np.asarray(crystals, dtype=np.float64).reshape(-1, FEATURES)


def _uses(values: Mapping[str, np.ndarray]) -> list[Use]:
    sizes = {name: float(np.abs(column).mean()) for name, column in values.items() if np.any(column)}
    total = sum(sizes.values()) or 1.0
    uses = [Use(name, size, float(values[name].mean()), size / total) for name, size in sizes.items()]
    return sorted(uses, key=lambda use: -use.mean_absolute)
