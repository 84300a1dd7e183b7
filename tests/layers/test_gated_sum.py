"""Normalised, gated and summed messages are those of torch's batch norm over the full list of edges, with its gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.layers import message_blocks
from cryskit.layers.gated_sum import GatedSum
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.types import Crystal, GraphSpec

ALONE = Crystal("alone", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))
CRYSTALS = [ALONE, *read(Path(__file__).parents[2] / "examples"), ALONE]
WIDTH = 3


@pytest.fixture(params=[7, 4096], ids=["many blocks", "one block"], autouse=True)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(message_blocks._BLOCK_SIZE, "cpu", request.param)


def neighbourhoods(kind: str, *, distinct: bool) -> Neighbourhoods:
    graph = build(CRYSTALS, GraphSpec(neighbours=kind))
    found = Neighbourhoods(graph, 8.0, 50, Edges.distinct(graph) if distinct else None)
    if found.edges.multiplicity is not None:
        found.edges = found.edges._replace(multiplicity=found.edges.multiplicity.double())
    return found


def plainly(
    z: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, eps: float, edges: Edges, atoms: int
) -> torch.Tensor:
    """The equations of the module's docstring."""
    w = torch.ones(len(z), 1).double() if edges.multiplicity is None else edges.multiplicity[:, None]
    mean = (w * z).sum(0) / w.sum()
    variance = (w * (z - mean) ** 2).sum(0) / w.sum()
    gate, core = ((z - mean) / (variance + eps).sqrt() * gamma + beta).chunk(2, dim=1)
    return torch.zeros(atoms, WIDTH).double().index_add(0, edges.centre, w * torch.sigmoid(gate) * softplus(core))


@pytest.mark.parametrize("kind", ["smooth", "nearest"])
@pytest.mark.parametrize("distinct", [True, False])
def test_values_and_gradients_are_those_of_the_equations(kind: str, *, distinct: bool) -> None:
    torch.manual_seed(0)
    edges = neighbourhoods(kind, distinct=distinct)
    layer = GatedSum(WIDTH).double().train()
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    z = torch.randn(edges.edge_count, 2 * WIDTH, dtype=torch.float64, requires_grad=True)
    expected = plainly(z, layer.weight, layer.bias, layer.eps, edges.edges, len(edges.degree))
    found = layer(z, edges)
    torch.testing.assert_close(found, expected)
    outer = torch.randn_like(found)
    inputs = (z, layer.weight, layer.bias)
    for one, other in zip(
        torch.autograd.grad((found * outer).sum(), inputs),
        torch.autograd.grad((expected * outer).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_the_running_statistics_are_those_of_the_batch_norm_of_torch() -> None:
    """Equal edges counted with their number have the statistics of the full list."""
    torch.manual_seed(0)
    every, distinct = (neighbourhoods("nearest", distinct=each) for each in (False, True))
    row = distinct.edges.row_of_edge
    z = torch.randn(distinct.edge_count, 2 * WIDTH).double()
    ours, theirs = GatedSum(WIDTH).double(), torch.nn.BatchNorm1d(2 * WIDTH).double()
    for _ in range(3):
        ours(z, distinct)
        theirs(z[row])
    assert every.edge_count == len(row)
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer)


@pytest.mark.parametrize("kind", ["smooth", "nearest"])
def test_in_evaluation_the_norm_is_folded_into_what_it_is_given(kind: str) -> None:
    torch.manual_seed(0)
    edges = neighbourhoods(kind, distinct=True)
    layer = GatedSum(WIDTH).double()
    z = torch.randn(edges.edge_count, 2 * WIDTH, dtype=torch.float64, requires_grad=True)
    for _ in range(4):
        layer(z, edges)
    layer.eval()
    scale, shift = layer.folded()
    found = layer(z * scale + shift, edges)
    gate, core = torch.nn.BatchNorm1d.forward(layer, z).chunk(2, dim=1)
    weights = edges.edges.multiplicity
    messages = torch.sigmoid(gate) * softplus(core) * weights[:, None]
    expected = torch.zeros_like(found).index_add(0, edges.edges.centre, messages)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(each.sum(), z, retain_graph=True)[0] for each in (found, expected))
    )


def test_nothing_comes_of_no_edges() -> None:
    edges = Neighbourhoods(build([ALONE], GraphSpec()), 8.0, 50)
    assert not GatedSum(WIDTH)(torch.zeros(0, 2 * WIDTH), edges).any()
