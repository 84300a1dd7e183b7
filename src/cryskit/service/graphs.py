"""Crystals with their graphs, which the processes that read build, so that the process of the networks only joins them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from cryskit.batching import collate
from cryskit.errors import CrystalError
from cryskit.graphs.build import build, build_usable
from cryskit.types import Crystal, Failure, Graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from cryskit.predict.chunks import Build
    from cryskit.types import GraphSpec


class Ready(NamedTuple):
    """A crystal that is ready for a network, or a failure.

    Attributes:
        item: The crystal or failure.
        fields: Fields of its graph by name; None where it has none.
        error: Why it has no graph; None where it has one, or none was built.
    """

    item: Crystal | Failure
    fields: dict[str, np.ndarray] | None = None
    error: CrystalError | None = None

    @property
    def lacks_graph(self) -> bool:
        """Whether it is a crystal whose graph was not built yet."""
        return isinstance(self.item, Crystal) and self.fields is None and self.error is None

    @property
    def edges(self) -> int:
        """Number of edges of its graph, 1 where it has none: what a network needs for it, about."""
        return len(self.fields["vectors"]) if self.fields else 1


def with_graph(item: Crystal | Failure, spec: GraphSpec) -> Ready:
    """Return a crystal with its graph.

    Args:
        item: Crystal, or a failure, which stays one.
        spec: Which graph.
    """
    if isinstance(item, Failure):
        return Ready(item)
    try:
        graph = build([item], spec)
    except CrystalError as error:
        return Ready(item, None, error)
    return Ready(item, {name: tensor.numpy() for name, tensor in graph.tensors.items()})


def builder(items: Sequence[Ready]) -> Build:
    """Return what stands for building the graphs of these crystals, in their order: it joins those that are there.

    Args:
        items: Crystals with their graphs, and failures.
    """
    return partial(_joined, iter([each for each in items if isinstance(each.item, Crystal)]))


def _joined(
    ready: Iterator[Ready], crystals: Sequence[Crystal], spec: GraphSpec
) -> tuple[Graph, dict[int, CrystalError]]:
    found = [next(ready) for _ in crystals]
    graphs = [
        Graph(**{name: torch.from_numpy(array) for name, array in each.fields.items()}) for each in found if each.fields
    ]
    errors = {i: each.error for i, each in enumerate(found) if each.error is not None}
    return (collate(graphs) if graphs else build_usable([], spec)[0]), errors
