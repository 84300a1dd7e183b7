"""How much a candidate promises, and batches in which one promise is not made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cryskit.registry import Registry
from cryskit.suggestions.gain import chance, gain

if TYPE_CHECKING:
    from jaxtyping import Float

    from cryskit.goals import Goal

SHORTLIST = 1500
"""Most promising candidates among which a batch is chosen."""
BOLDNESS = 2.0
"""Deviations that `confidence` adds to what is expected."""


class Acquisition(Protocol):
    """What a candidate promises, from its expected value and standard deviation; the more the better."""

    def __call__(
        self, goal: Goal, mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], best: float
    ) -> Float[np.ndarray, " n"]:
        """Return the promise of each candidate; `best` is the worth of the best value known."""
        ...


def expected_improvement(goal: Goal, mean: Any, deviation: Any, best: float) -> Any:
    """Return by how much each candidate is expected to be better than the best known (Jones 1998, doi 10.1023/A:1008306431147)."""
    return gain(goal, mean, deviation, best)


def improvement_probability(goal: Goal, mean: Any, deviation: Any, best: float) -> Any:
    """Return the probability of each candidate that it is better than the best known."""
    return chance(goal, mean, deviation, best)


def confidence(goal: Goal, mean: Any, deviation: Any, best: float) -> Any:
    """Return the worth of each candidate if it is two deviations better than expected (upper confidence bound)."""
    del best
    return goal.worth(mean) + BOLDNESS * deviation


def uncertainty(goal: Goal, mean: Any, deviation: Any, best: float) -> Any:
    """Return the standard deviation of each candidate: what would teach most."""
    del goal, mean, best
    return deviation


def expectation(goal: Goal, mean: Any, deviation: Any, best: float) -> Any:
    """Return the worth of the expected value of each candidate: no exploration."""
    del deviation, best
    return goal.worth(mean)


ACQUISITIONS = Registry(
    "acquisition",
    {
        "ei": "cryskit.suggestions.acquisition:expected_improvement",
        "pi": "cryskit.suggestions.acquisition:improvement_probability",
        "ucb": "cryskit.suggestions.acquisition:confidence",
        "uncertainty": "cryskit.suggestions.acquisition:uncertainty",
        "mean": "cryskit.suggestions.acquisition:expectation",
    },
)
"""Promises by name."""


def batch_of(
    goal: Goal,
    acquisition: Acquisition,
    mean: Float[np.ndarray, " n"],
    covariance: Float[np.ndarray, "n n"],
    best: float,
    count: int,
    noise: Float[np.ndarray, " n"],
) -> list[int]:
    """Return positions of candidates of a batch, the most promising first.

    After each choice all others are judged as if its expected value had been measured: candidates that are like a chosen one
    become certain and promise less, so that a batch is diverse.

    Args:
        goal: What is looked for.
        acquisition: What a candidate promises.
        mean: Expected values.
        covariance: Their covariances.
        best: Worth of the best value known.
        count: Candidates of the batch.
        noise: Variance that a measurement adds.
    """
    left, chosen = covariance.copy(), []
    free = np.ones(len(mean), dtype=bool)
    for _ in range(min(count, len(mean))):
        deviation = np.sqrt(np.maximum(np.diagonal(left), 1e-18))
        promise = np.where(free, acquisition(goal, mean, deviation, best), -np.inf)
        one = int(promise.argmax())
        chosen.append(one)
        free[one] = False
        column = left[:, one].copy()
        left -= np.outer(column, column) / max(column[one] + noise[one], 1e-18)
    return chosen
