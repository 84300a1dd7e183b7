"""Gated messages between bonds, of which only the inputs are kept for the backward pass.

    r_b = sum_c sigmoid(p_b + q_c)_filter * softplus(p_b + q_c)_core

The pairs (b, c) are many more than the bonds, so their values are made a few hundred at a time (`message_blocks`). The gate is
that of CGCNN (Xie and Grossman 2018, doi 10.1103/PhysRevLett.120.145301).

The backward pass calls one private operator of torch, `aten.sigmoid_backward`; `tests/layers/test_edge_gated.py` compares it,
and the whole sum, with autograd in float64.
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
    from cryskit.layers.message_blocks import MessageBlock, MessageGraph


def gated_pair(gates: Float[Tensor, "rows twice"]) -> Float[Tensor, "rows width"]:
    """Return sigmoid(filter) * softplus(core), where the columns of `gates` are first the filter and then the core.

    Args:
        gates: The filter and the core of each row, side by side.
    """
    gate, core = gates.chunk(2, dim=1)
    return torch.sigmoid(gate) * softplus(core)


def gated_pair_sum(
    receiver: Float[Tensor, "states twice"], sender: Float[Tensor, "states twice"], graph: MessageGraph
) -> Float[Tensor, "states width"]:
    """Return for each state the sum of the gated messages that it receives.

    Args:
        receiver: The values p of the receiving states, first the filter and then the core.
        sender: The values q of the sending states, in the same layout.
        graph: The sender and the receiver of each message.
    """
    precision = torch.promote_types(receiver.dtype, torch.float32)
    return apply(_GatedPairSum, receiver.to(precision), sender.to(precision), graph)


class _GatedPairSum(Function):
    @staticmethod
    def forward(ctx: Any, receiver: Tensor, sender: Tensor, graph: MessageGraph) -> Tensor:
        ctx.save_for_backward(receiver, sender)
        ctx.graph = graph
        total = receiver.new_zeros(len(receiver), receiver.shape[1] // 2)
        for block in graph.blocks:
            messages = block.weigh_(gated_pair(_gates(receiver, sender, block)))
            total[block.states] = block.sum_to_receivers(messages)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor, Tensor, None]:
        receiver, sender = ctx.saved_tensors
        grad_receiver, grad_sender = torch.zeros_like(receiver), torch.zeros_like(sender)
        for block in ctx.graph.blocks:
            gate, core = _gates(receiver, sender, block).chunk(2, dim=1)
            grad_message = block.weigh_(grad_total[block.states].index_select(0, block.receiver))
            s = torch.sigmoid(gate)
            grad_gate = torch.ops.aten.sigmoid_backward(grad_message * softplus(core), s)
            grad_gates = torch.cat([grad_gate, grad_message * s * torch.sigmoid(core)], dim=1)
            grad_receiver[block.states] = block.sum_to_receivers(grad_gates)
            grad_sender[block.states] = block.sum_to_senders(grad_gates)
        return grad_receiver, grad_sender, None


def _gates(receiver: Tensor, sender: Tensor, block: MessageBlock) -> Tensor:
    gates = receiver[block.states].index_select(0, block.receiver)
    gates += sender[block.states].index_select(0, block.sender)
    return gates
