"""The part of a model that is exported: from the arrays of a batch to predictions and crystal vectors.

`LAYOUT` is the layout of the arrays for whoever builds graphs without cryskit: a batch of B crystals has N nodes, E edges, and M merged
edges, one for each set of edges that have the same centre, the same neighbour and the same length within 1e-4 angstrom.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cryskit.layers.message_passing import Edges
from cryskit.layers.plain import MergedGraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph


class Array(NamedTuple):
    """One input of an exported network.

    Attributes:
        axis: Letter of the size of its first dimension: N nodes, E edges, M merged edges, B crystals.
        dtype: Type of its numbers.
        meaning: What it holds.
    """

    axis: str
    dtype: str
    meaning: str


LAYOUT: Mapping[str, Array] = MappingProxyType(
    {
        "numbers": Array("N", "int64", "atomic number of each node"),
        "multiplicity": Array("N", "float32", "number of atoms of the cell for which each node stands"),
        "crystal_of_atom": Array("N", "int64", "crystal of each node, sorted"),
        "lattice": Array(
            "B", "float32", "lattice vectors of each crystal as rows, in angstrom, (B, 3, 3); only B is read"
        ),
        "vectors": Array("E", "float32", "vector of each edge from its centre to its neighbour, in angstrom, (E, 3)"),
        "weight": Array("E", "float32", "weight of each edge in a sum; 1 unless neighbourhoods are smooth"),
        "centre": Array("M", "int64", "node that is the centre of each merged edge, sorted"),
        "neighbour": Array("M", "int64", "node that is its neighbour"),
        "length": Array("M", "float32", "its length in angstrom, the mean over its edges"),
        "count": Array("M", "float32", "sum of the weights of its edges"),
        "row_of_edge": Array("E", "int64", "merged edge of each edge"),
        "text": Array("B", "float32", "vectors of both parts of the description, (B, 2, t); NaN where one is missing"),
    }
)
"""Inputs of an exported network by name, in order; `text` only of a model that reads descriptions."""
OUTPUTS = ("predictions", "crystals")
"""Outputs: (B, outputs) predictions in the units of the properties, or logits of classes; (B, width) crystal vectors."""


class Network(nn.Module):
    """Encoder and heads of a predictor, as a function of arrays.

    Args:
        predictor: The predictor.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.encoder: Any = predictor.encoder
        self.heads = predictor.heads

    def forward(
        self,
        numbers: Tensor,
        multiplicity: Tensor,
        crystal_of_atom: Tensor,
        lattice: Tensor,
        vectors: Tensor,
        weight: Tensor,
        centre: Tensor,
        neighbour: Tensor,
        length: Tensor,
        count: Tensor,
        row_of_edge: Tensor,
        text: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return predictions and crystal vectors; `LAYOUT` has shapes, types and units of the arguments.

        Args:
            numbers: Atomic number of each node.
            multiplicity: Number of atoms for which each node stands.
            crystal_of_atom: Crystal of each node.
            lattice: Lattice vectors of each crystal.
            vectors: Vector of each edge.
            weight: Weight of each edge.
            centre: Node that is the centre of each merged edge.
            neighbour: Node that is the neighbour of each merged edge.
            length: Length of each merged edge.
            count: Sum of the weights of each merged edge.
            row_of_edge: Merged edge of each edge.
            text: Vectors of descriptions; None for a model that reads none.
        """
        given = (numbers, multiplicity, crystal_of_atom, lattice, vectors, weight, centre, neighbour, length, count)
        fields = dict(zip(LAYOUT, (*given, row_of_edge), strict=False))
        graph = MergedGraph(fields if text is None else {**fields, "text": text})
        crystals = self.encoder(graph).crystals
        return self.heads.physical(self.heads(crystals)), crystals


def inputs_of(graph: Graph) -> dict[str, Tensor]:
    """Return the arrays of a batch by name, in the order of `LAYOUT`.

    Args:
        graph: The batch, on the CPU.
    """
    centre, neighbour, length, count, row_of_edge = Edges.distinct(graph)
    weight = graph.vectors.new_ones(graph.vectors.shape[0]) if graph.weight is None else graph.weight
    fields: dict[str, Tensor | None] = {
        **graph.tensors,
        "weight": weight,
        "centre": centre,
        "neighbour": neighbour,
        "length": length,
        "count": count,
        "row_of_edge": row_of_edge,
    }
    found = {name: fields.get(name) for name in LAYOUT}
    return {name: array.contiguous() for name, array in found.items() if array is not None}


def tensors_of(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return arrays from nested lists, as a file holds them.

    Args:
        arrays: Name of an input to its numbers.
    """
    return {name: torch.from_numpy(np.array(arrays[name], LAYOUT[name].dtype)) for name in LAYOUT if name in arrays}
