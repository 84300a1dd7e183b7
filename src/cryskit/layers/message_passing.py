"""Carry node values to edges and edge values back to nodes, each in one fused pass.

A linear map of [x_i, x_j, e_ij] is the sum of three maps, so it is applied to the rows it really depends on (nodes, and a
grid of distances) and only the results are gathered: the same function at a fraction of the work. The gather, the sum of
the three and the interpolation on the distance grid are one weighted embedding row_sum; its backward pass is the same
operation on the transposed row_sum, which is sorted once per batch and shared by all layers.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from cryskit.types import Graph

_EQUAL = 1e-4  # angstrom: edges that differ by less in length are equally long


class Edges(NamedTuple):
    """Edges as a network that knows distances but no directions sees them, sorted by centre.

    Attributes:
        centre: (E,) int64.
        neighbour: (E,) int64.
        length: (E,) float32, angstrom.
        copies: (E,) float32, how many equal edges each stands for, or None for one.
        kind: Of every edge of the graph, which of these it is, or None if they are the graph's own.
    """

    centre: Tensor
    neighbour: Tensor
    length: Tensor
    copies: Tensor | None = None
    kind: Tensor | None = None

    @classmethod
    def of(cls, graph: Graph) -> Edges:
        """Return the edges of a batch as they are."""
        return cls(graph.edges[0], graph.edges[1], graph.vectors.norm(dim=1))

    @classmethod
    def distinct(cls, graph: Graph) -> Edges:
        """Return each kind of edge once: those of one atom to one orbit, equally long, carry the same message."""
        (centre, neighbour), length = graph.edges, graph.vectors.norm(dim=1)
        steps = (length / _EQUAL).round().long()
        span = steps.max() + 1 if len(steps) else 1
        kinds, kind, copies = torch.unique(
            (centre * graph.atoms + neighbour) * span + steps, return_inverse=True, return_counts=True
        )
        pairs = kinds.div(span, rounding_mode="floor")
        copies = copies.to(length.dtype)
        mean = length.new_zeros(len(kinds)).index_add(0, kind, length) / copies
        return cls(
            pairs.div(max(graph.atoms, 1), rounding_mode="floor"), pairs % max(graph.atoms, 1), mean, copies, kind
        )


class Neighbourhoods:
    """The edges of a batch, prepared for every layer of an encoder.

    Args:
        graph: The batch.
        radius: Angstrom; where the grid of distances ends.
        points: Points of the grid of distances.
        edges: What to wire instead of the graph's edges as they are.

    Attributes:
        wired: The edges.
        edges: How many they are.
        degree: (N,) int64, how many of them each atom is the centre of.
    """

    def __init__(self, graph: Graph, radius: float, points: int, edges: Edges | None = None) -> None:
        self.wired = Edges.of(graph) if edges is None else edges
        centre, neighbour, length, copies, _ = self.wired
        position = length * ((points - 1) / radius)
        lower = position.floor().clamp(0, points - 2)
        self._sizes = graph.atoms, points
        self._fraction = position - lower
        self._lower = lower.long()
        rows, weights = self._on_grid(2 * graph.atoms, centre, neighbour + graph.atoms)
        self.edge_sum = RowSum.regular(rows, weights, 2 * graph.atoms + points)
        self.edges = len(centre)
        self.degree = torch.bincount(centre, minlength=graph.atoms)
        self.atom_sum = RowSum(torch.arange(self.edges, device=centre.device), copies, _starts(self.degree))

    def _on_grid(self, start: int, *ends: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows and weights of sums that add the value at the length, of a grid that starts at a row, to others."""
        ones = [torch.ones_like(self._fraction)] * len(ends)
        rows = torch.stack([*ends, self._lower + start, self._lower + start + 1], dim=1)
        return rows, torch.stack([*ones, 1 - self._fraction, self._fraction], dim=1)

    @cached_property
    def neighbours(self) -> Tensor:
        """How many edges each atom is the centre of, copies included, (N,)."""
        copies = self.wired.copies
        if copies is None:
            return self.degree.to(self.wired.length.dtype)
        return copies.new_zeros(len(self.degree)).index_add(0, self.wired.centre, copies)

    @cached_property
    def _pair_sum(self) -> RowSum:
        atoms = self._sizes[0]
        return RowSum.regular(torch.stack([self.wired.centre, self.wired.neighbour + atoms], dim=1), None, 2 * atoms)

    @cached_property
    def _grid_sum(self) -> RowSum:
        return RowSum.regular(*self._on_grid(0), self._sizes[1])

    @cached_property
    def _end_sum(self) -> RowSum:
        atoms, points = self._sizes
        ends = [self._on_grid(atoms, end) for end in self.wired[:2]]
        rows, weights = (torch.cat(parts) for parts in zip(*ends, strict=True))
        return RowSum.regular(rows, weights, atoms + points)

    def to_edges(
        self,
        centre: Float[Tensor, "atoms width"],
        neighbour: Float[Tensor, "atoms width"],
        radial: Float[Tensor, "grid width"] | None = None,
    ) -> Float[Tensor, "edges width"]:
        """Return centre_i + neighbour_j + radial(d_ij) for every edge (i, j)."""
        if radial is None:
            return apply(_ToEdges, torch.cat([centre, neighbour]), self._pair_sum)
        return apply(_ToEdges, torch.cat([centre, neighbour, radial]), self.edge_sum)

    def interpolate(self, radial: Float[Tensor, "grid width"]) -> Float[Tensor, "edges width"]:
        """Return radial(d_ij) for every edge (i, j)."""
        return apply(_ToEdges, radial, self._grid_sum)

    def ends(
        self, atoms: Float[Tensor, "atoms width"], radial: Float[Tensor, "grid width"]
    ) -> Float[Tensor, "2 edges width"]:
        """Return atoms_i + radial(d_ij) and atoms_j + radial(d_ij) for every edge (i, j)."""
        return apply(_ToEdges, torch.cat([atoms, radial]), self._end_sum).view(2, self.edges, atoms.shape[1])

    def sum_to_atoms(self, messages: Float[Tensor, "edges width"]) -> Float[Tensor, "atoms width"]:
        """Return the sum of the messages of each atom's edges; zero for an atom without edges."""
        return apply(_SumToAtoms, messages, self.atom_sum, self.degree)


class RowSum:
    """Weighted sums of rows: the indices of each row_sum lie between consecutive offsets.

    Args:
        rows: (n,) int64.
        weights: (n,) float32, or None for ones.
        offsets: (sums,) int64.
        values: How many rows the values have that are summed, where the sum is to be transposed.
    """

    def __init__(self, rows: Tensor, weights: Tensor | None, offsets: Tensor, values: int = 0) -> None:
        self.rows, self.weights, self.offsets, self.values = rows, weights, offsets, values

    @classmethod
    def regular(
        cls, rows: Int[Tensor, "sums size"], weights: Float[Tensor, "sums size"] | None, values: int = 0
    ) -> RowSum:
        """Make sums of equal size."""
        sums, size = rows.shape
        offsets = torch.arange(sums, device=rows.device) * size
        return cls(rows.reshape(-1), None if weights is None else weights.reshape(-1), offsets, values)

    @cached_property
    def back(self) -> RowSum:
        """The transposed sum of equal-sized sums, sorted when the first backward pass asks for it."""
        size = len(self.rows) // max(len(self.offsets), 1)
        order = torch.argsort(self.rows, stable=True)
        weights = None if self.weights is None else self.weights[order]
        return RowSum(order // max(size, 1), weights, _starts(torch.bincount(self.rows, minlength=self.values)))

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sums of equal-sized sums, so that gradients reach the values."""
        return apply(_ToEdges, values, self)

    def sum(self, values: Tensor) -> Tensor:
        """Return the weighted sums of the rows of `values`, (sums, width), at no less than the precision of the weights."""
        if self.weights is not None:
            values = values.to(torch.promote_types(values.dtype, self.weights.dtype))
        if not len(self.rows):
            return values.new_zeros(len(self.offsets), values.shape[1])
        return embedding_bag(self.rows, values, self.offsets, mode="sum", per_sample_weights=self.weights)


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts


def apply(function: type[Function], *arguments: Any) -> Tensor:
    """Apply a function with its own backward pass; torch does not type `apply`."""
    call: Any = function.apply
    result: Tensor = call(*arguments)
    return result


class _ToEdges(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, row_sum: RowSum) -> Tensor:
        ctx.row_sum = row_sum
        return row_sum.sum(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.row_sum.back.sum(gradient.contiguous()), None


class _SumToAtoms(Function):
    @staticmethod
    def forward(ctx: Any, messages: Tensor, row_sum: RowSum, degree: Tensor) -> Tensor:
        ctx.save_for_backward(degree)
        ctx.row_sum, ctx.edges = row_sum, len(messages)
        return row_sum.sum(messages)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (degree,) = ctx.saved_tensors
        back = torch.repeat_interleave(gradient, degree, dim=0, output_size=ctx.edges)
        return back if ctx.row_sum.weights is None else back * ctx.row_sum.weights[:, None], None, None
