"""Bonds that remember, which the contracts do not try, and equal edges computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from laws.cells import ANY

from cryskit import batching
from cryskit.data.read import read
from cryskit.encoders.steinhardt import Steinhardt
from cryskit.graphs.build import build
from cryskit.layers.harmonics import OrderParameters
from cryskit.layers.message_passing import Edges
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]

# pymatgen calls spglib, with which the other descriptions are made, in its old way
pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")


@pytest.fixture(scope="module")
def encoder() -> Steinhardt:
    """A network whose bonds have states that enter the messages: their linear map begins with zero."""
    torch.manual_seed(0)
    made = Steinhardt(width=16, layers=3, channels=4, memory=True).eval()
    for layer in made.layers[1:]:
        torch.nn.init.normal_(layer.memory[1].weight, std=0.5)
    return made


def crystals_of(encoder: Steinhardt, crystals: list[Crystal], *, reduce: bool = True) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(build(crystals, replace(encoder.needs, reduce=reduce))).crystals


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    return bool(((left - right).norm(dim=1) / right.norm(dim=1)).max() < 1e-4)


def test_memory_changes_messages_and_only_from_the_second_layer(encoder: Steinhardt) -> None:
    assert encoder.layers[0].memory is None
    torch.manual_seed(0)
    plain = Steinhardt(width=16, layers=3, channels=4).eval()
    plain.load_state_dict(encoder.state_dict(), strict=False)
    assert not same(crystals_of(encoder, CRYSTALS), crystals_of(plain, CRYSTALS))


def test_with_memory_the_cell_changes_nothing(encoder: Steinhardt) -> None:
    expected = crystals_of(encoder, CRYSTALS)
    assert same(crystals_of(encoder, CRYSTALS, reduce=False), expected)
    alone = [encoder(graph).crystals for graph in batching.split(build(CRYSTALS, encoder.needs))]
    assert same(torch.cat(alone), expected)
    for name, other in ANY.items():
        changed = [other(crystal, np.random.default_rng(0)) for crystal in CRYSTALS if len(crystal) <= 12]
        kept = [row for row, crystal in enumerate(CRYSTALS) if len(crystal) <= 12]
        assert same(crystals_of(encoder, changed), expected[kept]), name


def test_gradients_reach_what_bonds_remember(encoder: Steinhardt) -> None:
    encoder.zero_grad()
    encoder(build(CRYSTALS, encoder.needs)).crystals.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_equal_edges_have_the_order_parameters_of_all_of_them() -> None:
    graph = build(CRYSTALS, GraphSpec())
    distinct = Edges.distinct(graph)
    assert len(distinct.centre) < graph.edges.shape[1]
    weights = torch.randn(len(distinct.centre), 3, generator=torch.Generator().manual_seed(0))
    found = OrderParameters(graph, distinct)(weights)
    torch.testing.assert_close(
        found, OrderParameters(graph, Edges.of(graph))(weights[distinct.row_of_edge]), rtol=1e-3, atol=1e-3
    )
