"""Crystals belong to the groups that chemists name, whatever the choice of cell."""

from __future__ import annotations

import numpy as np
import pytest

from cryskit.evaluate.coverage import groups_of_crystals
from cryskit.graphs.build import build
from cryskit.reliability.groups import GROUPS, element_counts, groups_of
from cryskit.types import Crystal, GraphSpec

NAMED = {
    (14,): {"elements"},
    (11, 17): {"binaries", "halides"},
    (8, 8, 22): {"binaries", "oxides"},
    (20, 22, 8, 8, 8): {"oxides"},
    (42, 16, 16): {"binaries", "chalcogenides"},
    (26, 13): {"binaries", "intermetallics"},
    (26,): {"elements"},
    (19, 8, 1): {"oxides", "hydrogen compounds"},
    (29, 34, 8): {"oxides"},
}


@pytest.mark.parametrize("numbers", NAMED)
def test_groups_are_those_of_the_elements(numbers: tuple[int, ...]) -> None:
    places = np.random.default_rng(0).random((len(numbers), 3))
    crystal = Crystal("c", 6 * np.eye(3), places, numbers)
    doubled = Crystal(
        "d", np.diag([12.0, 6, 6]), np.concatenate([places, places + np.array([1, 0, 0])]) / [2, 1, 1], numbers * 2
    )
    found = groups_of_crystals([crystal, doubled])
    assert {name for name, member in zip(GROUPS, found[0], strict=True) if member} == NAMED[numbers] | {"all"}
    assert (found[0] == found[1]).all()
    graph = build([crystal, doubled], GraphSpec())
    assert (groups_of(element_counts(graph)).numpy() == found).all()
    assert element_counts(graph).sum(1).tolist() == [len(numbers), 2 * len(numbers)]
