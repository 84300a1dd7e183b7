"""Descriptions as the input of a model: those that crystals bring along, or made for those that have none, as vectors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cryskit.errors import CryskitError, ModelError
from cryskit.text.attach import vectors_of, with_text
from cryskit.text.embed import embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np

    from cryskit.text.embed import Embedder
    from cryskit.types import Crystal, Graph


class TextInput:
    """Gives the graphs of a model the vectors of descriptions, by the text encoder that it was trained with.

    Args:
        name: Name of the text encoder.
        known: Name and hash of the text encoder that the model was trained with; empty if it has not been trained.
        cache: Folder where vectors are kept; None if they are computed anew each time.

    Attributes:
        watch: Function that passes on crystals whose descriptions are about to be written, for a progress bar: one may take seconds.
    """

    watch: Callable[[Sequence[Crystal]], Iterable[Crystal]]

    def __init__(self, name: str, known: dict[str, str], cache: Path | None = None) -> None:
        self._name = name
        self._known = known
        self._cache = cache
        self.watch = _unwatched

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
        """Return the graph with the vectors of the descriptions that its crystals bring along.

        Args:
            graph: Graph of B crystals.
            crystals: The same B crystals.
        """
        return with_text(graph, [crystal.text for crystal in crystals], self.encoder, self._cache)

    def vectors(self, texts: Sequence[str | None]) -> np.ndarray:
        """Return the vectors of both parts of descriptions, (texts, 2, width) float32; NaN where there is none.

        Args:
            texts: Descriptions, None where there is none.
        """
        return vectors_of(texts, self.encoder, self._cache)

    def attach_or_describe(self, graph: Graph, crystals: Sequence[Crystal]) -> tuple[Graph, list[str]]:
        """Return the graph with the vectors of descriptions, made for the crystals that bring none.

        Args:
            graph: Graph of B crystals.
            crystals: The same B crystals.

        Returns:
            The graph, and for each crystal why it has no description, "" where it has one.
        """
        lacking = [crystal for crystal in crystals if crystal.text is None]
        made = map(_made, self.watch(lacking) if lacking else ())
        found = [next(made) if crystal.text is None else (crystal.text, "") for crystal in crystals]
        return with_text(graph, [text for text, _ in found], self.encoder, self._cache), [reason for _, reason in found]


def _unwatched(crystals: Sequence[Crystal]) -> Iterable[Crystal]:
    """Pass crystals on."""
    return crystals


def _made(crystal: Crystal) -> tuple[str | None, str]:
    """Return a description made of a crystal, and why there is none."""
    from cryskit.text.describe import describe  # noqa: PLC0415 - takes seconds to import

    try:
        made = describe(crystal)
    except CryskitError as error:
        return None, f"Predicted without a description ({error})"
    if made.status != "described":
        return None, f"Predicted without a description ({made.reason})"
    return f"{made.overall}\n{made.local}", ""
