"""Message passing: carry the values of atoms to edges, and sum those of edges at atoms, each in one fused pass.

A linear map of [x_i, x_j, e_ij] is the sum of three maps, so it is applied to the rows it really depends on (atoms, and a
grid of distances) and only the results are gathered: the same function at a fraction of the work. The gather, the sum of
the three and the interpolation on the grid of distances are one weighted sum of rows (torch's embedding bag); its backward
pass is the transposed sum, whose rows are sorted once per batch and shared by all layers.
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

from cryskit.layers.message_blocks import EdgeBlock, cuts

if TYPE_CHECKING:
    from cryskit.types import Graph

_EQUAL = 1e-4  # angstrom: edges that differ by less in length are equally long


class Edges(NamedTuple):
    """Directed edges with lengths and no directions, sorted by centre.

    Attributes:
        centre: (E,) int64, the atom that receives along each edge.
        neighbour: (E,) int64, the atom that sends along each edge.
        length: (E,) float32, the length of each edge in angstrom.
        multiplicity: (E,) float32, how much each edge counts in a sum over edges: the weight of the edge in the graph, added up
            over the equal edges of the graph that it stands for; None if it is 1 for all.
        row_of_edge: (edges of the graph,) int64, the row here that stands for each edge of the graph, or None if the rows are
            the graph's own edges.
    """

    centre: Tensor
    neighbour: Tensor
    length: Tensor
    multiplicity: Tensor | None = None
    row_of_edge: Tensor | None = None

    @classmethod
    def of(cls, graph: Graph) -> Edges:
        """Return all edges of a batch.

        Args:
            graph: The batch.
        """
        return cls(graph.edges[0], graph.edges[1], graph.vectors.norm(dim=1), graph.weight)

    @classmethod
    def distinct(cls, graph: Graph) -> Edges:
        """Return one edge for each set of equal edges of a batch, with its multiplicity.

        Edges of one atom to one node that are equally long are equal: they carry the same message in any network that knows
        distances but no directions.

        Args:
            graph: The batch.
        """
        (centre, neighbour), length = graph.edges, graph.vectors.norm(dim=1)
        steps = (length / _EQUAL).round().long()
        span = steps.max() + 1 if len(steps) else 1
        keys, row_of_edge, counts = torch.unique(
            (centre * graph.atoms + neighbour) * span + steps, return_inverse=True, return_counts=True
        )
        ends = keys.div(span, rounding_mode="floor")
        atoms = max(graph.atoms, 1)
        number = counts.to(length.dtype)
        mean = length.new_zeros(len(keys)).index_add(0, row_of_edge, length) / number
        multiplicity = (
            number if graph.weight is None else number.new_zeros(len(keys)).index_add(0, row_of_edge, graph.weight)
        )
        return cls(ends.div(atoms, rounding_mode="floor"), ends % atoms, mean, multiplicity, row_of_edge)


class Neighbourhoods:
    """The edges of a batch, prepared for the messages of every layer of an encoder.

    Args:
        graph: The batch.
        radius: The last point of the grid of distances, in angstrom; the first is 0.
        points: The number of points of the grid of distances.
        edges: The edges that carry messages; all edges of the graph by default.

    Attributes:
        edges: The edges that carry messages.
        edge_count: The number of these edges.
        degree: (N,) int64, the number of these edges whose centre is each atom, multiplicities not counted.
    """

    def __init__(self, graph: Graph, radius: float, points: int, edges: Edges | None = None) -> None:
        self.edges = Edges.of(graph) if edges is None else edges
        centre, neighbour, length, multiplicity, _ = self.edges
        position = length * ((points - 1) / radius)
        lower = position.floor().clamp(0, points - 2)
        self._sizes = graph.atoms, points
        self._fraction = position - lower
        self._lower = lower.long()
        rows, weights = self._on_grid(2 * graph.atoms, centre, neighbour + graph.atoms)
        self.edge_sum = RowSum.regular(rows, weights, 2 * graph.atoms + points)
        self.edge_count = len(centre)
        self.degree = torch.bincount(centre, minlength=graph.atoms)
        self.atom_sum = RowSum(torch.arange(self.edge_count, device=centre.device), multiplicity, _starts(self.degree))

    def _on_grid(self, start: int, *ends: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows and weights of sums over the ends of each edge and the grid, interpolated at the edge's length.

        Args:
            start: The row at which the grid starts.
            *ends: (E,) int64, rows that are summed with weight 1.
        """
        ones = [torch.ones_like(self._fraction)] * len(ends)
        rows = torch.stack([*ends, self._lower + start, self._lower + start + 1], dim=1)
        return rows, torch.stack([*ones, 1 - self._fraction, self._fraction], dim=1)

    @cached_property
    def neighbour_count(self) -> Tensor:
        """The number of neighbours of each atom, every edge counted with its multiplicity, (N,)."""
        multiplicity = self.edges.multiplicity
        if multiplicity is None:
            return self.degree.to(self.edges.length.dtype)
        return multiplicity.new_zeros(len(self.degree)).index_add(0, self.edges.centre, multiplicity)

    @cached_property
    def blocks(self) -> list[EdgeBlock]:
        """The edges in blocks of whole atoms whose intermediate values fit into the cache of a core; atoms without edges may be left out."""
        centre, multiplicity = self.edges.centre, self.edges.multiplicity
        starts, rows = _starts(self.degree), torch.arange(self.edge_count, device=centre.device)
        return [
            EdgeBlock(
                edges,
                atoms,
                centre[edges] - atoms.start,
                rows[: edges.stop - edges.start],
                starts[atoms] - edges.start,
                None if multiplicity is None else multiplicity[edges, None],
            )
            for edges, atoms in cuts(self.degree, torch.ones_like(self.degree))
        ]

    @cached_property
    def _pair_sum(self) -> RowSum:
        atoms = self._sizes[0]
        return RowSum.regular(torch.stack([self.edges.centre, self.edges.neighbour + atoms], dim=1), None, 2 * atoms)

    @cached_property
    def _grid_sum(self) -> RowSum:
        return RowSum.regular(*self._on_grid(0), self._sizes[1])

    @cached_property
    def _end_sum(self) -> RowSum:
        atoms, points = self._sizes
        ends = [self._on_grid(atoms, end) for end in self.edges[:2]]
        rows, weights = (torch.cat(parts) for parts in zip(*ends, strict=True))
        return RowSum.regular(rows, weights, atoms + points)

    def to_edges(
        self,
        centre: Float[Tensor, "atoms width"],
        neighbour: Float[Tensor, "atoms width"],
        radial: Float[Tensor, "grid width"] | None = None,
    ) -> Float[Tensor, "edges width"]:
        """Return centre_i + neighbour_j + radial(d_ij) for every edge (i, j).

        Args:
            centre: A vector for each atom, added to the edges of which it is the centre.
            neighbour: A vector for each atom, added to the edges of which it is the neighbour.
            radial: A vector for each point of the grid of distances, interpolated at the length of each edge; none by default.
        """
        if radial is None:
            return apply(_ToEdges, torch.cat([centre, neighbour]), self._pair_sum)
        return apply(_ToEdges, torch.cat([centre, neighbour, radial]), self.edge_sum)

    def interpolate(self, radial: Float[Tensor, "grid width"]) -> Float[Tensor, "edges width"]:
        """Return radial(d_ij) for every edge (i, j).

        Args:
            radial: A vector for each point of the grid of distances, interpolated at the length of each edge.
        """
        return apply(_ToEdges, radial, self._grid_sum)

    def ends(
        self, atoms: Float[Tensor, "atoms width"], radial: Float[Tensor, "grid width"]
    ) -> Float[Tensor, "2 edges width"]:
        """Return atoms_i + radial(d_ij) and atoms_j + radial(d_ij) for every edge (i, j).

        Args:
            atoms: A vector for each atom.
            radial: A vector for each point of the grid of distances, interpolated at the length of each edge.
        """
        return apply(_ToEdges, torch.cat([atoms, radial]), self._end_sum).view(2, self.edge_count, atoms.shape[1])

    def sum_to_atoms(self, messages: Float[Tensor, "edges width"]) -> Float[Tensor, "atoms width"]:
        """Return the sum of the messages of each atom's edges, each times its multiplicity; zero for an atom without edges.

        Args:
            messages: A vector for each edge.
        """
        return apply(_SumToAtoms, messages, self.atom_sum, self.degree)


class RowSum:
    """Weighted sums of rows of a matrix, the rows of each sum one after the other.

    Args:
        rows: (n,) int64, the row that each term of a sum is.
        weights: (n,) float32, the weight of each term, or None if it is 1 for all.
        offsets: (sums,) int64, the position in `rows` of the first term of each sum.
        values: The number of rows of the matrix; needed only if the sum is transposed (`back`).
    """

    def __init__(self, rows: Tensor, weights: Tensor | None, offsets: Tensor, values: int = 0) -> None:
        self.rows, self.weights, self.offsets, self.values = rows, weights, offsets, values

    @classmethod
    def regular(
        cls, rows: Int[Tensor, "sums size"], weights: Float[Tensor, "sums size"] | None, values: int = 0
    ) -> RowSum:
        """Make sums that have equally many terms.

        Args:
            rows: The rows that are the terms of each sum.
            weights: The weight of each term, or None if it is 1 for all.
            values: The number of rows of the matrix; needed only if the sum is transposed.
        """
        sums, size = rows.shape
        offsets = torch.arange(sums, device=rows.device) * size
        return cls(rows.reshape(-1), None if weights is None else weights.reshape(-1), offsets, values)

    @cached_property
    def back(self) -> RowSum:
        """The transposed sum, where all sums have equally many terms; sorted when the first backward pass needs it."""
        size = len(self.rows) // max(len(self.offsets), 1)
        order = torch.argsort(self.rows, stable=True)
        weights = None if self.weights is None else self.weights[order]
        return RowSum(order // max(size, 1), weights, _starts(torch.bincount(self.rows, minlength=self.values)))

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sums of rows of a matrix with gradients, where all sums have equally many terms, (sums, width).

        Args:
            values: (rows, width) the matrix whose rows are summed.
        """
        return apply(_ToEdges, values, self)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sums of rows of a matrix without gradients, (sums, width), in no less than the precision of the weights.

        Args:
            values: (rows, width) the matrix whose rows are summed.
        """
        if self.weights is not None:
            values = values.to(torch.promote_types(values.dtype, self.weights.dtype))
        if not len(self.rows):
            return values.new_zeros(len(self.offsets), values.shape[1])
        return embedding_bag(self.rows, values, self.offsets, mode="sum", per_sample_weights=self.weights)


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts


def apply(function: type[Function], *arguments: Any) -> Tensor:
    """Return `function.apply(*arguments)` as a tensor: torch does not type the `apply` of a function with its own backward.

    Args:
        function: The function, with its own backward pass.
        *arguments: The arguments of its forward pass.
    """
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
        ctx.row_sum, ctx.edge_count = row_sum, len(messages)
        return row_sum.sum(messages)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (degree,) = ctx.saved_tensors
        back = torch.repeat_interleave(gradient, degree, dim=0, output_size=ctx.edge_count)
        return back if ctx.row_sum.weights is None else back * ctx.row_sum.weights[:, None], None, None
