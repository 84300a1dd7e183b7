"""Gated messages that are normalised over the batch and summed at atoms, with intermediate values of a few hundred edges at a time.

    y_k = gamma (z_k - <z>) / sqrt(<(z - <z>)^2> + eps) + beta
    s_i = sum_j w_ij sigmoid(y_ij)_filter * softplus(y_ij)_core

<> is the mean over the edges of the batch, each counted with its weight w (equal edges are one, edges at the border of a smooth
neighbourhood count in part). The gate is that of CGCNN (Xie and Grossman 2018, doi 10.1103/PhysRevLett.120.145301). Of all
values of an edge only z is kept for the backward pass; the others are computed again, block by block, so that they stay in the
cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from cryskit.layers.across_processes import processes, summed
from cryskit.layers.gated_pairs import gated_pair
from cryskit.layers.message_passing import apply
from cryskit.layers.plain import PlainNeighbourhoods

if TYPE_CHECKING:
    from cryskit.layers.message_passing import Neighbourhoods


class GatedSum(nn.BatchNorm1d):
    """The normalised and gated messages of each atom's edges, summed.

    Args:
        width: Width of the sums; the messages have twice as many numbers, first the filter and then the core.
    """

    def __init__(self, width: int) -> None:
        super().__init__(2 * width)

    def forward(  # type: ignore[override]  # a norm takes the rows alone
        self, z: Float[Tensor, "edges twice"], neighbourhoods: Neighbourhoods
    ) -> Float[Tensor, "atoms width"]:
        """Return the sum at each atom; in evaluation the norm is left to the caller (`folded`).

        Args:
            z: The pre-activation of each edge.
            neighbourhoods: The edges.
        """
        if isinstance(neighbourhoods, PlainNeighbourhoods):
            return neighbourhoods.sum_to_atoms(gated_pair(z))
        if not self.normalises(neighbourhoods):
            return apply(_GatedSum, z, None, None, neighbourhoods, None)
        moments = _Moments.of(z.detach(), neighbourhoods)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            self.running_mean.lerp_(moments.mean.to(self.running_mean), self.momentum or 0.1)
            unbiased = moments.variance * moments.total / (moments.total - 1).clamp_min(1e-6)
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum or 0.1)
        return apply(_GatedSum, z, self.weight, self.bias, neighbourhoods, moments._replace(eps=self.eps))

    def normalises(self, neighbourhoods: Neighbourhoods) -> bool:
        """Return whether `forward` takes the moments of the batch, of all processes together: in training, where there is more than one edge.

        Args:
            neighbourhoods: The edges.
        """
        return self.training and (neighbourhoods.edge_count > 1 or processes() > 1)

    def folded(self) -> tuple[Float[Tensor, " twice"], Float[Tensor, " twice"]]:
        """Return the scale and the shift that the norm amounts to in evaluation."""
        state = dict(self.named_buffers())
        scale = self.weight * torch.rsqrt(state["running_var"] + self.eps)
        return scale, self.bias - state["running_mean"] * scale


class _Moments(NamedTuple):
    """Mean and variance over edges.

    Attributes:
        mean: (twice,) the weighted mean of the rows.
        variance: (twice,) the weighted mean of their squared deviations.
        total: The sum of the weights.
        eps: What is added to the variance.
    """

    mean: Tensor
    variance: Tensor
    total: Tensor
    eps: float = 0.0

    @classmethod
    def of(cls, z: Tensor, neighbourhoods: Neighbourhoods) -> _Moments:
        """Return the moments of the rows, whose deviations are squared block by block."""
        weight = neighbourhoods.edges.multiplicity
        weight = z.new_ones(len(z)) if weight is None else weight.to(z.dtype)
        total = summed(weight.sum())
        mean, squares = summed(weight @ z) / total, z.new_zeros(z.shape[1])
        for block in neighbourhoods.blocks:
            squares += weight[block.edges] @ (z[block.edges] - mean).square_()
        return cls(mean, summed(squares) / total, total)

    @property
    def scale(self) -> Tensor:
        """One over the standard deviation."""
        return torch.rsqrt(self.variance + self.eps)


class _GatedSum(Function):
    @staticmethod
    def forward(
        ctx: Any, z: Tensor, gamma: Tensor | None, beta: Tensor | None, edges: Neighbourhoods, moments: _Moments | None
    ) -> Tensor:
        ctx.save_for_backward(z, gamma, beta)
        ctx.edges, ctx.moments = edges, moments
        summed = z.new_zeros(len(edges.degree), z.shape[1] // 2)
        for block in edges.blocks:
            messages = block.weigh_(gated_pair(_normed(z[block.edges], gamma, beta, moments)))
            summed[block.atoms] = block.sum_to_atoms(messages)
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, gamma, beta = ctx.saved_tensors
        moments, grad_y = ctx.moments, torch.empty_like(z)
        sums = z.new_zeros(2, z.shape[1])
        for block in ctx.edges.blocks:
            rows = z[block.edges]
            gate, core = _normed(rows, gamma, beta, moments).chunk(2, dim=1)
            grad_message = block.weigh_(grad[block.atoms].index_select(0, block.centre))
            filtered, into = torch.sigmoid(gate), grad_y[block.edges]
            half = filtered.shape[1]
            torch.mul(grad_message.mul_(filtered), torch.sigmoid(core), out=into[:, half:])
            torch.mul(grad_message.mul_(1 - filtered), softplus(core), out=into[:, :half])
            if moments is not None:
                sums[0] += into.sum(0)
                sums[1] += ((rows - moments.mean) * moments.scale).mul_(into).sum(0)
        if moments is None:
            return grad_y, None, None, None, None
        every = summed(sums)
        for block in ctx.edges.blocks:
            normed = (z[block.edges] - moments.mean) * moments.scale
            shared = normed.mul_(every[1]).add_(every[0]).div_(moments.total)
            grad_y[block.edges].sub_(block.weigh_(shared)).mul_(gamma * moments.scale)
        return grad_y, sums[1], sums[0], None, None


def _normed(z: Tensor, gamma: Tensor | None, beta: Tensor | None, moments: _Moments | None) -> Tensor:
    """Return the rows after the norm; as they are where it was folded into them."""
    if gamma is None or beta is None or moments is None:
        return z
    scale = gamma * moments.scale
    return torch.addcmul(beta - moments.mean * scale, z, scale)
