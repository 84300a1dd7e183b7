"""What every objective in the registry promises; a new one is tested before its author writes a test."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from contracts.settings import SMALL, WORDS

from cryskit import batching
from cryskit.data import splits
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.protocols import Objective
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.training.fit import fit
from cryskit.training.identity import Identity
from cryskit.training.plan import Optimisation, Plan
from cryskit.training.train import train
from cryskit.types import Crystal, Graph, Property

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.usefixtures("graphs_built_once")

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
TEACHER = 5
QUICK = Optimisation(epochs=3, edges=400, accelerator="cpu", averaging=0.9)

ADDITIVE: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "crysae": {"preset": "paper"},
        "crysgnn": {"mask_fraction": 0.0, "volume_noise": 0.0, "scale": 0.0, "contrast": 0.0},
    }
)
"""Settings with which a loss is a mean over crystals: nothing is drawn at random, and crystals are not compared."""

COMPARES = {"contrast"}
"""Objectives whose losses compare the crystals of a batch, so that a batch is more than its parts."""


def made(name: str, **settings: Any) -> tuple[Objective, Graph]:
    """Return an objective around a small encoder, and a graph with all that it asks for."""
    torch.manual_seed(0)
    kind = OBJECTIVES[name]
    network = str(kind.default_encoder["name"])
    encoder = ENCODERS.build({"name": network, **SMALL[network]})
    given: dict[str, Any] = {"encoder": encoder, **settings}
    if kind.supervised:
        given["heads"] = PropertyHeads(encoder.width, [Property("energy", "E", "eV"), Property("gap", "g", "eV")])
    if kind.learns_from_teacher:
        given["teacher"] = TEACHER
    objective = OBJECTIVES.build({"name": name, **given})
    graph = build(CRYSTALS, objective.needs)
    chance = torch.Generator().manual_seed(1)
    if objective.needs.text:
        graph = replace(graph, text=torch.randn(graph.crystals, 2, WORDS, generator=chance))
    if objective.teacher_layers:
        graph = replace(graph, teacher=torch.randn(graph.atoms, objective.teacher_layers, TEACHER, generator=chance))
    if kind.supervised:
        truth = np.random.default_rng(0).normal(size=(len(CRYSTALS), 2))
        truth[::3, 1] = np.nan
        graph = batching.with_targets(graph, truth)
        given["heads"].fit_scale(graph.targets)
    objective.prepare(graph)
    return objective.eval(), graph


def losses_of(objective: Objective, graph: Graph) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return objective(graph)


@pytest.fixture(params=list(OBJECTIVES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_needs_what_its_encoder_needs(name: str) -> None:
    objective, _ = made(name)
    own, below = objective.needs, objective.encoder.needs
    assert {f.name for f in fields(own) if getattr(below, f.name) and not getattr(own, f.name)} <= {"reduce"}
    assert (own.neighbours, own.radius, own.count, own.text) == (
        below.neighbours,
        below.radius,
        below.count,
        below.text,
    )


def test_what_it_says_of_itself_fits_its_constructor(name: str) -> None:
    kind = OBJECTIVES[name]
    assert issubclass(kind, torch.nn.Module)
    assert Objective in kind.__mro__
    assert set(kind.default_encoder) >= {"name"}
    assert ENCODERS.complete(kind.default_encoder)
    objective, _ = made(name)
    assert isinstance(objective.encoder, ENCODERS[str(kind.default_encoder["name"])])
    assert not [
        key for key, _ in objective.encoder.named_parameters() if f"encoder.{key}" not in objective.state_dict()
    ]


def test_losses_are_finite_numbers_with_gradients(name: str) -> None:
    objective, graph = made(name)
    losses = objective.train()(graph)
    assert losses
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert any(name.startswith("encoder.") and gradient.any() for name, gradient in gradients.items())


def test_sizes_are_those_of_its_losses(name: str) -> None:
    objective, graph = made(name)
    sizes = objective.sizes(graph)
    assert set(sizes) <= set(losses_of(objective, graph))
    assert all(0 < size <= graph.crystals for size in sizes.values())


def test_batches_average_to_the_whole_by_its_sizes(name: str) -> None:
    if name in COMPARES:
        return
    objective, graph = made(name, **ADDITIVE.get(name, {}))
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for rows in (np.arange(5), np.arange(5, len(CRYSTALS))):
        part = batching.Batcher(graph).take(rows)
        sizes = objective.sizes(part)
        for loss, value in losses_of(objective, part).items():
            size = sizes.get(loss, part.crystals)
            sums[loss] = sums.get(loss, 0.0) + float(value) * size
            counts[loss] = counts.get(loss, 0) + size
    whole = {loss: float(value) for loss, value in losses_of(objective, graph).items()}
    assert {loss: sums[loss] / counts[loss] for loss in sums} == pytest.approx(whole, rel=1e-3, abs=1e-5)


def test_evaluation_repeats_itself(name: str) -> None:
    objective, graph = made(name)
    first = losses_of(objective, graph)
    torch.rand(3)
    second = losses_of(objective, graph)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[loss], second[loss]) for loss in first)


def test_labels_are_read_only_if_it_is_supervised(name: str) -> None:
    objective, graph = made(name)
    columns = graph.targets.shape[1] if OBJECTIVES[name].supervised else 3
    spoiled = batching.with_targets(graph, np.full((graph.crystals, columns), 7.0))
    left, right = losses_of(objective, graph), losses_of(objective, spoiled)
    same = all(torch.equal(left[loss], right[loss]) for loss in left)
    assert same != OBJECTIVES[name].supervised


def test_its_state_is_all_there_is(name: str) -> None:
    objective, graph = made(name)
    objective.train()(graph)
    objective.advance(0.5)
    state = {key: tensor.clone() for key, tensor in objective.state_dict().items()}
    again, _ = made(name)
    again.load_state_dict(state)
    for one in (objective.eval(), again.eval()):
        assert one.state_dict().keys() == state.keys()
    left, right = losses_of(objective, graph), losses_of(again, graph)
    assert all(torch.equal(left[loss], right[loss]) for loss in left)


def test_a_stopped_run_ends_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    seen: list[str] = []

    def run(folder: str, calls: int = 10_000) -> dict[str, torch.Tensor]:
        objective, graph = made(name)

        def stop(*_: object) -> None:
            seen.append(folder)
            if seen.count(folder) > calls:
                raise InterruptedError

        objective.register_forward_pre_hook(stop)
        fit(objective, graph, graph, QUICK, tmp_path / folder, identity=Identity({"data": "same"}))
        return objective.state_dict()

    whole = run("whole")
    with pytest.raises(InterruptedError):
        run("stopped", calls=2 * len(seen) // 3)
    assert (tmp_path / "stopped" / "log.jsonl").exists(), "it was stopped before the first epoch had ended"
    again = run("stopped")
    assert all(torch.equal(again[key], whole[key]) for key in whole)


class Closeness(torch.nn.Module, Objective):
    """A supervised objective as the recipe describes it: what its base says by default is not written again."""

    supervised = True

    def __init__(self, encoder: torch.nn.Module, heads: PropertyHeads) -> None:
        super().__init__()
        self.needs = encoder.needs
        self.encoder = encoder
        self.heads = heads

    def forward(self, graph: Graph) -> dict[str, torch.Tensor]:
        """Return the loss "closeness"."""
        wrong = self.heads(self.encoder(graph).crystals) - self.heads.standardised(graph.targets)
        return {"closeness": wrong.abs().mean()}


def test_a_supervised_objective_of_ones_own_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = f"{Closeness.__module__}:Closeness"
    monkeypatch.setattr(OBJECTIVES, "_entries", OBJECTIVES._entries | {"closeness": entry})
    crystals = [replace(c, targets={"x": float(len(c))}) for c in CRYSTALS]
    values = {"properties": ["x"], "encoder": {"name": "cgcnn", "width": 8}, "objective": {"name": "closeness"}}
    plan = Plan.make(values | {"optimisation": QUICK.model_dump()})
    card = train(plan, crystals, splits.make(crystals), tmp_path / "m.safetensors", tmp_path / "run")
    assert set(card.metrics) == {"x"}
    assert '"closeness"' in (tmp_path / "run" / "log.jsonl").read_text()
