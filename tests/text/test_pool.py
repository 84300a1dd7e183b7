"""Rows come back in order, whatever becomes of the processes."""

from __future__ import annotations

import numpy as np
import pytest
from text.workers import task

from cryskit.errors import CryskitError
from cryskit.text.pool import Pool
from cryskit.types import Crystal


def named(*names: str) -> list[Crystal]:
    return [Crystal(name, np.eye(3) * 4, np.zeros((1, 3)), np.array([11])) for name in names]


def statuses(*names: str, workers: int = 1) -> dict[str, str]:
    with Pool(workers, 0.1, task) as pool:
        return {description.id: description.status for description in pool.describe(named(*names))}


def test_crystals_come_back_in_order() -> None:
    names = [str(i) for i in range(50)]
    assert list(statuses(*names, workers=2)) == names


def test_a_process_that_dies_costs_its_own_crystal_only() -> None:
    found = statuses("a", "die", "b", "c", "die again", "d")
    assert [name for name, status in found.items() if status == "short"] == ["die", "die again"]
    assert list(found) == ["a", "die", "b", "c", "die again", "d"]


def test_a_process_that_does_not_hear_of_its_time_out_is_ended() -> None:
    with Pool(1, 0.2, task) as pool:
        (deaf,) = pool.describe(named("deaf"))
    assert (deaf.status, deaf.reason) == ("short", "The process that described it ended")


def test_an_error_of_any_kind_is_a_reason() -> None:
    with Pool(1, 1.0, task) as pool:
        odd, after = pool.describe(named("odd", "after"))
    assert (odd.status, odd.reason) == ("short", "KeyboardInterrupt: nobody expects this")
    assert after.status == "described"


def test_what_is_not_installed_is_said_once() -> None:
    with Pool(1, 1.0, task) as pool, pytest.raises(CryskitError, match="Install it"):
        list(pool.describe(named("missing", "a", "b")))
