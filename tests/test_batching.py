"""Collating, taking and splitting follow the declared axes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryskit import batching
from cryskit.batching import Batcher
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.types import FIELD_AXES, Crystal, Graph, GraphSpec

ALONE = Crystal("alone", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))
CRYSTALS = [*read(Path(__file__).parents[1] / "examples"), ALONE]
SPEC = GraphSpec(symmetry=True)
GRAPH = batching.with_targets(build(CRYSTALS, SPEC), np.arange(2.0 * len(CRYSTALS)).reshape(-1, 2))
BATCHER = Batcher(GRAPH)


def same(left: Graph, right: Graph) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) for name, tensor in left.tensors.items()
    )


def test_every_field_of_a_graph_declares_its_axis() -> None:
    assert set(FIELD_AXES) == {f.name for f in fields(Graph)}


@given(st.lists(st.integers(0, len(CRYSTALS) - 1), min_size=1, max_size=12))
def test_taking_is_collating_the_parts(rows: list[int]) -> None:
    parts = batching.split(GRAPH)
    assert same(BATCHER.take(np.array(rows)), batching.collate([parts[row] for row in rows]))


def test_taking_equals_building_anew() -> None:
    rows = [5, 2, len(CRYSTALS) - 1, 0]
    built = build([CRYSTALS[row] for row in rows], SPEC)
    taken = BATCHER.take(np.array(rows))
    assert same(batching.with_targets(built, taken.targets.numpy()), taken)


@given(st.integers(1, 2000), st.integers(0, 100))
def test_batches_hold_every_crystal_once(edges: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(CRYSTALS))
    batches = BATCHER.batches(edges, order)
    assert np.concatenate(batches).tolist() == order.tolist()


def test_batches_have_about_equal_cost() -> None:
    many = Batcher(batching.collate([GRAPH] * 40))
    batches = many.batches(1000)
    costs = [many.lengths["edges"][batch].sum() for batch in batches]
    assert max(costs) < 1000 + many.lengths["edges"].max()
    assert min(costs) > 1000 - 2 * many.lengths["edges"].max()


def test_how_many_batches_there_are_does_not_depend_on_the_order() -> None:
    many = Batcher(batching.collate([GRAPH] * 20))
    counts = {len(many.batches(500, np.random.default_rng(i).permutation(len(many)))) for i in range(20)}
    assert len(counts) == 1


def test_crystals_of_few_elements_are_repeated_and_others_are_not() -> None:
    found = batching.repeated(GRAPH, {1: 3, 2: 2})
    times = [{1: 3, 2: 2}.get(len(np.unique(crystal.numbers)), 1) for crystal in CRYSTALS]
    assert {1, 2, 3} <= set(times)
    assert same(found, BATCHER.take(np.repeat(np.arange(len(CRYSTALS)), times)))
    assert batching.repeated(GRAPH, {}) is GRAPH


def test_moving_keeps_every_field() -> None:
    assert same(batching.to(GRAPH, "cpu"), GRAPH)
