"""From the numbers that a model computes for a crystal to its prediction: bounds, intervals, what is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.types import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.card import Card
    from cryskit.types import Crystal, Property


def prediction_of(card: Card, crystal: Crystal, numbers: np.ndarray, reason: str) -> Prediction:
    """Return the prediction for a crystal whose numbers are known.

    A quantity that cannot be negative is not predicted to be; neither is the end of its interval.

    Args:
        card: Card of the model.
        crystal: The crystal.
        numbers: (P,) what the model computed, in the properties' own units; or (4P,), behind it the standard deviations and the
            lower and upper ends of the intervals, not finite where there are none.
        reason: What is doubtful about the crystal, or what the model lacked of it; "" if nothing.
    """
    values, *judged = np.split(numbers, range(len(card.properties), len(numbers), len(card.properties)))
    if not np.isfinite(values).all():
        return Prediction(crystal.id, {}, status="failed", reason="The model gives no finite number for this crystal")
    strange = sorted(set(crystal.numbers.tolist()) - set(card.elements)) if card.elements else []
    if strange:
        absent = f"The training data has no element of atomic number {', '.join(map(str, strange))}"
        reason = f"{absent}. {reason}" if reason else absent
    names, least = [p.name for p in card.properties], _least(card.properties)
    deviations, intervals = {}, {}
    if judged:
        deviation, low, high = judged
        known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
        low, high = np.maximum(low, least), np.maximum(high, least)
        deviations = {names[i]: float(deviation[i]) for i in known}
        intervals = {names[i]: (float(low[i]), float(high[i])) for i in known}
    named = dict(zip(names, np.maximum(values, least).tolist(), strict=True))
    return Prediction(crystal.id, named, deviations, intervals, "warned" if reason else "ok", reason)


def _least(properties: Sequence[Property]) -> np.ndarray:
    """Return the smallest value of each property: 0 where it cannot be negative, else none."""
    return np.array([0.0 if p.range[0] >= 0 else -np.inf for p in properties])
