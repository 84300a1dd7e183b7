"""A student learns its teacher's vectors and its labels, in the shares that delta says; the epoch is chosen by labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cryskit import batching
from cryskit.data.read import read
from cryskit.errors import PlanError
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.layers.hidden_states import encode_with_hidden_states
from cryskit.objectives.distill import PRESETS, Distill
from cryskit.registry import ENCODERS
from cryskit.training.fit import fit
from cryskit.training.plan import Optimisation
from cryskit.types import Crystal, Graph, Property

pytestmark = pytest.mark.usefixtures("graphs_built_once")

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
WIDTH = 5


def made(width: int = 8, layers: int = 1, **settings: Any) -> tuple[Distill, Graph]:
    torch.manual_seed(0)
    heads = PropertyHeads(width, [Property("energy", "E", "eV")])
    network = ENCODERS.build({"name": "cgcnn", "width": width, "layers": 3})
    objective = Distill(network, heads, WIDTH, layers=layers, **settings)
    graph = build(CRYSTALS, objective.needs)
    vectors = torch.randn(graph.atoms, layers, WIDTH, generator=torch.Generator().manual_seed(1)) * 3 + 2
    truth = np.random.default_rng(0).normal(size=(len(CRYSTALS), 1))
    graph = replace(batching.with_targets(graph, truth), teacher=vectors)
    objective.prepare(graph)
    return objective, graph


def per_crystal(each: torch.Tensor, graph: Graph) -> float:
    """The mean over crystals of the mean over their atoms."""
    means = []
    for crystal in range(graph.crystals):
        rows = graph.crystal_of_atom == crystal
        weight = graph.multiplicity[rows]
        means.append(float((each[rows].detach() * weight).sum() / weight.sum()))
    return float(np.mean(means))


def test_the_papers_loss_is_half_labels_and_half_the_mean_square_of_unit_vectors() -> None:
    objective, graph = made(preset="paper", width=WIDTH)
    objective.train()
    losses = objective(graph)
    student = normalize(objective.encoder(graph).atoms, dim=1)
    square = (student - normalize(graph.teacher[:, 0], dim=1)).square().mean(1)
    assert float(losses["teacher"].detach()) == pytest.approx(0.5 * per_crystal(square, graph), rel=1e-4)
    alone = objective.supervision(objective.encoder(graph), graph)["energy"]
    assert float(losses["energy"].detach()) == pytest.approx(0.5 * float(alone.detach()), rel=1e-4)


def test_the_papers_square_is_a_cosine() -> None:
    losses = []
    for matching in ("square", "cosine"):
        objective, graph = made(preset="paper", width=WIDTH, matching=matching)
        losses.append(float(objective.train()(graph)["teacher"].detach()))
    assert losses[0] == pytest.approx(2 / WIDTH * losses[1], rel=1e-4)


def test_standard_vectors_have_no_mean_and_unit_deviation() -> None:
    objective, graph = made(matching="standard")
    weight = graph.multiplicity[:, None, None]
    scaled = (graph.teacher - objective.mean) / objective.deviation
    mean = (scaled * weight).sum(0) / weight.sum()
    assert torch.allclose(mean, torch.zeros_like(mean), atol=1e-5)
    assert torch.allclose((scaled.square() * weight).sum(0) / weight.sum(), torch.ones_like(mean), atol=1e-4)


@pytest.mark.parametrize("schedule", ["fixed", "rising"])
def test_delta_shares_the_loss_and_may_rise(schedule: str) -> None:
    objective, graph = made(delta=0.2, schedule=schedule)
    objective.train()
    with torch.no_grad():
        start = objective(graph)
        objective.advance(0.5)
        later = objective(graph)
    labels, teacher = (0.6 / 0.2, 0.4 / 0.8) if schedule == "rising" else (1.0, 1.0)
    assert float(later["energy"] / start["energy"]) == pytest.approx(labels, rel=1e-4)
    assert float(later["teacher"] / start["teacher"]) == pytest.approx(teacher, rel=1e-4)


def test_in_evaluation_labels_alone_count() -> None:
    objective, graph = made()
    objective.eval()
    assert set(objective(replace(graph, teacher=None))) == set(objective.sizes(graph)) == {"energy"}


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_reach_student_and_projectors(preset: str, layers: int) -> None:
    objective, graph = made(preset=preset, layers=layers, width=WIDTH)
    torch.stack(list(objective.train()(graph).values())).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in objective.parameters())


def test_what_is_tapped_is_what_the_layers_say() -> None:
    objective, graph = made(layers=3)
    objective.eval()
    encoding, vectors = encode_with_hidden_states(objective.encoder, graph, 3)
    assert [tuple(v.shape) for v in vectors] == [(graph.atoms, 8)] * 3
    torch.testing.assert_close(vectors[-1], encoding.atoms)
    shallow = ENCODERS.build({"name": "cgcnn", "width": 8, "layers": 2}).eval()
    shallow.load_state_dict({k: v for k, v in objective.encoder.state_dict().items() if k in shallow.state_dict()})
    torch.testing.assert_close(shallow(graph).atoms, vectors[1])
    with pytest.raises(PlanError, match="4 layers"):
        encode_with_hidden_states(objective.encoder, graph, 4)


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(PlanError, match="projector"):
        made(preset="paper", width=8)
    with pytest.raises(PlanError, match="delta"):
        made(delta=1.5)
    objective, graph = made()
    with pytest.raises(PlanError, match="teacher"):
        objective.train()(replace(graph, teacher=None))


def test_a_student_becomes_like_its_teacher_and_the_run_tells_how_far_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    objective, graph = made(delta=0.0, schedule="rising")
    before = float(objective.train()(graph)["teacher"].detach())
    fit(objective, graph, graph, Optimisation(epochs=80, edges=1000, averaging=0, rate=0.01), tmp_path)
    assert 0.9 < float(objective.progress) < 1
    objective.progress.zero_()
    assert float(objective.train()(graph)["teacher"].detach()) < 0.5 * before
