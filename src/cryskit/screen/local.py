"""Pieces are prepared by processes on this computer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryskit.data.pieces import Items, divided, lost
from cryskit.errors import DataError
from cryskit.parallel import Divided, Lost, Pool
from cryskit.screen.prepare import prepare, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe

TIMEOUT = 60.0
"""Seconds that reading, and building, one crystal may take unless the caller says otherwise."""
_AHEAD = 3  # pieces per process that are given out: their graphs wait in memory


class LocalEngine:
    """An engine of processes; scripts that use it are guarded by `if __name__ == "__main__"`.

    Args:
        workers: Number of processes.
        timeout: Seconds that reading, and building, one crystal may take.
        work: Function of a module that prepares a piece.
    """

    def __init__(
        self, workers: int, timeout: float = TIMEOUT, work: Callable[[Piece, Recipe], Prepared] = prepare
    ) -> None:
        self._workers = workers
        self._timeout = timeout
        self._work = work

    def prepared(self, pieces: Iterable[Piece], recipe: Recipe) -> Iterator[list[Prepared]]:
        """Prepare pieces, as every engine does.

        Args:
            pieces: Pieces, taken as they are needed.
            recipe: How to prepare them.

        Raises:
            DataError: A source has vanished or changed.
        """
        work = partial(_apply, self._work, recipe)
        with Pool(self._workers, self._timeout, start) as pool:
            for found in pool.map_divisible(work, pieces, divided, ahead=_AHEAD):
                every = found.results if isinstance(found, Divided) else [found]
                yield [_stood_in(each, recipe) if isinstance(each, Lost) else each for each in every]


def _apply(work: Callable[[Piece, Recipe], Prepared], recipe: Recipe, piece: Piece) -> Prepared:
    return work(piece, recipe)


def _stood_in(found: Lost[Piece], recipe: Recipe) -> Prepared:
    """Return a failure as a prepared piece."""
    if isinstance(found.error, DataError):
        raise found.error
    return prepare(Items((lost(found.item, found.error),)), recipe)
