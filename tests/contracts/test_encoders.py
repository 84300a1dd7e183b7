"""What every encoder in the registry promises; a new one is tested before its author writes a test."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.settings import SMALL, WORDS

from cryskit import batching
from cryskit.batching import Batcher
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.registry import ENCODERS
from cryskit.types import Crystal, Encoding, Graph, Property

pytestmark = pytest.mark.usefixtures("graphs_built_once")

CRYSTALS = list(read(Path(__file__).parents[2] / "examples"))
FAR = Crystal("far", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))
CUBE = Crystal("cube", np.eye(3) * 3.3, np.zeros((1, 3)), np.array([84]))


INPUTS = {"its own inputs": {}, "selector": {"inputs": "selector"}}
KINDS = [
    pytest.param((name, worn), id=f"{name}, {kind}")
    for name in ENCODERS
    for kind, worn in INPUTS.items()
    if worn.keys() <= signature(ENCODERS[name]).parameters.keys()  # an encoder made of others has no inputs of its own
]


@pytest.fixture(params=KINDS)
def encoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    name, arguments = request.param
    return ENCODERS[name](**SMALL.get(name, {}), **arguments).eval()


def graph_of(encoder: torch.nn.Module, crystals: list[Crystal]) -> Graph:
    graph = build(crystals, encoder.needs)
    if not encoder.needs.text:
        return graph
    words = [torch.randn(2, WORDS, generator=torch.Generator().manual_seed(len(c))) for c in crystals]
    words[len(words) // 2] = torch.full((2, WORDS), torch.nan)  # nobody has described this one
    return replace(graph, text=torch.stack(words))


def close(left: torch.Tensor, right: torch.Tensor, relative: float = 1e-5) -> bool:
    left, right = left.detach(), right.detach()
    return torch.allclose(left, right, rtol=relative, atol=relative * float(right.abs().max()))


def test_gives_one_vector_per_atom_and_per_crystal(encoder: torch.nn.Module) -> None:
    graph = graph_of(encoder, CRYSTALS)
    encoding = encoder(graph)
    assert isinstance(encoding, Encoding)
    assert encoding.atoms.shape == (graph.atoms, encoder.width)
    assert encoding.crystals.shape == (len(CRYSTALS), encoder.width)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same(encoder: torch.nn.Module) -> None:
    graph = graph_of(encoder, CRYSTALS)
    here = encoder(graph)
    there = encoder.cuda()(batching.to(graph, torch.device("cuda")))
    assert close(there.crystals.cpu(), here.crystals, 1e-3)
    there.crystals.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


def test_a_batch_equals_its_parts(encoder: torch.nn.Module) -> None:
    graph = graph_of(encoder, [*CRYSTALS, FAR, CUBE])
    whole = encoder(graph)
    parts = [encoder(part) for part in batching.split(graph)]
    assert close(torch.cat([part.crystals for part in parts]), whole.crystals)
    assert close(torch.cat([part.atoms for part in parts]), whole.atoms)


def test_the_order_of_crystals_changes_nothing(encoder: torch.nn.Module) -> None:
    graph = graph_of(encoder, CRYSTALS)
    order = np.random.default_rng(0).permutation(len(CRYSTALS))
    assert close(encoder(Batcher(graph).take(order)).crystals, encoder(graph).crystals[order])


def test_reduced_equals_unreduced(encoder: torch.nn.Module) -> None:
    reduced, full = (build(CRYSTALS, replace(encoder.needs, reduce=flag)) for flag in (True, False))
    assert reduced.atoms < full.atoms
    assert close(encoder(reduced).crystals, encoder(full).crystals, 1e-4)


def test_targets_are_not_read(encoder: torch.nn.Module) -> None:
    graph = graph_of(encoder, CRYSTALS)
    spoiled = batching.with_targets(graph, np.full((len(CRYSTALS), 3), np.nan))
    assert torch.equal(encoder(spoiled).crystals, encoder(graph).crystals)


@pytest.mark.parametrize("crystal", [FAR, CUBE], ids=["isolated atom", "one-atom cell"])
def test_lonely_crystals_have_a_finite_encoding(encoder: torch.nn.Module, crystal: Crystal) -> None:
    encoding = encoder(graph_of(encoder, [crystal]))
    assert encoding.crystals.isfinite().all()
    assert encoding.atoms.isfinite().all()


def test_finite_gradients_reach_every_parameter(encoder: torch.nn.Module) -> None:
    encoder.train()
    encoding = encoder(graph_of(encoder, CRYSTALS))
    direction = torch.randn(encoding.crystals.shape, generator=torch.Generator().manual_seed(0))
    (encoding.crystals * direction).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_gradients_agree_with_differences(encoder: torch.nn.Module) -> None:
    encoder.double()
    graph = graph_of(encoder, CRYSTALS[:4])
    weight = None if graph.weight is None else graph.weight.double()
    graph = replace(graph, vectors=graph.vectors.double(), weight=weight, multiplicity=graph.multiplicity.double())
    generator = torch.Generator().manual_seed(1)
    for name, parameter in encoder.named_parameters():
        encoder.zero_grad()
        encoder(graph).crystals.square().sum().backward()
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        step = 1e-5
        with torch.no_grad():
            kept = parameter.clone()
            values = []
            for sign in (1, -1):
                parameter.copy_(kept + sign * step * direction)
                values.append(float(encoder(graph).crystals.square().sum()))
            parameter.copy_(kept)
        expected = (values[0] - values[1]) / (2 * step)
        assert float((parameter.grad * direction).sum()) == pytest.approx(expected, rel=1e-3, abs=1e-6), name


def test_state_and_configuration_round_trip(encoder: torch.nn.Module) -> None:
    again = ENCODERS.build(ENCODERS.config_of(encoder)).eval()
    again.load_state_dict(encoder.state_dict())
    graph = graph_of(encoder, CRYSTALS)
    assert torch.equal(again(graph).crystals, encoder(graph).crystals)


def test_eight_crystals_can_be_overfitted(encoder: torch.nn.Module) -> None:
    crystals = CRYSTALS[:8]
    truth = np.random.default_rng(0).normal(size=(8, 1))
    graph = batching.with_targets(graph_of(encoder, crystals), truth)
    heads = PropertyHeads(encoder.width, [Property("energy", "E", "eV")])
    heads.fit_scale(graph.targets)
    objective = PropertyObjective(encoder, heads, loss="squared").train()
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3)
    for _ in range(400):
        optimizer.zero_grad()
        loss = objective(graph)["energy"]
        loss.backward()
        optimizer.step()
        if float(loss.detach()) < 0.003:
            break
    # In training a selector is noisy, in evaluation a batch norm lags behind.
    assert min(float(loss.detach()), float(objective.eval()(graph)["energy"].detach())) < 0.01
