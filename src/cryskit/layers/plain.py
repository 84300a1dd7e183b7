"""Message passing in plain operations of torch, whose sizes are those of their inputs: what can be exported to a file.

Encoders merge equal edges with `torch.unique`, count neighbours with `torch.bincount` and sum with fused operations that have a backward
pass of their own (`message_passing`). None of these can be traced for any number of atoms. Here equal edges were merged before
(`MergedGraph`), and every sum is a gather or an `index_add`: the same function, slower in training and without hand-written gradients.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from cryskit.errors import ModelError
from cryskit.layers.harmonics import DEGREES, OrderParameters, harmonics
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.types import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.radial import Gaussians


class MergedGraph(Graph):
    """A batch whose equal edges were merged before, as the exported part of a network is given it.

    Args:
        fields: The fields of a graph of the same names, but for its edges; and `centre`, `neighbour`, `length`, `count` and
            `row_of_edge`, the merged edges (`message_passing.Edges`).

    Attributes:
        merged: The merged edges.
        row_of_edge: (E,) int64, the merged edge of each edge.
    """

    merged: Edges
    row_of_edge: Tensor

    def __init__(self, fields: Mapping[str, Tensor]) -> None:
        for name in ("numbers", "multiplicity", "crystal_of_atom", "lattice", "vectors", "weight", "text"):
            object.__setattr__(self, name, fields.get(name))
        merged = Edges(*(fields[name] for name in ("centre", "neighbour", "length", "count", "row_of_edge")))
        object.__setattr__(self, "merged", merged)
        object.__setattr__(self, "row_of_edge", fields["row_of_edge"])

    @property
    def edges(self) -> Tensor:
        """The edges before they were merged, which are not there.

        Raises:
            ModelError: Always: a network that asks for them cannot be exported.
        """
        raise ModelError(
            "This network does more with edges than the exported part of a model can",
            "Export a model whose encoder is steinhardt, cgcnn, or one of these with a text encoder",
        )

    @property
    def atoms(self) -> int:
        """The number of nodes, N, which may be a symbol."""
        return self.numbers.shape[0]

    @property
    def crystals(self) -> int:
        """The number of crystals, B, which may be a symbol."""
        return self.lattice.shape[0]


class PlainNeighbourhoods(Neighbourhoods):
    """The edges of a batch, gathered and summed in plain operations.

    Args:
        graph: The batch.
        radius: The last point of the grid of distances, in angstrom.
        points: The number of points of the grid.
    """

    def __init__(self, graph: MergedGraph, radius: float, points: int) -> None:
        self.edges = graph.merged
        self._atoms = graph.atoms
        position = self.edges.length * ((points - 1) / radius)
        lower = position.floor().clamp(0, points - 2)
        self._upper_share = (position - lower)[:, None]
        self._row = lower.long()

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
        pair = centre[self.edges.centre] + neighbour[self.edges.neighbour]
        return pair if radial is None else pair + self.interpolate(radial)

    def interpolate(self, radial: Float[Tensor, "grid width"]) -> Float[Tensor, "edges width"]:
        """Return radial(d_ij) for every edge (i, j).

        Args:
            radial: A vector for each point of the grid of distances, interpolated at the length of each edge.
        """
        return radial[self._row] * (1 - self._upper_share) + radial[self._row + 1] * self._upper_share

    def sum_to_atoms(self, messages: Float[Tensor, "edges width"]) -> Float[Tensor, "atoms width"]:
        """Return the sum of the messages of each atom's edges, each times its multiplicity.

        Args:
            messages: A vector for each edge.
        """
        if self.edges.multiplicity is not None:
            messages = messages * self.edges.multiplicity[:, None]
        return messages.new_zeros(self._atoms, messages.shape[1]).index_add(0, self.edges.centre, messages)


class PlainOrderParameters(OrderParameters):
    """The order parameters of a batch, in plain operations.

    Args:
        graph: The batch.
    """

    def __init__(self, graph: MergedGraph) -> None:
        values = harmonics(normalize(graph.vectors, dim=1))
        if graph.weight is not None:
            values = values * graph.weight[:, None]
        merged = graph.merged.length.shape[0]
        self._values = values.new_zeros(merged, values.shape[1]).index_add(0, graph.row_of_edge, values)
        self._centre, self._atoms = graph.merged.centre, graph.atoms

    def __call__(self, weights: Float[Tensor, "edges channels"]) -> Float[Tensor, "atoms invariants"]:
        """Return the order parameters Q_l of each atom for each channel, all channels of l = 1 first.

        Args:
            weights: The weight w of each edge in each channel.
        """
        terms = (self._values[:, :, None] * weights[:, None, :]).flatten(1)
        moments = weights.new_zeros(self._atoms, terms.shape[1]).index_add(0, self._centre, terms)
        squares = moments.unflatten(1, (self._values.shape[1], weights.shape[1])).square()
        starts = [degree**2 - 1 for degree in range(1, DEGREES + 2)]
        return torch.cat([squares[:, a:b].mean(1) for a, b in pairwise(starts)], dim=1)


def neighbourhoods_of(graph: Graph, radial: Gaussians) -> Neighbourhoods:
    """Return the merged edges of a batch, in plain operations where they were merged before.

    Args:
        graph: The batch.
        radial: The grid of distances.
    """
    if isinstance(graph, MergedGraph):
        return PlainNeighbourhoods(graph, radial.radius, radial.points)
    return Neighbourhoods(graph, radial.radius, radial.points, Edges.distinct(graph))


def order_parameters_of(graph: Graph, edges: Edges) -> OrderParameters:
    """Return the order parameters of a batch, in plain operations where its edges were merged before.

    Args:
        graph: The batch.
        edges: Its merged edges.
    """
    return PlainOrderParameters(graph) if isinstance(graph, MergedGraph) else OrderParameters(graph, edges)
