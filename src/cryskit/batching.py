"""Take, split, collate and move graphs, generic over the axes that their fields declare.

A data set is one big Graph; `Batcher.take` slices batches out of it. No axis is guessed from a length.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cryskit.types import FIELD_AXES, Axis, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


def to(graph: Graph, device: torch.device | str, *, non_blocking: bool = False) -> Graph:
    """Return the graph on a device.

    Args:
        graph: The graph.
        device: The device to which every tensor is copied.
        non_blocking: Whether the copy may go on after this function has returned.
    """
    return Graph(**{name: tensor.to(device, non_blocking=non_blocking) for name, tensor in graph.tensors.items()})


def with_targets(graph: Graph, targets: np.ndarray) -> Graph:
    """Return the graph with other targets.

    Args:
        graph: The graph of B crystals.
        targets: (B, P) the values of P properties in their units, NaN where unknown.
    """
    return replace(graph, targets=torch.from_numpy(np.ascontiguousarray(targets, dtype=np.float32)))


def lengths(graph: Graph) -> dict[Axis, Tensor]:
    """Return for each axis the number of its elements that belong to each crystal, (B,) int64.

    Args:
        graph: The graph of B crystals.
    """
    crystals = graph.crystals
    edge_crystal = graph.crystal_of_atom[graph.edges[0]]
    return {
        "atoms": torch.bincount(graph.crystal_of_atom, minlength=crystals),
        "edges": torch.bincount(edge_crystal, minlength=crystals),
        "crystals": torch.ones(crystals, dtype=torch.int64),
    }


def collate(graphs: Sequence[Graph]) -> Graph:
    """Return several graphs as one batch, in their order.

    Args:
        graphs: The graphs, all with the same fields; at least one.
    """
    sizes: dict[Axis, list[int]] = {
        "atoms": [g.atoms for g in graphs],
        "edges": [int(g.edges.shape[1]) for g in graphs],
        "crystals": [g.crystals for g in graphs],
    }
    starts = {axis: np.cumsum([0, *counts[:-1]]).tolist() for axis, counts in sizes.items()}
    joined: dict[str, Any] = {}
    for name in graphs[0].tensors:
        field = FIELD_AXES[name]
        parts = [getattr(g, name) for g in graphs]
        if field.points_at:
            parts = [part + start for part, start in zip(parts, starts[field.points_at], strict=True)]
        joined[name] = torch.cat(parts, dim=field.dimension)
    return Graph(**joined)


def split(graph: Graph) -> list[Graph]:
    """Return the crystals of a graph, each as a batch of one.

    Args:
        graph: The graph, on the CPU.
    """
    batcher = Batcher(graph)
    return [batcher.take(np.array([i])) for i in range(graph.crystals)]


class Batcher:
    """Slices batches out of one big graph, whose arrays may be memory-mapped.

    Args:
        graph: The graph of the whole data set, on the CPU.

    Attributes:
        lengths: Axis to the number of its elements that belong to each crystal, (B,) int64.
    """

    def __init__(self, graph: Graph) -> None:
        self._arrays = {name: tensor.numpy() for name, tensor in graph.tensors.items()}
        self.lengths: dict[Axis, np.ndarray] = {axis: counts.numpy() for axis, counts in lengths(graph).items()}
        self._starts = {axis: np.cumsum(counts) - counts for axis, counts in self.lengths.items()}

    def __len__(self) -> int:
        return len(self.lengths["crystals"])

    @property
    def symmetry(self) -> np.ndarray | None:
        """The space group and crystal system of each crystal, (B, 2) int64, or None if the graph does not have them."""
        return self._arrays.get("symmetry")

    @property
    def costs(self) -> np.ndarray:
        """Cost of each crystal, (B,) int64: its edges, or its atoms if these are more."""
        costs: np.ndarray = np.maximum(self.lengths["edges"], self.lengths["atoms"])
        return costs

    def take(self, crystals: np.ndarray) -> Graph:
        """Return some crystals as a batch.

        Args:
            crystals: Positions of the crystals in the data set, in the order that they have in the batch.
        """
        counts = {axis: every[crystals] for axis, every in self.lengths.items()}
        taken = self._rows(crystals, counts)
        for name in taken:
            field = FIELD_AXES[name]
            if field.points_at:
                pointed = counts[field.points_at]
                shift = np.cumsum(pointed) - pointed - self._starts[field.points_at][crystals]
                taken[name] += np.repeat(shift, counts[field.axis])
        return Graph(**{name: torch.from_numpy(values) for name, values in taken.items()})

    def _rows(self, crystals: np.ndarray, counts: Mapping[Axis, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a copy of the rows of some crystals in every field, with pointers as they are in the data set."""
        rows = {
            axis: np.arange(taken.sum()) + np.repeat(self._starts[axis][crystals] - np.cumsum(taken) + taken, taken)
            for axis, taken in counts.items()
        }
        return {
            name: np.take(array, rows[FIELD_AXES[name].axis], axis=FIELD_AXES[name].dimension)
            for name, array in self._arrays.items()
        }

    def batches(self, edges: int, order: np.ndarray | None = None) -> list[np.ndarray]:
        """Cut an order of crystals into batches of about equal cost.

        The number of batches depends on the crystals only, not on their order.

        Args:
            edges: Largest number of edges of a batch, about; a crystal with more atoms than edges counts its atoms.
            order: Positions of the crystals to cut into batches; all crystals in order by default.

        Returns:
            The positions of the crystals of each batch.
        """
        order = np.arange(len(self)) if order is None else order
        if not len(order):
            return []
        costs = self.costs[order]
        total = costs.sum()
        batches = -(-total // edges)
        middles = np.cumsum(costs) - costs / 2
        cuts = np.searchsorted(middles, np.arange(1, batches) * (total / batches))
        return [batch for batch in np.split(order, cuts) if len(batch)]


def repeated(graph: Graph, times: Mapping[int, int]) -> Graph:
    """Return the graph with crystals of few elements, of which there are few, several times.

    Args:
        graph: The graph of B crystals.
        times: Number of distinct elements of a crystal to how often it occurs in the result; 1 where absent.
    """
    if not times:
        return graph
    occurs = torch.zeros(graph.crystals, int(graph.numbers.max()) + 1, dtype=torch.bool)
    occurs[graph.crystal_of_atom, graph.numbers.long()] = True
    counts = np.array([times.get(count, 1) for count in occurs.sum(1).tolist()])
    return Batcher(graph).take(np.repeat(np.arange(graph.crystals), counts))


class TextBatcher(Batcher):
    """A batcher that adds the text vectors of the crystals, which are not stored with their graphs.

    Args:
        graphs: The batcher of the data set.
        text: (B, 2, t) float32, the vectors that a text encoder makes of the two parts of the description of each crystal.
    """

    def __init__(self, graphs: Batcher, text: np.ndarray) -> None:
        self._graphs = graphs
        self._text = text
        self.lengths = graphs.lengths

    @property
    def symmetry(self) -> np.ndarray | None:
        """The space group and crystal system of each crystal, (B, 2) int64, or None if the graphs do not have them."""
        return self._graphs.symmetry

    def take(self, crystals: np.ndarray) -> Graph:
        """Return some crystals as a batch.

        Args:
            crystals: Positions of the crystals in the data set, in the order that they have in the batch.
        """
        return replace(self._graphs.take(crystals), text=torch.from_numpy(self._text[crystals]))
