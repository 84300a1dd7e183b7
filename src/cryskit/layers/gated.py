"""Edge-gated graph convolution, with the intermediate values of a few hundred messages at a time.

    m = A x_receiver + B x_sender + C e,   s = sigmoid(m)
    x <- x + SiLU(LN(U x + sum s * V x_sender / (sum s + 1e-6))),   e <- e + SiLU(LN(m))

Bresson and Laurent (2017, arXiv 1711.07553), as ALIGNN has it (doi 10.1038/s41524-021-00650-1). Messages are cut into
blocks that fit into a cache; of the many values of each message only m is kept for the backward pass, the others are
computed again, block by block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag, silu

_EPSILON = 1e-6
_MESSAGES = {"cpu": 768}  # of a block: its values should stay in the cache of a core
_MANY = 1 << 16
_NORM_EPSILON = 1e-5


class Block(NamedTuple):
    """Some messages, and the states that alone send and receive them.

    Attributes:
        messages: Which.
        states: Which.
        sender: (M,) int64, counted from the first of the states.
        receiver: (M,) int64, sorted, counted likewise.
        rows: (M,) int64, 0..M-1.
        starts: (S,) int64, the first message to each state.
        order: (M,) int64, the messages sorted by sender.
        order_starts: (S,) int64, the first message from each state, in that order.
        copies: (M, 1) how often each message counts, or None for once.
    """

    messages: slice
    states: slice
    sender: Tensor
    receiver: Tensor
    rows: Tensor
    starts: Tensor
    order: Tensor
    order_starts: Tensor
    copies: Tensor | None

    def received(self, values: Tensor) -> Tensor:
        """Return the sum of the messages to each state, (S, width)."""
        return embedding_bag(self.rows, values, self.starts, mode="sum")

    def sent(self, values: Tensor) -> Tensor:
        """Return the sum of the messages from each state, (S, width)."""
        return embedding_bag(self.order, values, self.order_starts, mode="sum")

    def counted(self, values: Tensor) -> Tensor:
        """Multiply each message, in place, by how often it counts."""
        return values if self.copies is None else values.mul_(self.copies)


class Flow:
    """Who sends to whom.

    States and messages come in groups (crystals, say): no message leaves its group.

    Args:
        sender: (M,) int64, state that sends each message.
        receiver: (M,) int64, state that receives it, sorted.
        messages: (G,) int64, of each group.
        states: (G,) int64, of each group.
        copies: (M,) how often each message counts, once by default.
        turned: (S,) int64, if what is called receiver stands for another state: for which one. Its own inverse.
    """

    def __init__(
        self,
        sender: Tensor,
        receiver: Tensor,
        messages: Tensor,
        states: Tensor,
        copies: Tensor | None = None,
        turned: Tensor | None = None,
    ) -> None:
        count = int(states.sum())
        self.turned = turned
        self._sender, self._receiver, self._copies = sender, receiver, copies
        self._order = torch.argsort(sender, stable=True)
        self._starts, self._order_starts = (
            counts.cumsum(0) - counts for counts in (torch.bincount(end, minlength=count) for end in (receiver, sender))
        )
        before = messages.cumsum(0) - messages
        block = before // _MESSAGES.get(sender.device.type, _MANY)
        last = torch.ones_like(block, dtype=torch.bool)
        last[:-1] = block[1:] != block[:-1]
        stops = torch.stack([messages.cumsum(0)[last], states.cumsum(0)[last]], dim=1).tolist()
        cuts = zip([(0, 0), *stops], stops, strict=False)
        self.blocks = [self._block(a, b, c, d) for (a, c), (b, d) in cuts if b > a]

    def turn(self, states: Tensor) -> Tensor:
        """Return for each state the one it stands for as a receiver, or the other way round, (S, width)."""
        return states if self.turned is None else states.index_select(0, self.turned)

    def _block(self, first: int, stop: int, first_state: int, stop_state: int) -> Block:
        messages, states = slice(first, stop), slice(first_state, stop_state)
        return Block(
            messages,
            states,
            self._sender[messages] - first_state,
            self._receiver[messages] - first_state,
            torch.arange(stop - first, device=self._sender.device),
            self._starts[states] - first,
            self._order[messages] - first,
            self._order_starts[states] - first,
            None if self._copies is None else self._copies[messages, None],
        )


class EdgeGated(nn.Module):
    """One edge-gated convolution.

    Args:
        width: Of states and messages.
        update: Whether messages are given a new value; the last ones are read by nobody.
    """

    def __init__(self, width: int, *, update: bool = True) -> None:
        super().__init__()
        self.receiver, self.sender, self.message, self.own, self.value = (nn.Linear(width, width) for _ in "ABCUV")
        self.state_norm = nn.LayerNorm(width)
        self.message_norm = nn.LayerNorm(width) if update else None

    def forward(
        self,
        states: Float[Tensor, "states width"],
        messages: Float[Tensor, "messages width"],
        flow: Flow,
        mapped: Float[Tensor, "messages width"] | None = None,
    ) -> tuple[Float[Tensor, "states width"], Float[Tensor, "messages width"]]:
        """Return the new states and messages.

        Args:
            states: x.
            messages: e.
            flow: Who sends to whom.
            mapped: C e, where it is known already; it is overwritten.
        """
        states, messages = states.to(self.own.weight.dtype), messages.to(self.own.weight.dtype)
        with torch.autocast(states.device.type, enabled=False):
            ends = self.receiver(states), self.sender(states), self.value(states)
            mapped = None if mapped is None else mapped.to(states.dtype)
            call: Any = _Gate.apply
            norm = (None, None) if self.message_norm is None else (self.message_norm.weight, self.message_norm.bias)
            summed, updated = call(
                messages, self.message.weight, self.message.bias, mapped, *ends, *norm, flow, torch.is_grad_enabled()
            )
            return states + silu(self.state_norm(self.own(states) + summed)), messages if updated is None else updated


class _Gate(Function):
    """What each state receives, sum s * V x / (sum s + 1e-6), and the new messages, e + SiLU(LN(m)) or none."""

    @staticmethod
    def forward(
        ctx: Any,
        messages: Tensor,
        weight: Tensor,
        bias: Tensor,
        mapped: Tensor | None,
        receiver: Tensor,
        sender: Tensor,
        value: Tensor,
        scale: Tensor | None,
        shift: Tensor | None,
        flow: Flow,
        keep: bool,  # noqa: FBT001 - Function.apply takes no keywords
    ) -> tuple[Tensor, Tensor | None]:
        receiver = flow.turn(receiver)
        opened, summed = torch.full_like(receiver, _EPSILON), torch.zeros_like(receiver)
        gates = torch.empty_like(messages) if mapped is None else mapped
        updated = None if scale is None else torch.empty_like(messages) if keep else gates
        for block in flow.blocks:
            e, m, own = messages[block.messages], gates[block.messages], block.states
            if mapped is None:
                torch.addmm(bias, e, weight.t(), out=m)
            m += sender[own].index_select(0, block.sender)
            m += receiver[own].index_select(0, block.receiver)
            s = block.counted(torch.sigmoid(m))
            opened[own] += block.received(s)
            summed[own] = block.received(s.mul_(value[own].index_select(0, block.sender)))
            if updated is not None:
                normed = torch.native_layer_norm(m, (m.shape[1],), scale, shift, _NORM_EPSILON)[0]
                torch.add(e, silu(normed, inplace=True), out=updated[block.messages])
        summed /= opened
        ctx.save_for_backward(messages, weight, gates, value, opened, summed, scale, shift)
        ctx.flow, ctx.known = flow, mapped is not None
        return flow.turn(summed), updated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_summed: Tensor, to_updated: Tensor | None) -> tuple[Tensor | None, ...]:
        messages, weight, gates, value, opened, summed, scale, shift = ctx.saved_tensors
        flow = ctx.flow
        to_value = flow.turn(to_summed) / opened
        to_opened = -to_value * summed
        to = _Gradients(messages, weight, value, known=ctx.known)
        for block in flow.blocks:
            m, own = gates[block.messages], block.states
            s = torch.sigmoid(m)
            by_value = to_value[own].index_select(0, block.receiver)
            to_s = to_opened[own].index_select(0, block.receiver)
            to_s.addcmul_(by_value, value[own].index_select(0, block.sender))
            to_m = torch.ops.aten.sigmoid_backward(block.counted(to_s), s)
            to.value[own] = block.sent(block.counted(by_value.mul_(s)))
            if to_updated is not None:
                to_m += to.through_norm(to_updated[block.messages], m, scale, shift)
            to.receiver[own] = block.received(to_m)
            to.sender[own] = block.sent(to_m)
            to.through_map(to_m, messages, weight, block, to_updated)
        to_bias = None if ctx.known else to.receiver.sum(0)
        to_messages = to_updated if ctx.known else to.messages
        ends = flow.turn(to.receiver), to.sender, to.value
        return to_messages, to.weight, to_bias, to.mapped, *ends, *to.norm, None, None


class _Gradients:
    """The gradients that `_Gate` fills block by block.

    Args:
        messages: e.
        weight: C.
        value: V x.
        known: Whether C e was given, so that its gradient is asked for instead of those of C and e.
    """

    def __init__(self, messages: Tensor, weight: Tensor, value: Tensor, *, known: bool) -> None:
        self.receiver, self.sender, self.value = (torch.zeros_like(value) for _ in range(3))
        self.mapped = torch.empty_like(messages) if known else None
        self.messages = None if known else torch.empty_like(messages)
        self.weight = None if known else torch.zeros_like(weight)
        self.norm: tuple[Tensor | None, Tensor | None] = (None, None)

    def through_norm(self, gradient: Tensor, m: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return the gradient of SiLU(LN(m)) with respect to m."""
        shape = (m.shape[1],)
        normed, mean, deviation = torch.native_layer_norm(m, shape, scale, shift, _NORM_EPSILON)
        gradient = torch.ops.aten.silu_backward(gradient, normed)
        to_m, *shares = torch.ops.aten.native_layer_norm_backward(
            gradient, m, shape, mean, deviation, scale, shift, [True, True, True]
        )
        before = self.norm
        self.norm = (
            shares[0] if before[0] is None else before[0].add_(shares[0]),
            shares[1] if before[1] is None else before[1].add_(shares[1]),
        )
        through: Tensor = to_m
        return through

    def through_map(
        self, to_m: Tensor, messages: Tensor, weight: Tensor, block: Block, to_updated: Tensor | None
    ) -> None:
        """Take over the gradient of m, and what it means for e and C."""
        place = block.messages
        if self.mapped is not None:
            self.mapped[place] = to_m
        elif self.messages is not None and self.weight is not None:
            torch.mm(to_m, weight, out=self.messages[place])
            if to_updated is not None:
                self.messages[place] += to_updated[place]
            self.weight.addmm_(to_m.t(), messages[place])
