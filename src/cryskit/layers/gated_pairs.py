"""Gated messages between bonds, of which nothing is kept for the backward pass but what goes in.

    r_b = sum_c sigmoid(p_b + q_c)_filter * softplus(p_b + q_c)_core

The pairs (b, c) are many more than the bonds, so their values are made a few hundred at a time (see `gated.Flow`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from cryskit.layers.message_passing import apply

if TYPE_CHECKING:
    from cryskit.layers.gated import Block, Flow


def gated_pair(gates: Float[Tensor, "rows twice"]) -> Float[Tensor, "rows width"]:
    """Return sigmoid(filter) * softplus(core) of filter and core side by side."""
    opened, core = gates.chunk(2, dim=1)
    return torch.sigmoid(opened) * softplus(core)


def gated_pair_sum(
    receiver: Float[Tensor, "states twice"], sender: Float[Tensor, "states twice"], flow: Flow
) -> Float[Tensor, "states width"]:
    """Return the sum of the gated messages to each state.

    Args:
        receiver: p.
        sender: q.
        flow: Who sends to whom.
    """
    precision = torch.promote_types(receiver.dtype, torch.float32)
    return apply(_GatedPairSum, receiver.to(precision), sender.to(precision), flow)


class _GatedPairSum(Function):
    @staticmethod
    def forward(ctx: Any, receiver: Tensor, sender: Tensor, flow: Flow) -> Tensor:
        ctx.save_for_backward(receiver, sender)
        ctx.flow = flow
        summed = receiver.new_zeros(len(receiver), receiver.shape[1] // 2)
        for block in flow.blocks:
            summed[block.states] = block.received(block.counted(gated_pair(_gates(receiver, sender, block))))
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        receiver, sender = ctx.saved_tensors
        to_receiver, to_sender = torch.zeros_like(receiver), torch.zeros_like(sender)
        for block in ctx.flow.blocks:
            opened, core = _gates(receiver, sender, block).chunk(2, dim=1)
            each = block.counted(gradient[block.states].index_select(0, block.receiver))
            s = torch.sigmoid(opened)
            to_opened = torch.ops.aten.sigmoid_backward(each * softplus(core), s)
            to_gates = torch.cat([to_opened, each * s * torch.sigmoid(core)], dim=1)
            to_receiver[block.states] = block.received(to_gates)
            to_sender[block.states] = block.sent(to_gates)
        return to_receiver, to_sender, None


def _gates(receiver: Tensor, sender: Tensor, block: Block) -> Tensor:
    gates = receiver[block.states].index_select(0, block.receiver)
    gates += sender[block.states].index_select(0, block.sender)
    return gates
