"""What a value that is uncertain gains on the best one known: how probably it is better, and by how much on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.stats import norm

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from cryskit.goals import Goal


def chance(
    goal: Goal, mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], best: float
) -> Float[np.ndarray, " n"]:
    """Return the probabilities that values are better than the best one known.

    Args:
        goal: What is looked for.
        mean: Expected values.
        deviation: Their standard deviations; values are taken for normally distributed.
        best: Worth of the best value known.
    """
    if goal.kind != "near":
        found: np.ndarray = norm.cdf((goal.worth(mean) - best) / deviation)
        return found
    inside: np.ndarray = norm.cdf((goal.value - best - mean) / deviation) - norm.cdf(
        (goal.value + best - mean) / deviation
    )
    return inside


def gain(
    goal: Goal, mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], best: float
) -> Float[np.ndarray, " n"]:
    """Return by how much values are expected to be better than the best one known: E[max(worth - best, 0)].

    Args:
        goal: What is looked for.
        mean: Expected values.
        deviation: Their standard deviations; values are taken for normally distributed.
        best: Worth of the best value known.
    """
    if goal.kind != "near":
        z = (goal.worth(mean) - best) / deviation
        found: np.ndarray = deviation * (z * norm.cdf(z) + norm.pdf(z))
        return found
    below, above = goal.value + best, goal.value - best  # best is minus the distance of the best value
    ramps: np.ndarray = _ramp(mean, deviation, below, goal.value) + _ramp(-mean, deviation, -above, -goal.value)
    return ramps


def _ramp(
    mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], start: float, end: float
) -> Float[np.ndarray, " n"]:
    """Return the mean of (y - start) for start < y < end, and of 0 elsewhere."""
    low, high = (start - mean) / deviation, (end - mean) / deviation
    share = norm.cdf(high) - norm.cdf(low)
    found: np.ndarray = (mean - start) * share + deviation * (norm.pdf(low) - norm.pdf(high))
    return found
