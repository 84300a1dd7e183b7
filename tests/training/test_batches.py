"""Crystals of a group come in pairs, and nobody is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryskit.batching import Batcher
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.training.batches import EdgeBatches, paired
from cryskit.types import GraphSpec

CRYSTALS = list(read(Path(__file__).parents[2] / "examples"))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 99))
def test_pairs_are_neighbours_and_nobody_is_lost(groups: list[int], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(groups))
    found = paired(order, np.array(groups))
    assert sorted(found) == sorted(order)
    place = {crystal: position for position, crystal in enumerate(found)}
    for group in set(groups):
        members = [crystal for crystal in order if groups[crystal] == group]
        for first, second in zip(members[::2], members[1::2], strict=False):
            assert place[second] == place[first] + 1


def test_training_pairs_crystal_systems_where_they_are_known_and_validation_keeps_the_order() -> None:
    batcher = Batcher(build(CRYSTALS, GraphSpec(symmetry=True)))
    assert batcher.symmetry is not None
    systems = batcher.symmetry[:, 1]
    (shuffled,) = EdgeBatches(batcher, 10**6, 0, 1)
    alone = sum(systems.tolist().count(system) % 2 for system in set(systems.tolist()))
    partners = sum(systems[a] == systems[b] for a, b in pairwise(shuffled))
    assert partners >= (len(CRYSTALS) - alone) // 2
    (kept,) = EdgeBatches(batcher, 10**6, None, 1)
    assert kept == list(range(len(CRYSTALS)))
    assert Batcher(build(CRYSTALS, GraphSpec())).symmetry is None
