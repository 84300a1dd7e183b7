"""Missing labels count for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cryskit import batching
from cryskit.data.read import read
from cryskit.encoders.cgcnn import CGCNN
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.types import Property

CRYSTALS = list(read(Path(__file__).parents[2] / "examples"))[:6]
PROPERTIES = [Property("energy", "E", "eV"), Property("modulus", "K", "GPa", transform="log10")]


def objective_and_graph(truth: np.ndarray, **settings: object) -> tuple[PropertyObjective, object]:
    torch.manual_seed(0)
    encoder = CGCNN(width=8, layers=1)
    heads = PropertyHeads(8, PROPERTIES)
    heads.fit_scale(torch.tensor([[0.0, 1.0], [1.0, 100.0]]))
    graph = batching.with_targets(build(CRYSTALS, encoder.needs), truth)
    return PropertyObjective(encoder, heads, **settings).eval(), graph


TRUTH = np.array([[1.0, 10.0], [2.0, np.nan], [np.nan, np.nan], [0.5, 50.0], [1.0, -3.0], [np.nan, 20.0]])


@pytest.mark.parametrize(("loss", "power"), [("absolute", 1), ("squared", 2)])
def test_losses_are_means_over_known_labels(loss: str, power: int) -> None:
    objective, graph = objective_and_graph(TRUTH, loss=loss)
    predictions = objective.supervision.heads(objective.encoder(graph).crystals).detach().numpy()
    for column, (name, value) in enumerate(objective(graph).items()):
        truth = np.log10(TRUTH[:, 1], where=TRUTH[:, 1] > 0, out=np.full(6, np.nan)) if column else TRUTH[:, 0]
        scaled = (truth - float(objective.supervision.heads.mean[column])) / float(
            objective.supervision.heads.deviation[column]
        )
        expected = np.nanmean(np.abs(scaled - predictions[:, column]) ** power)
        assert float(value.detach()) == pytest.approx(expected, rel=1e-4), name
    assert objective.sizes(graph) == {"energy": 4, "modulus": 3}


def test_weights_multiply_the_losses() -> None:
    plain, graph = objective_and_graph(TRUTH)
    weighted, _ = objective_and_graph(TRUTH, weights={"modulus": 0.25})
    left, right = plain(graph), weighted(graph)
    torch.testing.assert_close(left["energy"], right["energy"])
    torch.testing.assert_close(left["modulus"] * 0.25, right["modulus"])


def test_a_batch_without_labels_has_no_loss_and_no_gradient() -> None:
    objective, graph = objective_and_graph(np.full((6, 2), np.nan))
    losses = objective(graph)
    torch.stack(list(losses.values())).sum().backward()
    assert all(float(loss.detach()) == 0 for loss in losses.values())
    assert all(p.grad is None or not p.grad.any() for p in objective.parameters())


def test_a_penalty_is_a_loss_of_training_alone() -> None:
    plain, graph = objective_and_graph(TRUTH)
    encoder = CGCNN(width=8, layers=1, inputs={"name": "selector", "penalty": 0.5})
    objective = PropertyObjective(encoder, plain.supervision.heads)
    losses = objective.train()(graph)
    assert set(losses) == {"energy", "modulus", "selector"}
    torch.testing.assert_close(losses["selector"], encoder.inputs.penalty())
    losses["selector"].backward()
    assert encoder.inputs.gate.bit.grad.min() > 0
    assert set(objective.eval()(graph)) == set(objective.sizes(graph)) == {"energy", "modulus"}
    assert set(plain.train()(graph)) == {"energy", "modulus"}
