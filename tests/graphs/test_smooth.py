"""Smooth neighbourhoods: the weights add up to the count, and nothing enters or leaves with a weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.graphs.neighbours import neighbours
from cryskit.graphs.smooth import SMALLEST, START, falloff, reaches, weights
from cryskit.types import Crystal, GraphSpec

SPEC = GraphSpec()
CRYSTALS = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
EVERY = GraphSpec(neighbours="radius")
LONE = Crystal("lone", np.eye(3) * 7.0, np.zeros((1, 3)), np.array([54]))


def test_the_falloff_is_one_then_zero_and_smooth_between() -> None:
    assert falloff(np.array([0.0, START, 1.0, 2.0])).tolist() == pytest.approx([1, 1, 0, 0])
    share = np.linspace(START - 0.05, 1.05, 100_001)
    slope = np.gradient(falloff(share), share)
    assert slope.min() > -1.876 / (1 - START)
    assert abs(np.gradient(slope, share)).max() < 5.78 / (1 - START) ** 2, "the second derivative is bounded, too"


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("count", [3, 12, 24])
def test_weights_add_up_to_the_count(name: str, count: int) -> None:
    crystal = CRYSTALS[name]
    found = neighbours(crystal, np.arange(len(crystal)), replace(SPEC, count=count))
    np.testing.assert_allclose(np.bincount(found.centre, found.weight), count, atol=1e-4)
    assert found.weight.min() > SMALLEST
    assert found.weight.max() <= 1


@pytest.mark.parametrize("name", CRYSTALS)
def test_a_list_as_far_as_the_radius_gives_the_same_weights(name: str) -> None:
    """The search ends early; nothing beyond its end has a weight."""
    crystal = CRYSTALS[name]
    atoms = np.arange(len(crystal))
    found, listed = neighbours(crystal, atoms, SPEC), neighbours(crystal, atoms, EVERY)
    reach = reaches(listed.distance, listed.centre, len(crystal), SPEC)[listed.centre]
    expected = falloff(listed.distance / reach) * falloff(listed.distance / SPEC.radius)
    np.testing.assert_allclose(found.weight, expected[expected > SMALLEST], atol=1e-7)


def test_an_atom_with_few_neighbours_sees_them_fade_towards_the_radius() -> None:
    counted = []
    for edge in (5.0, 6.0, 7.0, 7.9, 8.1):
        lone = Crystal("lone", np.eye(3) * edge, np.zeros((1, 3)), np.array([54]))
        counted.append(float(neighbours(lone, np.arange(1), SPEC).weight.sum()))
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] == 0
    assert 0 < counted[-2] < 1e-2


@given(st.lists(st.floats(0.5, 7.9), min_size=1, max_size=60), st.integers(1, 24), st.floats(1e-6, 1e-2))
def test_no_weight_changes_faster_than_the_bound(distances: list[float], count: int, change: float) -> None:
    """Any distances, also such that leave gaps: one of them is changed."""
    spec, centre = replace(SPEC, count=count), np.zeros(len(distances), np.int64)
    before = np.array(distances)
    after = before.copy()
    after[0] += change
    one, other = (weights(each, centre, 1, spec) for each in (before, after))
    shortest = max(float(np.sort(before)[min(count, len(before)) - 1]), 0.5)
    bound = 1.875 / (1 - START) * (2 / min(shortest, spec.radius) + 1 / spec.radius) * change
    assert np.abs(one - other).max() <= bound * 1.01 + 1e-6


def test_mutual_neighbours_weigh_the_same_from_both_ends() -> None:
    graph = build(list(CRYSTALS.values()), GraphSpec(undirected=True, reduce=False))
    assert graph.weight is not None
    assert graph.reverse is not None
    torch.testing.assert_close(graph.weight, graph.weight[graph.reverse], atol=1e-6, rtol=0)
    directed = build(list(CRYSTALS.values()), GraphSpec(reduce=False))
    assert graph.edges.shape[1] > directed.edges.shape[1]
    assert float(graph.weight.sum()) > float(directed.weight.sum())


def test_weights_after_displacements_are_those_of_the_displaced_crystal() -> None:
    crystal = CRYSTALS["LiFePO4"]
    spec = GraphSpec(reduce=False)
    graph = build([crystal], spec)
    again = weights(graph.vectors.norm(dim=1).numpy(), graph.edges[0].numpy(), graph.atoms, spec)
    np.testing.assert_allclose(again, graph.weight.numpy(), atol=1e-5)


def test_lone_atoms_have_no_edges() -> None:
    far = Crystal("far", np.eye(3) * 9.0, np.zeros((1, 3)), np.array([54]))
    graph = build([LONE, far], SPEC)
    assert graph.edges.shape[1] == 6
    assert graph.weight.shape == (6,)
