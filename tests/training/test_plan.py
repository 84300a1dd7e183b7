"""The hash of a plan changes with all that changes the result, and with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryskit.errors import PlanError
from cryskit.training.plan import About, Plan, Start

if TYPE_CHECKING:
    from pathlib import Path

BARE = Plan(properties=("band_gap",))


def begin(**values: object) -> Plan:
    return Plan.make({"properties": ["band_gap"], "start": {"file": "a.safetensors", **values}})


def test_a_plan_without_start_has_the_hash_that_runs_on_disk_know() -> None:
    assert BARE.hash == "4af691de36317f82"
    assert BARE.model_copy(update={"about": About(licence="MIT")}).hash == BARE.hash


def test_a_file_to_start_from_counts_by_its_content() -> None:
    left, right = begin(digest="1"), begin(digest="1", file="elsewhere/b.safetensors")
    assert left.hash == right.hash
    others = [BARE, begin(), begin(digest="2"), begin(digest="1", freeze=1), begin(digest="1", decay=0.5)]
    others.append(begin(digest="1", parts="convolutions"))
    others.append(left.model_copy(update={"repeats": {1: 8}}))
    assert len({plan.hash for plan in [left, *others]}) == 8


def test_plans_survive_their_file(tmp_path: Path) -> None:
    for plan in (BARE, begin(freeze=2, decay=0.5), Plan(repeats={1: 8}), Plan(objective={"name": "crysae"})):
        path = tmp_path / "plan.yaml"
        path.write_text(plan.to_yaml(), encoding="utf-8")
        assert Plan.from_yaml(path) == plan


@pytest.mark.parametrize("wrong", [{"parts": "heads"}, {"freeze": -1}, {"decay": 0}, {"decay": 1.5}, {"file": None}])
def test_a_start_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PlanError, match=rf"start\.{next(iter(wrong))}"):
        begin(**wrong)


def test_start_is_the_whole_encoder_by_default() -> None:
    assert begin().start == Start(file="a.safetensors", parts="encoder", freeze=0, decay=1.0)
