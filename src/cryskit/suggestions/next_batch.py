"""The next batch of candidates, from what is known so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.suggestions.acquisition import SHORTLIST, batch_of
from cryskit.suggestions.gain import chance
from cryskit.suggestions.surrogate import Surrogate

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from cryskit.goals import Goal
    from cryskit.suggestions.acquisition import Acquisition
    from cryskit.suggestions.surrogate import Prior


class Batch(NamedTuple):
    """The candidates of a batch, the most promising first.

    Attributes:
        rows: (batch,) which crystals they are.
        mean: (batch,) expected values.
        deviation: (batch,) their standard deviations.
        chance: (batch,) the probability of each to be better than the best value known or, where none is, than the best prediction.
    """

    rows: Int[np.ndarray, " batch"]
    mean: Float[np.ndarray, " batch"]
    deviation: Float[np.ndarray, " batch"]
    chance: Float[np.ndarray, " batch"]


def next_batch(
    points: Float[np.ndarray, "n components"],
    values: Float[np.ndarray, " n"],
    prior: Prior,
    free: Int[np.ndarray, " m"],
    goal: Goal,
    acquisition: Acquisition,
    count: int,
    seed: int = 0,
) -> Batch:
    """Return the candidates to ask for next.

    Args:
        points: The crystals (`surrogate.Space`).
        values: Their values on the scale on which the property is learned; NaN where unknown.
        prior: What is expected of each without these values.
        free: Rows of the crystals that may be asked for.
        goal: What is looked for, on the same scale.
        acquisition: What a candidate promises.
        count: Most candidates of the batch.
        seed: Seed of the choice of crystals to which the kernel is fitted.
    """
    known = np.flatnonzero(np.isfinite(values))
    surrogate = Surrogate(points[known], values[known], prior.take(known), seed)
    mean, deviation = surrogate.moments(points[free], prior.take(free))
    best = float(np.max(goal.worth(values[known] if len(known) else mean)))
    short = np.argsort(-acquisition(goal, mean, deviation, best), kind="stable")[: max(SHORTLIST, count)]
    covariance, noise = surrogate.covariance(points[free[short]], prior.take(free[short]))
    chosen = short[batch_of(goal, acquisition, mean[short], covariance, best, count, noise)]
    better = chance(goal, mean, deviation, best)
    return Batch(free[chosen], mean[chosen], deviation[chosen], better[chosen])
