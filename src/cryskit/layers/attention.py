"""Softmax attention within segments of any length: the edges of each atom, or the atoms or edges of each crystal.

    a_k = exp(s_k) / sum_l w_l exp(s_l),   y = sum_k w_k a_k x_k

The sums run over one segment. A row that stands for several equal ones (a node for its orbit, an edge for equal edges) has
their number as its weight w, and so has an edge of a smooth neighbourhood. Where the weights of a segment add up to less than
one, y shrinks with them, so that an atom whose last neighbours fade out receives nothing in the end. The largest score of a segment is subtracted from all of its scores first, so that no exponential
overflows. The backward pass is made of public operations of torch only.
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
    """Runs of consecutive rows over which attention is taken.

    Attributes:
        segment: (rows,) int64, the segment of each row, sorted.
        counts: (segments,) int64, the number of rows in each segment, 0 for an empty one.
        weight: (rows,) how much each row counts: the number of equal rows that it stands for, times the weights of edges; None if
            it is 1 for all.
    """

    segment: Tensor
    counts: Tensor
    weight: Tensor | None

    @classmethod
    def of_atoms(cls, neighbourhoods: Neighbourhoods) -> Segments:
        """Return the edges of each atom as segments, weighted with their multiplicity.

        Args:
            neighbourhoods: The edges.
        """
        return cls(neighbourhoods.edges.centre, neighbourhoods.degree, neighbourhoods.edges.multiplicity)

    @classmethod
    def of_crystals(cls, graph: Graph) -> Segments:
        """Return the nodes of each crystal as segments, weighted with their multiplicity.

        Args:
            graph: The batch.
        """
        counts = torch.bincount(graph.crystal_of_atom, minlength=graph.crystals)
        return cls(graph.crystal_of_atom, counts, graph.multiplicity)

    @classmethod
    def edges_of_crystals(cls, graph: Graph, neighbourhoods: Neighbourhoods) -> Segments:
        """Return the edges of each crystal as segments, weighted with their multiplicity times that of their centre.

        Args:
            graph: The batch.
            neighbourhoods: The edges of the batch.
        """
        centre, multiplicity = neighbourhoods.edges.centre, neighbourhoods.edges.multiplicity
        crystal = graph.crystal_of_atom[centre]
        weight = graph.multiplicity[centre] if multiplicity is None else graph.multiplicity[centre] * multiplicity
        return cls(crystal, torch.bincount(crystal, minlength=graph.crystals), weight)


def softmax(scores: Float[Tensor, "rows heads"], segments: Segments) -> Float[Tensor, "rows heads"]:
    """Return the softmax of the scores within each segment, for each head alone.

    Args:
        scores: The score of each row in each head.
        segments: The segments of the rows.

    Returns:
        The share a of each row; times the weights they add up to 1 in every segment and head, or to the sum of the weights if
        that is less.
    """
    segment, counts, weight = segments
    highest = scores.new_full((len(counts), scores.shape[1]), -torch.inf)
    highest = highest.scatter_reduce(0, segment[:, None].expand_as(scores), scores.detach(), "amax")
    powers = torch.exp(scores - highest[segment])
    weighted = powers if weight is None else powers * weight[:, None].to(powers.dtype)
    total = scores.new_zeros(highest.shape).index_add(0, segment, weighted)
    if weight is not None:
        count = weight.new_zeros(len(counts)).index_add(0, segment, weight)
        total = total / count.clamp(torch.finfo(count.dtype).tiny, 1)[:, None].to(total.dtype)
    return powers / total[segment]


def attend(
    shares: Float[Tensor, "rows heads"], values: Float[Tensor, "rows features"], segments: Segments
) -> Float[Tensor, "segments width"]:
    """Return for each segment the sum over its rows and the heads of weight times share times value.

    Args:
        shares: The share of each row in each head, from `softmax`.
        values: The values of each row: those of the first head, then those of the second, each of width = features / heads.
        segments: The segments of the rows.
    """
    return apply(_Attend, shares, values, segments)


class _Attend(Function):
    """One weighted embedding bag per segment, whose terms are the heads of its rows."""

    @staticmethod
    def forward(ctx: Any, shares: Tensor, values: Tensor, segments: Segments) -> Tensor:
        ctx.save_for_backward(shares, values)
        ctx.segments = segments
        rows, heads = shares.shape
        width = values.shape[1] // heads
        if not rows:
            return values.new_zeros(len(segments.counts), width)
        weighted = shares if segments.weight is None else shares * segments.weight[:, None].to(shares.dtype)
        return embedding_bag(
            torch.arange(rows * heads, device=values.device),
            values.reshape(rows * heads, width),
            (segments.counts.cumsum(0) - segments.counts) * heads,
            mode="sum",
            per_sample_weights=weighted.reshape(-1).to(values.dtype),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        shares, values = ctx.saved_tensors
        _, counts, weight = ctx.segments
        grad_rows = torch.repeat_interleave(gradient, counts, dim=0, output_size=len(values))
        if weight is not None:
            grad_rows = grad_rows * weight[:, None].to(grad_rows.dtype)
        grad_shares = torch.bmm(values.reshape(*shares.shape, -1), grad_rows[:, :, None].to(values.dtype)).squeeze(2)
        return grad_shares, (shares[:, :, None] * grad_rows[:, None, :]).flatten(1), None
