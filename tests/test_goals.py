"""Goals: what texts say of properties and of columns, and what values are worth."""

from __future__ import annotations

import numpy as np
import pytest

from cryskit.errors import PlanError, UnknownNameError
from cryskit.goals import Goal

GOALS = [Goal("x", "max"), Goal("x", "min"), Goal("x", "near", 0.4)]


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("max K_VRH", Goal("bulk_modulus", "max")),
        (" minimise formation_energy_per_atom ", Goal("formation_energy_per_atom", "min")),
        ("maximize hardness", Goal("hardness", "max")),
        ("K_VRH", Goal("bulk_modulus", "max")),
        ("-band_gap", Goal("band_gap", "min")),
        ("MAX band_gap", Goal("band_gap", "max")),
        ("band_gap near 1.5", Goal("band_gap", "near", 1.5)),
        ("Band Gap (eV) near -2e-1", Goal("band_gap", "near", -0.2)),
    ],
)
def test_texts_that_say_a_goal(text: str, goal: Goal) -> None:
    assert str(Goal.parse(text)) == str(goal)


@pytest.mark.parametrize(
    "text", ["", "-", "max", "near", "most bulk_modulus", "band_gap near", "gap near one", "gap near inf"]
)
def test_texts_that_say_none(text: str) -> None:
    with pytest.raises(PlanError, match="is no goal"):
        Goal.parse(text)


def test_of_columns_one_is_named() -> None:
    columns = ["band_gap", "band_gap_std", "energy_above_hull"]
    assert str(Goal.parse("min band_gap_std", columns)) == "min band_gap_std"
    assert Goal.parse("Band Gap (eV) near 2", columns) == Goal("band_gap", "near", 2.0)
    with pytest.raises(UnknownNameError, match="Did you mean band_gap"):
        Goal.parse("max bandgop", columns)
    with pytest.raises(UnknownNameError, match="no column of numbers called 'bulk_modulus'"):
        Goal.parse("bulk_modulus", columns)


def test_worth_is_larger_for_what_is_looked_for() -> None:
    values = np.array([-1.0, 0.3, 2.0])
    assert [int(goal.worth(values).argmax()) for goal in GOALS] == [2, 0, 1]
