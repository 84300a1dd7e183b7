"""Attention over the edges of each atom and over the atoms of each crystal, for segments of any length.

    a_k = w_k exp(s_k) / sum_l w_l exp(s_l)

The sum runs over the segment that k is in. A row that stands for several (an orbit, a merged edge) has that number as its
weight w. The largest score of a segment is taken off all of its scores first, so that no exponential overflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from cryskit.layers.wiring import apply

if TYPE_CHECKING:
    from cryskit.layers.wiring import Wiring
    from cryskit.types import Graph


def segment_softmax(
    scores: Float[Tensor, "rows heads"],
    segment: Int[Tensor, " rows"],
    segments: int,
    weight: Float[Tensor, " rows"] | None = None,
) -> Float[Tensor, "rows heads"]:
    """Return the shares of the rows of each segment, head by head.

    Args:
        scores: Of each row.
        segment: That each row is in, 0..segments-1.
        segments: How many there are; some may be empty.
        weight: How many rows each row stands for; one by default.

    Returns:
        Shares, to be multiplied with `weight` where the rows are summed: weighted, they add up to one in every segment.
    """
    index = segment[:, None].expand_as(scores)
    highest = scores.new_full((segments, scores.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, index, scores.detach(), "amax")
    powers = torch.exp(scores - highest[segment])
    counted = powers if weight is None else powers * weight[:, None].to(powers.dtype)
    total = scores.new_zeros(segments, scores.shape[1]).index_add(0, segment, counted)
    return powers / total[segment]


def atom_softmax(scores: Float[Tensor, "atoms heads"], graph: Graph) -> Float[Tensor, "atoms heads"]:
    """Return the shares of the nodes of each crystal, multiplicity included: they add up to one in every crystal."""
    weight = graph.multiplicity.to(scores.dtype)
    return segment_softmax(scores, graph.crystal_of_atom, graph.crystals, weight) * weight[:, None]


def edge_softmax(scores: Float[Tensor, "edges heads"], wiring: Wiring) -> Float[Tensor, "edges heads"]:
    """Return the shares of the edges of each atom, copies not included: `Wiring.gather` and `attend` count them."""
    return segment_softmax(scores, wiring.wired.centre, len(wiring.degree), wiring.wired.copies)


def attend(
    shares: Float[Tensor, "edges heads"], values: Float[Tensor, "edges features"], wiring: Wiring
) -> Float[Tensor, "atoms width"]:
    """Return sum_h sum_j shares_ijh values_ijh of each atom i, copies included.

    Args:
        shares: Of the edges, for each head.
        values: Of the edges; a head has a run of width = features / heads of them.
        wiring: The edges.
    """
    return apply(_Attend, shares, values, wiring)


class _Attend(Function):
    """A weighted embedding bag: a row is one head of one edge, a bag all heads of all edges of one atom."""

    @staticmethod
    def forward(ctx: Any, shares: Tensor, values: Tensor, wiring: Wiring) -> Tensor:
        ctx.save_for_backward(shares, values)
        ctx.wiring = wiring
        copies = wiring.wired.copies
        counted = shares if copies is None else shares * copies[:, None].to(shares.dtype)
        if not len(values):
            return values.new_zeros(len(wiring.degree), values.shape[1] // shares.shape[1])
        heads = shares.shape[1]
        rows = torch.arange(len(values) * heads, device=values.device)
        return embedding_bag(
            rows,
            values.reshape(len(rows), -1),
            wiring.gather_bag.offsets * heads,
            mode="sum",
            per_sample_weights=counted.reshape(-1).to(values.dtype),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        shares, values = ctx.saved_tensors
        wiring, heads = ctx.wiring, shares.shape[1]
        back = torch.repeat_interleave(gradient, wiring.degree, dim=0, output_size=len(values))
        if wiring.wired.copies is not None:
            back = back * wiring.wired.copies[:, None].to(back.dtype)
        of_shares = torch.bmm(values.view(len(values), heads, -1), back[:, :, None]).squeeze(2)
        return of_shares, (shares[:, :, None] * back[:, None, :]).flatten(1), None
