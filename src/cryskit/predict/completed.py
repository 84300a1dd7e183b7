"""What a graph lacks of what a model reads, and what is to be said of each crystal: descriptions, vectors of other programs, doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryskit.errors import ModelError
from cryskit.graphs.plausible import doubts_of
from cryskit.predict.outcome import Remarks
from cryskit.predict.outside import width_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.card import Card
    from cryskit.predict.descriptions import TextInput
    from cryskit.predict.outside import OutsideVectors
    from cryskit.types import Crystal, Graph


def completed(
    graph: Graph, crystals: Sequence[Crystal], texts: TextInput | None, outside: OutsideVectors | None, card: Card
) -> tuple[Graph, list[Remarks]]:
    """Return a graph with what the model reads besides structures, and what is to be said of each crystal.

    Args:
        graph: B crystals.
        crystals: The crystals that the graph was built from.
        texts: What gives the graph descriptions, if the model reads them.
        outside: Vectors of another program, if there is a table of them.
        card: Card of the model.

    Returns:
        The graph, and for each crystal whether it can be, what its file contradicts and what it lacks.

    Raises:
        ModelError: The model reads vectors of another program, and there is no table of them.
    """
    others, lacking = [list(crystal.warnings) for crystal in crystals], [""] * len(crystals)
    if texts:
        graph, without = texts.attach_or_describe(graph, crystals)
        others = [[*found, lack] for found, lack in zip(others, without, strict=True)]
    if outside:
        graph, lacking = outside.attached(graph, crystals)
    elif width_on(card):
        fitted = card.plan.get("fit", {}).get("vectors", {}).get("model", "another program")
        raise ModelError(
            f"The model {card.name} reads vectors of {fitted}, which cryskit does not compute",
            "Write them with a script in tools/extract, and give the table: --vectors FILE, in Python `model.with_vectors(path)`",
        )
    said = [". ".join(filter(None, found)) for found in others]
    return graph, [Remarks(*each) for each in zip(doubts_of(crystals, graph), said, lacking, strict=True)]
