"""Gains and chances are those of a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryskit.goals import Goal
from cryskit.suggestions.gain import chance, gain

GOALS = [Goal("x", "max"), Goal("x", "min"), Goal("x", "near", 0.4)]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(GOALS), st.floats(-2, 2), st.floats(0.05, 2), st.floats(-1.5, 1.5))
def test_gain_and_chance_are_those_of_drawn_values(goal: Goal, mean: float, deviation: float, best: float) -> None:
    best = -abs(best) if goal.kind == "near" else best
    drawn = goal.worth(np.random.default_rng(0).normal(mean, deviation, 200_000)) - best
    at, spread = np.array([mean]), np.array([deviation])
    assert gain(goal, at, spread, best)[0] == pytest.approx(np.maximum(drawn, 0).mean(), abs=0.012 * deviation + 1e-3)
    assert chance(goal, at, spread, best)[0] == pytest.approx((drawn > 0).mean(), abs=0.006)
