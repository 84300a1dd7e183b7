"""What an engine is: something that prepares pieces, anywhere, and gives them back in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cryskit.screen.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe

TIMEOUT = 60.0
"""Seconds that reading, and building, one crystal may take unless the caller says otherwise."""


class Engine(ABC):
    """Where pieces are prepared. All engines give the same, so the parts have the same bytes.

    Args:
        workers: Number of processes, on each computer if there are several; None for one per core.
        timeout: Seconds that reading, and building, one crystal may take.
        work: Function of a module that prepares a piece.
    """

    def __init__(
        self, workers: int | None = None, timeout: float = TIMEOUT, work: Callable[[Piece, Recipe], Prepared] = prepare
    ) -> None:
        self._workers, self._timeout, self._work = workers, timeout, work

    @abstractmethod
    def prepared(self, pieces: Iterable[Piece], recipe: Recipe) -> Iterator[list[Prepared]]:
        """Prepare pieces.

        Args:
            pieces: Pieces, taken as they are needed: their number may be large.
            recipe: How to prepare them.

        Returns:
            For each piece, in order, what became of it: one `prepare` of the whole piece, or of its rows one by one where a process had
            ended with it. A row that no process can work on is a failure.
        """
