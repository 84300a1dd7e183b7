"""Which element features a model uses for a property, and how much its descriptions: many explanations put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.explain.parts import FEATURES, by_block, feature_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Use(NamedTuple):
    """How much a feature, block or element moves predictions from their base values, or the description from those without it.

    Attributes:
        name: Name of the feature, block or element, or "description".
        mean_absolute: Mean over crystals of the absolute change of the prediction, all atoms of a crystal together.
        mean: Mean over crystals of the change: which way it mostly moves.
        share: Share of the sum of `mean_absolute` over all that are listed with it.
    """

    name: str
    mean_absolute: float
    mean: float
    share: float


def blocks_used(crystals: Sequence[Sequence[float] | np.ndarray]) -> list[Use]:
    """Return the use of each named block, the most used first.

    Args:
        crystals: Attributions of the 93 features of each crystal, summed over its atoms.
    """
    return _uses(by_block(_stacked(crystals)))


def features_used(crystals: Sequence[Sequence[float] | np.ndarray]) -> list[Use]:
    """Return the use of each element feature and of the learned part, the most used first, without those never attributed anything.

    Args:
        crystals: Attributions of the 93 features of each crystal, summed over its atoms.
    """
    stacked = _stacked(crystals)
    return _uses(dict(zip(feature_names(), stacked.T, strict=True)))


def elements_used(crystals: Sequence[Mapping[str, float]]) -> list[Use]:
    """Return the use of each element over the crystals that have it, the most used first.

    Args:
        crystals: Attributions of the elements of each crystal by symbol, all atoms of an element together.
    """
    symbols = {symbol for crystal in crystals for symbol in crystal}
    return _uses({s: np.array([crystal[s] for crystal in crystals if s in crystal]) for s in sorted(symbols)})


def descriptions_used(crystals: Sequence[float]) -> list[Use]:
    """Return the use of descriptions, as one entry; none where no description changed a prediction.

    Args:
        crystals: The prediction of each crystal less the one without its description.
    """
    return _uses({"description": np.asarray(crystals, dtype=np.float64)})


def _stacked(crystals: Sequence[Sequence[float] | np.ndarray]) -> np.ndarray:
    return np.asarray(crystals, dtype=np.float64).reshape(-1, FEATURES)


def _uses(values: Mapping[str, np.ndarray]) -> list[Use]:
    sizes = {name: float(np.abs(column).mean()) for name, column in values.items() if np.any(column)}
    total = sum(sizes.values()) or 1.0
    uses = [Use(name, size, float(values[name].mean()), size / total) for name, size in sizes.items()]
    return sorted(uses, key=lambda use: -use.mean_absolute)
