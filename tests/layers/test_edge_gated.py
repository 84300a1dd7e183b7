"""The fused convolutions give the values and gradients of the plain formulas, whatever the blocks.

They call private operators of torch (`torch.ops.aten`). Every one that the package calls is compared here with autograd in
float64, so that a release of torch that changes one of them fails by its name.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn.functional import layer_norm, silu, softplus

import cryskit
from cryskit.layers import message_blocks
from cryskit.layers.edge_gated import EdgeGatedConvolution
from cryskit.layers.gated_pairs import gated_pair_sum
from cryskit.layers.message_blocks import MessageGraph

if TYPE_CHECKING:
    from collections.abc import Callable

STATES = torch.tensor([3, 1, 4, 2])
SENDER = torch.tensor([0, 1, 2, 2, 0, 3, 4, 5, 5, 7, 8, 9])
RECEIVER = torch.tensor([0, 0, 0, 1, 2, 3, 4, 4, 6, 6, 8, 9])
MESSAGES = torch.tensor([5, 1, 4, 2])
MULTIPLICITY = torch.tensor([1.0, 2.0, 1.0, 1.0, 3.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0, 4.0]).double()
REVERSE = torch.tensor([1, 0, 2, 3, 7, 5, 6, 4, 9, 8])


@pytest.fixture(params=[2, 1000], ids=["many blocks", "one block"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setitem(message_blocks._BLOCK_SIZE, "cpu", request.param)
    return request.param


def graph(*, multiplicity: bool, reverse: bool) -> MessageGraph:
    return MessageGraph(
        SENDER, RECEIVER, MESSAGES, STATES, MULTIPLICITY if multiplicity else None, REVERSE if reverse else None
    )


def plain(
    of: EdgeGatedConvolution, x: torch.Tensor, e: torch.Tensor, *, multiplicity: bool, reverse: bool
) -> tuple[torch.Tensor, ...]:
    """The equations of the module's docstring, with index_select and index_add."""
    receiver = REVERSE[RECEIVER] if reverse else RECEIVER
    m = of.receiver(x)[receiver] + of.sender(x)[SENDER] + of.message(e)
    s = torch.sigmoid(m) * (MULTIPLICITY[:, None] if multiplicity else 1)
    total = torch.zeros_like(x).index_add(0, receiver, s * of.value(x)[SENDER])
    summed = total / (torch.zeros_like(x).index_add(0, receiver, s) + 1e-6)
    new = x + silu(of.state_norm(of.own(x) + summed))
    if of.message_norm is None:
        return (new,)
    norm = of.message_norm
    return new, e + silu(layer_norm(m, (e.shape[1],), norm.weight, norm.bias))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("multiplicity", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_edge_gated_convolution(*, multiplicity: bool, reverse: bool, update: bool, given: bool) -> None:
    torch.manual_seed(0)
    convolution = EdgeGatedConvolution(5, update=update).double()
    x, e = (torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (len(REVERSE), len(SENDER)))
    inputs = [x, e, *convolution.parameters()]
    linear_messages = convolution.message(e) if given else None
    ours = convolution(x, e, graph(multiplicity=multiplicity, reverse=reverse), linear_messages)[: 1 + update]
    theirs = plain(convolution, x, e, multiplicity=multiplicity, reverse=reverse)
    directions = [torch.randn_like(value) for value in theirs]
    gradients = [
        torch.autograd.grad(sum((v * d).sum() for v, d in zip(values, directions, strict=True)), inputs)
        for values in (ours, theirs)
    ]
    for mine, expected in zip([*ours, *gradients[0]], [*theirs, *gradients[1]], strict=True):
        torch.testing.assert_close(mine, expected)


def test_without_gradients_the_values_are_the_same() -> None:
    torch.manual_seed(0)
    convolution = EdgeGatedConvolution(5)
    x, e = torch.randn(len(REVERSE), 5), torch.randn(len(SENDER), 5)
    expected = convolution(x, e, graph(multiplicity=False, reverse=True))
    with torch.inference_mode():
        found = convolution(x, e, graph(multiplicity=False, reverse=True))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.usefixtures("block")
def test_gated_pair_sum() -> None:
    torch.manual_seed(0)
    p, q = (torch.randn(len(REVERSE), 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    gates = p[RECEIVER] + q[SENDER]
    each = torch.sigmoid(gates[:, :3]) * softplus(gates[:, 3:]) * MULTIPLICITY[:, None]
    expected = torch.zeros(len(p), 3, dtype=torch.float64).index_add(0, RECEIVER, each)
    ours = gated_pair_sum(p, q, graph(multiplicity=True, reverse=False))
    torch.testing.assert_close(ours, expected)
    direction = torch.randn_like(expected)
    for mine, theirs in zip(
        torch.autograd.grad((ours * direction).sum(), [p, q]),
        torch.autograd.grad((expected * direction).sum(), [p, q]),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def called_operators() -> set[str]:
    """Return the names of all private operators of torch that the package calls."""
    nodes = [
        node
        for path in Path(str(cryskit.__file__)).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"torch.ops.aten", "ops.aten", "aten"}
    }


def sigmoid_backward(gradient: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (torch.ops.aten.sigmoid_backward(gradient, torch.sigmoid(x)),)


def silu_backward(gradient: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (torch.ops.aten.silu_backward(gradient, x),)


def layer_norm_backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    _, mean, deviation = torch.native_layer_norm(x, (x.shape[1],), weight, bias, 1e-5)
    wanted = [True, True, True]
    call = torch.ops.aten.native_layer_norm_backward
    return tuple(call(gradient, x, (x.shape[1],), mean, deviation, weight, bias, wanted))


OPERATORS = {
    "sigmoid_backward": (torch.sigmoid, sigmoid_backward),
    "silu_backward": (silu, silu_backward),
    "native_layer_norm_backward": (lambda x, w, b: layer_norm(x, (x.shape[1],), w, b, 1e-5), layer_norm_backward),
}


def test_every_private_operator_that_is_called_is_compared() -> None:
    assert called_operators() == set(OPERATORS)


@pytest.mark.parametrize("name", OPERATORS)
def test_private_operators_of_torch_are_the_derivatives(name: str) -> None:
    forward: Callable[..., torch.Tensor]
    forward, backward = OPERATORS[name]
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((7, 5), (5,), (5,)))
    inputs = (x, weight, bias)[: 3 if name.startswith("native") else 1]
    gradient = torch.randn(7, 5, dtype=torch.float64)
    expected = torch.autograd.grad(forward(*inputs), inputs, gradient)
    found = backward(gradient, *(value.detach() for value in inputs))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert torch.autograd.gradcheck(forward, inputs)
