"""Some crystals at a time with their graph, so that a model can go through any number of them in constant memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from cryskit.graphs.build import build_usable
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryskit.errors import CrystalError
    from cryskit.predict.outcome import Remarks
    from cryskit.types import Graph, GraphSpec

    Build = Callable[[Sequence[Crystal], GraphSpec], tuple[Graph, dict[int, CrystalError]]]
    Complete = Callable[[Graph, Sequence[Crystal], GraphSpec], tuple[Graph, list[Remarks]]]


class Chunk(NamedTuple):
    """Some items and the graph of those that have one.

    Attributes:
        items: Crystals and failures in order.
        graph: The graph of the crystals that have one, in their order.
        failures: Position of an item to the reason why it has none.
        remarks: Position of an item that has one to what is to be said of it.
    """

    items: list[Crystal | Failure]
    graph: Graph
    failures: dict[int, CrystalError]
    remarks: dict[int, Remarks]

    @property
    def usable(self) -> list[Crystal]:
        """The crystals of the graph."""
        return [item for i, item in enumerate(self.items) if i in self.remarks and isinstance(item, Crystal)]


def chunks(
    items: Iterable[Crystal | Failure], size: int, spec: GraphSpec, complete: Complete, build: Build = build_usable
) -> Iterator[Chunk]:
    """Yield items with their graph.

    Args:
        items: Crystals and failures.
        size: Items of a chunk.
        spec: Which graph.
        complete: Function that adds to a graph what is no part of a structure, and says what is to be said of each crystal.
        build: Function that builds the graph, and says which crystals have none.
    """
    items = iter(items)
    while chunk := list(islice(items, size)):
        failures = {i: item.error for i, item in enumerate(chunk) if isinstance(item, Failure)}
        read_well = {i: item for i, item in enumerate(chunk) if isinstance(item, Crystal)}
        graph, errors = build(list(read_well.values()), spec)
        positions = list(read_well)
        failures |= {positions[i]: error for i, error in errors.items()}
        usable = [position for i, position in enumerate(positions) if i not in errors]
        graph, remarks = complete(graph, [read_well[position] for position in usable], spec)
        yield Chunk(chunk, graph, failures, dict(zip(usable, remarks, strict=True)))
