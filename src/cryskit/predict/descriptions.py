"""What a model that reads words is told of crystals: their descriptions, made where they have none, as vectors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cryskit.errors import CryskitError, ModelError
from cryskit.text.attach import vectors_of, with_text
from cryskit.text.embed import embedder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from cryskit.text.embed import Embedder
    from cryskit.types import Crystal, Graph


class TextInput:
    """The reader of a model.

    Args:
        name: Of the text encoder.
        known: Name and hash of the one that the model was trained with; empty if it has not been trained.
        cache: A folder where vectors are kept; None if they are made anew.
    """

    def __init__(self, name: str, known: dict[str, str], cache: Path | None = None) -> None:
        self._name = name
        self._known = known
        self._cache = cache

    @cached_property
    def encoder(self) -> Embedder:
        """The text encoder.

        Raises:
            ModelError: It is not on this computer, or not the one that the model was trained with.
        """
        found = embedder(self._name)
        if self._known and found.hash != self._known["hash"]:
            raise ModelError(
                f"The text encoder {self._name} on this computer is not the one that the model was trained with",
                f"Get {self._known['name']} with the hash {self._known['hash'][:12]}...",
            )
        return found

    @property
    def facts(self) -> dict[str, str]:
        """Name and hash of the text encoder, for the card of a model."""
        return {"name": self.encoder.name, "hash": self.encoder.hash}

    def attach(self, graph: Graph, crystals: Sequence[Crystal]) -> Graph:
        """Return the graph with the words that its crystals bring along.

        Args:
            graph: B crystals.
            crystals: Those of the graph.
        """
        return with_text(graph, [crystal.text for crystal in crystals], self.encoder, self._cache)

    def vectors(self, texts: Sequence[str | None]) -> np.ndarray:
        """Return the vectors of both parts of descriptions, (texts, 2, width) float32; NaN where there is none.

        Args:
            texts: None where there is none.
        """
        return vectors_of(texts, self.encoder, self._cache)

    def attach_or_describe(self, graph: Graph, crystals: Sequence[Crystal]) -> tuple[Graph, list[str]]:
        """Return the graph with words, made for the crystals that bring none, and why some have no full description.

        Args:
            graph: B crystals.
            crystals: Those of the graph.

        Returns:
            The graph, and for each crystal a reason, "" where it is described.
        """
        texts, reasons = zip(*map(_text, crystals), strict=True) if crystals else ((), ())
        return with_text(graph, texts, self.encoder, self._cache), list(reasons)


def _text(crystal: Crystal) -> tuple[str | None, str]:
    """Return the description of a crystal, its own or one made of it, and why there is none."""
    return _made(crystal) if crystal.text is None else (crystal.text, "")


def _made(crystal: Crystal) -> tuple[str | None, str]:
    from cryskit.text.describe import describe  # noqa: PLC0415 - takes seconds to import

    try:
        made = describe(crystal)
    except CryskitError as error:
        return None, f"Predicted without a description ({error})"
    if made.status != "described":
        return None, f"Predicted without a description ({made.reason})"
    return f"{made.overall}\n{made.local}", ""
