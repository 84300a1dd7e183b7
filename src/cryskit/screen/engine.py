"""What an engine is: something that prepares pieces, anywhere, and gives them back in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cryskit.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe


ENGINES = Registry("engine", {"local": "cryskit.screen.local:LocalEngine", "ray": "cryskit.screen.ray:RayEngine"})
"""The engines; each is made of the number of processes (None for all cores) and the time limit of a crystal in seconds."""


class Engine(Protocol):
    """Where pieces are prepared. All engines give the same, so the parts have the same bytes."""

    def prepared(self, pieces: Iterable[Piece], recipe: Recipe) -> Iterator[list[Prepared]]:
        """Prepare pieces.

        Args:
            pieces: Pieces, taken as they are needed: their number may be large.
            recipe: How to prepare them.

        Returns:
            For each piece, in order, what became of it: one `prepare` of the whole piece, or of its rows one by one where a process had
            ended with it. A row that no process can work on is a failure.
        """
        ...
