"""The advantage of the strongest over random ones, and its interval."""

from __future__ import annotations

import numpy as np

from benchmarks.studies.advantages import advantages
from cryskit.explain.checks import Deletions


def test_errors_are_compared_where_labels_are_given() -> None:
    value = np.zeros(3)
    found = Deletions((1,), value, np.full((3, 1), 2.0), np.full((3, 1, 4), -1.0))
    (moved,) = advantages(found)
    assert (moved.top, moved.random, moved.difference) == (2.0, 1.0, 1.0)
    (worse,) = advantages(found, np.array([2.0, 2.0, np.nan]))
    assert worse.crystals == 2
    assert (worse.top, worse.random) == (-2.0, 1.0)


def test_an_advantage_has_an_interval_and_a_size_that_no_crystal_has_has_none() -> None:
    rng = np.random.default_rng(0)
    value, random = np.zeros(40), rng.normal(size=(40, 2, 5))
    found = Deletions((1, 100), value, np.stack([2 + rng.random(40), np.full(40, np.nan)], axis=1), random)
    clear, none = advantages(found)
    assert 0 < clear.low < clear.difference < clear.high
    assert none.crystals == 0
    assert np.isnan(none.difference)
    (level,) = advantages(Deletions((1,), value, rng.normal(size=(40, 1)), rng.normal(size=(40, 1, 5))))
    assert level.low < 0 < level.high
