"""Attention over the edges of each atom, or over the atoms or edges of each crystal: segments of any length.

    a_k = exp(s_k) / sum_l w_l exp(s_l),   y = sum_k w_k a_k x_k

The sums run over one segment. A row that stands for several (an orbit, a merged edge) has their number as its weight w. The
largest score of a segment is taken off all of its scores first, so that no exponential overflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from cryskit.layers.message_passing import apply

if TYPE_CHECKING:
    from cryskit.layers.message_passing import Neighbourhoods
    from cryskit.types import Graph


class Segments(NamedTuple):
    """Runs of consecutive rows that belong together.

    Attributes:
        segment: (rows,) int64, that each row is in, sorted.
        counts: (segments,) int64, rows of each segment, 0 for an empty one.
        weight: (rows,) how many rows each stands for, or None for one.
    """

    segment: Tensor
    counts: Tensor
    weight: Tensor | None

    @classmethod
    def of_atoms(cls, neighbourhoods: Neighbourhoods) -> Segments:
        """Return the edges of each atom."""
        return cls(neighbourhoods.wired.centre, neighbourhoods.degree, neighbourhoods.wired.copies)

    @classmethod
    def of_crystals(cls, graph: Graph) -> Segments:
        """Return the nodes of each crystal, weighted with their multiplicity."""
        counts = torch.bincount(graph.crystal_of_atom, minlength=graph.crystals)
        return cls(graph.crystal_of_atom, counts, graph.multiplicity)

    @classmethod
    def edges_of_crystals(cls, graph: Graph, neighbourhoods: Neighbourhoods) -> Segments:
        """Return the edges of each crystal, weighted with their copies and the multiplicity of their centre."""
        centre, copies = neighbourhoods.wired.centre, neighbourhoods.wired.copies
        crystal = graph.crystal_of_atom[centre]
        weight = graph.multiplicity[centre] if copies is None else graph.multiplicity[centre] * copies
        return cls(crystal, torch.bincount(crystal, minlength=graph.crystals), weight)


def softmax(scores: Float[Tensor, "rows heads"], segments: Segments) -> Float[Tensor, "rows heads"]:
    """Return the shares of the rows of each segment, head by head; times weight they add up to one."""
    segment, counts, weight = segments
    highest = scores.new_full((len(counts), scores.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, segment[:, None].expand_as(scores), scores.detach(), "amax")
    powers = torch.exp(scores - highest[segment])
    counted = powers if weight is None else powers * weight[:, None].to(powers.dtype)
    total = scores.new_zeros(highest.shape).index_add(0, segment, counted)
    return powers / total[segment]


def attend(
    shares: Float[Tensor, "rows heads"], values: Float[Tensor, "rows features"], segments: Segments
) -> Float[Tensor, "segments width"]:
    """Return the sum over the rows of each segment, and over the heads, of weight times share times values.

    Args:
        shares: Of the rows, for each head.
        values: Of the rows; every head has a run of width = features / heads of them.
        segments: Of the rows.
    """
    return apply(_Attend, shares, values, segments)


class _Attend(Function):
    """A weighted embedding row_sum: one head of one row is looked up, the heads and rows of one segment are a row_sum."""

    @staticmethod
    def forward(ctx: Any, shares: Tensor, values: Tensor, segments: Segments) -> Tensor:
        ctx.save_for_backward(shares, values)
        ctx.segments = segments
        rows, heads = shares.shape
        width = values.shape[1] // heads
        if not rows:
            return values.new_zeros(len(segments.counts), width)
        counted = shares if segments.weight is None else shares * segments.weight[:, None].to(shares.dtype)
        return embedding_bag(
            torch.arange(rows * heads, device=values.device),
            values.reshape(rows * heads, width),
            (segments.counts.cumsum(0) - segments.counts) * heads,
            mode="sum",
            per_sample_weights=counted.reshape(-1).to(values.dtype),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        shares, values = ctx.saved_tensors
        _, counts, weight = ctx.segments
        back = torch.repeat_interleave(gradient, counts, dim=0, output_size=len(values))
        if weight is not None:
            back = back * weight[:, None].to(back.dtype)
        of_shares = torch.bmm(values.reshape(*shares.shape, -1), back[:, :, None].to(values.dtype)).squeeze(2)
        return of_shares, (shares[:, :, None] * back[:, None, :]).flatten(1), None
