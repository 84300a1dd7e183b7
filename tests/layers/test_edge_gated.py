"""Blocks change nothing: the fused convolutions give the values and gradients of the plain formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import layer_norm, silu, softplus

from cryskit.layers import message_blocks
from cryskit.layers.edge_gated import EdgeGated, Flow
from cryskit.layers.gated_pairs import gated_pair_sum

STATES = torch.tensor([3, 1, 4, 2])
SENDER = torch.tensor([0, 1, 2, 2, 0, 3, 4, 5, 5, 7, 8, 9])
RECEIVER = torch.tensor([0, 0, 0, 1, 2, 3, 4, 4, 6, 6, 8, 9])
MESSAGES = torch.tensor([5, 1, 4, 2])
COPIES = torch.tensor([1.0, 2.0, 1.0, 1.0, 3.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0, 4.0]).double()
TURNED = torch.tensor([1, 0, 2, 3, 7, 5, 6, 4, 9, 8])


@pytest.fixture(params=[2, 1000], ids=["many blocks", "one block"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setitem(gated._MESSAGES, "cpu", request.param)
    return request.param


def flow(*, copies: bool, turned: bool) -> Flow:
    return Flow(SENDER, RECEIVER, MESSAGES, STATES, COPIES if copies else None, TURNED if turned else None)


def plain(of: EdgeGated, x: torch.Tensor, e: torch.Tensor, *, copies: bool, turned: bool) -> tuple[torch.Tensor, ...]:
    """The equations of the module's docstring, with index_select and index_add."""
    receiver = TURNED[RECEIVER] if turned else RECEIVER
    m = of.receiver(x)[receiver] + of.sender(x)[SENDER] + of.message(e)
    s = torch.sigmoid(m) * (COPIES[:, None] if copies else 1)
    total = torch.zeros_like(x).index_add(0, receiver, s * of.value(x)[SENDER])
    summed = total / (torch.zeros_like(x).index_add(0, receiver, s) + 1e-6)
    new = x + silu(of.state_norm(of.own(x) + summed))
    if of.message_norm is None:
        return (new,)
    norm = of.message_norm
    return new, e + silu(layer_norm(m, (e.shape[1],), norm.weight, norm.bias))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_edge_gated_convolution(*, copies: bool, turned: bool, update: bool, known: bool) -> None:
    torch.manual_seed(0)
    convolution = EdgeGated(5, update=update).double()
    x, e = (torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (len(TURNED), len(SENDER)))
    inputs = [x, e, *convolution.parameters()]
    mapped = convolution.message(e) if known else None
    ours = convolution(x, e, flow(copies=copies, turned=turned), mapped)[: 1 + update]
    theirs = plain(convolution, x, e, copies=copies, turned=turned)
    directions = [torch.randn_like(value) for value in theirs]
    gradients = [
        torch.autograd.grad(sum((v * d).sum() for v, d in zip(values, directions, strict=True)), inputs)
        for values in (ours, theirs)
    ]
    for mine, expected in zip([*ours, *gradients[0]], [*theirs, *gradients[1]], strict=True):
        torch.testing.assert_close(mine, expected)


def test_without_gradients_the_values_are_the_same() -> None:
    torch.manual_seed(0)
    convolution = EdgeGated(5)
    x, e = torch.randn(len(TURNED), 5), torch.randn(len(SENDER), 5)
    expected = convolution(x, e, flow(copies=False, turned=True))
    with torch.inference_mode():
        found = convolution(x, e, flow(copies=False, turned=True))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.usefixtures("block")
def test_screened_sums() -> None:
    torch.manual_seed(0)
    p, q = (torch.randn(len(TURNED), 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    gates = p[RECEIVER] + q[SENDER]
    each = torch.sigmoid(gates[:, :3]) * softplus(gates[:, 3:]) * COPIES[:, None]
    expected = torch.zeros(len(p), 3, dtype=torch.float64).index_add(0, RECEIVER, each)
    ours = gated_pair_sum(p, q, flow(copies=True, turned=False))
    torch.testing.assert_close(ours, expected)
    direction = torch.randn_like(expected)
    for mine, theirs in zip(
        torch.autograd.grad((ours * direction).sum(), [p, q]),
        torch.autograd.grad((expected * direction).sum(), [p, q]),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)
