"""Carry node values to edges and edge values back to nodes, each in one fused pass.

A linear map of [x_i, x_j, e_ij] is the sum of three maps, so it is applied to the rows it really depends on (nodes, and a
grid of distances) and only the results are gathered: the same function at a fraction of the work. The gather, the sum of
the three and the interpolation on the distance grid are one weighted embedding bag; its backward pass is the same
operation on the transposed bag, which is sorted once per batch and shared by all layers.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from cryskit.types import Graph


class Wiring:
    """The edges of a batch, prepared for every layer of an encoder.

    Args:
        graph: The batch.
        radius: Angstrom; where the grid of distances ends.
        points: Points of the grid of distances.
    """

    def __init__(self, graph: Graph, radius: float, points: int) -> None:
        centre, neighbour = graph.edges
        atoms, edges = graph.atoms, graph.edges.shape[1]
        position = graph.vectors.norm(dim=1) * ((points - 1) / radius)
        cell = position.floor().clamp(0, points - 2)
        fraction = position - cell
        lower = cell.long() + 2 * atoms
        rows = torch.stack([centre, neighbour + atoms, lower, lower + 1], dim=1)
        weights = torch.stack([torch.ones_like(fraction), torch.ones_like(fraction), 1 - fraction, fraction], dim=1)
        self.spread_bag = Bag.regular(rows, weights)
        self._spread_rows = 2 * atoms + points
        self.edges = edges
        self.degree = torch.bincount(centre, minlength=atoms)
        self.gather_bag = Bag(torch.arange(edges, device=centre.device), None, self.degree.cumsum(0) - self.degree)

    @cached_property
    def spread_back(self) -> Bag:
        """The transposed bag, sorted when the first backward pass asks for it."""
        return self.spread_bag.transposed(self._spread_rows)

    def spread(
        self,
        centre: Float[Tensor, "atoms width"],
        neighbour: Float[Tensor, "atoms width"],
        radial: Float[Tensor, "grid width"],
    ) -> Float[Tensor, "edges width"]:
        """Return centre_i + neighbour_j + radial(d_ij) for every edge (i, j)."""
        return apply(_Spread, torch.cat([centre, neighbour, radial]), self)

    def gather(self, messages: Float[Tensor, "edges width"]) -> Float[Tensor, "atoms width"]:
        """Return the sum of the messages of each atom's edges; zero for an atom without edges."""
        return apply(_Gather, messages, self.gather_bag, self.degree)


class Bag:
    """Weighted sums of rows: the indices of each bag lie between consecutive offsets.

    Args:
        rows: (n,) int64.
        weights: (n,) float32, or None for ones.
        offsets: (bags,) int64.
    """

    def __init__(self, rows: Tensor, weights: Tensor | None, offsets: Tensor) -> None:
        self.rows, self.weights, self.offsets = rows, weights, offsets

    @classmethod
    def regular(cls, rows: Int[Tensor, "bags size"], weights: Float[Tensor, "bags size"]) -> Bag:
        """Make bags of equal size."""
        bags, size = rows.shape
        return cls(rows.reshape(-1), weights.reshape(-1), torch.arange(bags, device=rows.device) * size)

    def transposed(self, rows: int) -> Bag:
        """Return the bags of the transposed sum: for each of `rows` rows, the equal-sized bags that it is in."""
        size = len(self.rows) // max(len(self.offsets), 1)
        order = torch.argsort(self.rows, stable=True)
        counts = torch.bincount(self.rows, minlength=rows)
        weights = None if self.weights is None else self.weights[order]
        return Bag(order // max(size, 1), weights, counts.cumsum(0) - counts)

    def sum(self, values: Tensor) -> Tensor:
        """Return the weighted sums of the rows of `values`, (bags, width), at no less than the precision of the weights."""
        if self.weights is not None:
            values = values.to(torch.promote_types(values.dtype, self.weights.dtype))
        if not len(self.rows):
            return values.new_zeros(len(self.offsets), values.shape[1])
        return embedding_bag(self.rows, values, self.offsets, mode="sum", per_sample_weights=self.weights)


def apply(function: type[Function], *arguments: Any) -> Tensor:
    """Apply a function with its own backward pass; torch does not type `apply`."""
    call: Any = function.apply
    result: Tensor = call(*arguments)
    return result


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, wiring: Wiring) -> Tensor:
        ctx.wiring = wiring
        return wiring.spread_bag.sum(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.wiring.spread_back.sum(gradient.contiguous()), None


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, messages: Tensor, bag: Bag, degree: Tensor) -> Tensor:
        ctx.save_for_backward(degree)
        ctx.edges = len(messages)
        return bag.sum(messages)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (degree,) = ctx.saved_tensors
        return torch.repeat_interleave(gradient, degree, dim=0, output_size=ctx.edges), None, None
