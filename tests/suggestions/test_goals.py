"""Goals: what texts say, and gains and chances that are those of a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryskit.errors import PlanError
from cryskit.suggestions.goals import Goal

GOALS = [Goal("x", "max"), Goal("x", "min"), Goal("x", "near", 0.4)]


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("max K_VRH", Goal("bulk_modulus", "max")),
        (" minimise formation_energy_per_atom ", Goal("formation_energy_per_atom", "min")),
        ("maximize hardness", Goal("hardness", "max")),
        ("band_gap near 1.5", Goal("band_gap", "near", 1.5)),
        ("Band Gap (eV) near -2e-1", Goal("band_gap", "near", -0.2)),
    ],
)
def test_texts_that_say_a_goal(text: str, goal: Goal) -> None:
    assert str(Goal.parse(text)) == str(goal)


@pytest.mark.parametrize(
    "text", ["", "bulk_modulus", "max", "most bulk_modulus", "band_gap near", "gap near one", "gap near inf"]
)
def test_texts_that_say_none(text: str) -> None:
    with pytest.raises(PlanError, match="is no goal"):
        Goal.parse(text)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(GOALS), st.floats(-2, 2), st.floats(0.05, 2), st.floats(-1.5, 1.5))
def test_gain_and_chance_are_those_of_drawn_values(goal: Goal, mean: float, deviation: float, best: float) -> None:
    best = -abs(best) if goal.kind == "near" else best
    drawn = goal.worth(np.random.default_rng(0).normal(mean, deviation, 200_000)) - best
    at, spread = np.array([mean]), np.array([deviation])
    assert goal.gain(at, spread, best)[0] == pytest.approx(np.maximum(drawn, 0).mean(), abs=0.012 * deviation + 1e-3)
    assert goal.chance(at, spread, best)[0] == pytest.approx((drawn > 0).mean(), abs=0.006)


def test_worth_is_larger_for_what_is_looked_for() -> None:
    values = np.array([-1.0, 0.3, 2.0])
    assert [int(goal.worth(values).argmax()) for goal in GOALS] == [2, 0, 1]
