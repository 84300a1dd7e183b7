"""Edge-gated graph convolution, with the intermediate values of a few hundred messages at a time.

    m = A x_receiver + B x_sender + C e,   s = sigmoid(m)
    x <- x + SiLU(LN(U x + sum s * V x_sender / (sum s + 1e-6))),   e <- e + SiLU(LN(m))

Bresson and Laurent (2017, arXiv 1711.07553), as ALIGNN has it (doi 10.1038/s41524-021-00650-1). Of the many values of each
message only m is kept for the backward pass; the others are computed again, block by block (`message_blocks`).

The backward pass calls three private operators of torch: `aten.sigmoid_backward`, `aten.silu_backward` and
`aten.native_layer_norm_backward`. `tests/layers/test_edge_gated.py` compares each of them, and the whole convolution, with
autograd in float64, so a release of torch that changes one of them fails there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu

if TYPE_CHECKING:
    from cryskit.layers.message_blocks import MessageBlock, MessageGraph

_EPSILON = 1e-6
_NORM_EPSILON = 1e-5


class EdgeGatedConvolution(nn.Module):
    """One edge-gated graph convolution: new vectors of states and of the messages between them.

    Args:
        width: Width of the vectors of states and messages.
        update: Whether messages are given a new value: False in the last layer, whose messages are not used.
    """

    def __init__(self, width: int, *, update: bool = True) -> None:
        super().__init__()
        self.receiver = nn.Linear(width, width)
        self.sender = nn.Linear(width, width)
        self.message = nn.Linear(width, width)
        self.own = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.state_norm = nn.LayerNorm(width)
        self.message_norm = nn.LayerNorm(width) if update else None

    def forward(
        self,
        states: Float[Tensor, "states width"],
        messages: Float[Tensor, "messages width"],
        graph: MessageGraph,
        linear_messages: Float[Tensor, "messages width"] | None = None,
    ) -> tuple[Float[Tensor, "states width"], Float[Tensor, "messages width"]]:
        """Return the new states and messages.

        Args:
            states: The vectors x of the states.
            messages: The vectors e of the messages.
            graph: The sender and the receiver of each message.
            linear_messages: C e, if it is computed already; it is overwritten.
        """
        states, messages = states.to(self.own.weight.dtype), messages.to(self.own.weight.dtype)
        with torch.autocast(states.device.type, enabled=False):
            projected = self.receiver(states), self.sender(states), self.value(states)
            linear_messages = None if linear_messages is None else linear_messages.to(states.dtype)
            call: Any = _EdgeGate.apply
            norm = (None, None) if self.message_norm is None else (self.message_norm.weight, self.message_norm.bias)
            mean, updated = call(
                messages,
                self.message.weight,
                self.message.bias,
                linear_messages,
                *projected,
                *norm,
                graph,
                torch.is_grad_enabled(),
            )
            return states + silu(self.state_norm(self.own(states) + mean)), messages if updated is None else updated


class _EdgeGate(Function):
    """The gated mean of each state, sum s * V x / (sum s + 1e-6), and the new messages, e + SiLU(LN(m)) or None."""

    @staticmethod
    def forward(
        ctx: Any,
        messages: Tensor,
        weight: Tensor,
        bias: Tensor,
        linear_messages: Tensor | None,
        receiver: Tensor,
        sender: Tensor,
        value: Tensor,
        norm_weight: Tensor | None,
        norm_bias: Tensor | None,
        graph: MessageGraph,
        keep: bool,  # noqa: FBT001 - Function.apply takes no keywords
    ) -> tuple[Tensor, Tensor | None]:
        receiver = graph.reversed(receiver)
        gate_sum, mean = torch.full_like(receiver, _EPSILON), torch.zeros_like(receiver)
        gates = torch.empty_like(messages) if linear_messages is None else linear_messages
        updated = None if norm_weight is None else torch.empty_like(messages) if keep else gates
        for block in graph.blocks:
            e, m, states = messages[block.messages], gates[block.messages], block.states
            if linear_messages is None:
                torch.addmm(bias, e, weight.t(), out=m)
            m += sender[states].index_select(0, block.sender)
            m += receiver[states].index_select(0, block.receiver)
            s = block.weigh_(torch.sigmoid(m))
            gate_sum[states] += block.sum_to_receivers(s)
            mean[states] = block.sum_to_receivers(s.mul_(value[states].index_select(0, block.sender)))
            if updated is not None:
                normed = torch.native_layer_norm(m, (m.shape[1],), norm_weight, norm_bias, _NORM_EPSILON)[0]
                torch.add(e, silu(normed, inplace=True), out=updated[block.messages])
        mean /= gate_sum
        ctx.save_for_backward(messages, weight, gates, value, gate_sum, mean, norm_weight, norm_bias)
        ctx.graph, ctx.given = graph, linear_messages is not None
        return graph.reversed(mean), updated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_updated: Tensor | None) -> tuple[Tensor | None, ...]:
        messages, weight, gates, value, gate_sum, mean, norm_weight, norm_bias = ctx.saved_tensors
        graph = ctx.graph
        grad_value_sum = graph.reversed(grad_mean) / gate_sum
        grad_gate_sum = -grad_value_sum * mean
        grad = _Gradients(messages, weight, value, given=ctx.given)
        for block in graph.blocks:
            m, states = gates[block.messages], block.states
            s = torch.sigmoid(m)
            grad_each = grad_value_sum[states].index_select(0, block.receiver)
            grad_s = grad_gate_sum[states].index_select(0, block.receiver)
            grad_s.addcmul_(grad_each, value[states].index_select(0, block.sender))
            grad_m = torch.ops.aten.sigmoid_backward(block.weigh_(grad_s), s)
            grad.value[states] = block.sum_to_senders(block.weigh_(grad_each.mul_(s)))
            if grad_updated is not None:
                grad_m += grad.through_norm(grad_updated[block.messages], m, norm_weight, norm_bias)
            grad.receiver[states] = block.sum_to_receivers(grad_m)
            grad.sender[states] = block.sum_to_senders(grad_m)
            grad.through_linear(grad_m, messages, weight, block, grad_updated)
        grad_bias = None if ctx.given else grad.receiver.sum(0)
        grad_messages = grad_updated if ctx.given else grad.messages
        projected = graph.reversed(grad.receiver), grad.sender, grad.value
        return grad_messages, grad.weight, grad_bias, grad.linear_messages, *projected, *grad.norm, None, None


class _Gradients:
    """The gradients that the backward pass of `_EdgeGate` fills block by block.

    Args:
        messages: (M, width) the messages e.
        weight: (width, width) the matrix C.
        value: (S, width) V x of the states.
        given: Whether C e was given to the forward pass: its gradient is then wanted instead of those of C and e.
    """

    def __init__(self, messages: Tensor, weight: Tensor, value: Tensor, *, given: bool) -> None:
        self.receiver = torch.zeros_like(value)
        self.sender = torch.zeros_like(value)
        self.value = torch.zeros_like(value)
        self.linear_messages = torch.empty_like(messages) if given else None
        self.messages = None if given else torch.empty_like(messages)
        self.weight = None if given else torch.zeros_like(weight)
        self.norm: tuple[Tensor | None, Tensor | None] = (None, None)

    def through_norm(self, grad_output: Tensor, m: Tensor, norm_weight: Tensor, norm_bias: Tensor) -> Tensor:
        """Return the gradient of SiLU(LN(m)) with respect to m, and add those of the norm's own parameters."""
        shape = (m.shape[1],)
        normed, mean, deviation = torch.native_layer_norm(m, shape, norm_weight, norm_bias, _NORM_EPSILON)
        grad_normed = torch.ops.aten.silu_backward(grad_output, normed)
        grad_m, *grad_norm = torch.ops.aten.native_layer_norm_backward(
            grad_normed, m, shape, mean, deviation, norm_weight, norm_bias, [True, True, True]
        )
        before = self.norm
        self.norm = (
            grad_norm[0] if before[0] is None else before[0].add_(grad_norm[0]),
            grad_norm[1] if before[1] is None else before[1].add_(grad_norm[1]),
        )
        through: Tensor = grad_m
        return through

    def through_linear(
        self, grad_m: Tensor, messages: Tensor, weight: Tensor, block: MessageBlock, grad_updated: Tensor | None
    ) -> None:
        """Turn the gradient of m into those of C e, or of C and of e."""
        place = block.messages
        if self.linear_messages is not None:
            self.linear_messages[place] = grad_m
        elif self.messages is not None and self.weight is not None:
            torch.mm(grad_m, weight, out=self.messages[place])
            if grad_updated is not None:
                self.messages[place] += grad_updated[place]
            self.weight.addmm_(grad_m.t(), messages[place])
