"""All levels of encoders in one vector: what each section of it holds, and what cannot be joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cryskit import properties
from cryskit.data.read import read
from cryskit.errors import ModelError, PlanError
from cryskit.explain.atoms import Explainer
from cryskit.graphs.build import build
from cryskit.layers.pool import max_pool, mean_pool
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.types import Crystal

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
SMALL = {"name": "steinhardt", "width": 8, "layers": 2, "channels": 4}
PLAIN = {"name": "cgcnn", "width": 6, "layers": 2}


def test_sections_are_the_crystal_vector_and_the_pooled_levels() -> None:
    torch.manual_seed(0)
    network = ENCODERS.build(
        {"name": "levels", "members": [{"encoder": SMALL, "levels": 3}, {"encoder": PLAIN, "levels": 0}]}
    ).eval()
    graph = build(CRYSTALS, replace(network.needs, reduce=False))
    found = network(graph).crystals
    assert found.shape == (len(CRYSTALS), 8 * (1 + 3 * 3) + 6)
    first, second = network.members
    assert torch.equal(found[:, :8], first(graph).crystals)
    assert torch.equal(found[:, -6:], second(graph).crystals)
    entering = first.inputs(graph.numbers)
    assert torch.allclose(found[:, 8:16], mean_pool(entering, graph))
    apart = entering - mean_pool(entering, graph)[graph.crystal_of_atom]
    spread = mean_pool(apart.square(), graph).sqrt()
    assert torch.allclose(found[:, 16:24], spread, atol=2e-3)
    assert torch.equal(found[:, 24:32], max_pool(entering, graph))
    assert torch.equal(found[:, 56:64], mean_pool(first(graph).atoms, graph))


def test_encoders_of_different_graphs_are_not_joined() -> None:
    members = [{"encoder": PLAIN, "levels": 1}, {"encoder": PLAIN | {"neighbours": "nearest"}, "levels": 1}]
    with pytest.raises(PlanError, match="different graphs"):
        ENCODERS.build({"name": "levels", "members": members})
    with pytest.raises(PlanError, match="no encoder"):
        ENCODERS.build({"name": "levels", "members": []})


def test_statistics_over_the_composition_stand_among_levels() -> None:
    torch.manual_seed(0)
    members = [{"encoder": PLAIN, "levels": 0}, {"composition": 3}]
    network = ENCODERS.build({"name": "levels", "members": members}).eval()
    network.members[1].table.copy_(torch.randn(101, 3))
    graph = build(CRYSTALS, network.needs)
    found = network(graph)
    assert found.crystals.shape == (len(CRYSTALS), 6 + 6 * 3)
    assert found.atoms.shape == (graph.atoms, 6 + 6 * 3)
    whole = network(build(CRYSTALS, replace(network.needs, reduce=False)))
    assert torch.allclose(found.crystals[:, 6:], whole.crystals[:, 6:], atol=1e-5)
    alone = ENCODERS.build({"name": "levels", "members": [{"composition": 3}]})
    assert alone.needs == network.needs
    with pytest.raises(ModelError, match="no input layer"):
        _ = alone.inputs


@pytest.mark.parametrize("part", ["two encoders", "trees"])
def test_what_has_no_explanation_is_refused(part: str) -> None:
    members = [{"encoder": PLAIN, "levels": 0}] * (1 + (part == "two encoders"))
    encoder = {"name": "levels", "members": members}
    trees = {"name": "trees", "components": 2, "trees": 1, "nodes": 1, "depth": 1}
    regressor = {**({"name": "linear"} if part == "two encoders" else trees), "start": 0, "stop": 6}
    card = Card(
        name="both",
        encoder=ENCODERS.complete(encoder),
        heads={"name": "regressors", "parts": [regressor]},
        spec=ENCODERS.needs(encoder),
        properties=[properties.get("band_gap")],
    )
    with pytest.raises(ModelError, match="joins 2 encoders" if part == "two encoders" else "boosted trees"):
        Explainer(Predictor.from_card(card))
