"""Pieces are prepared by processes on this computer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryskit.data.pieces import Items, divided, lost
from cryskit.errors import DataError
from cryskit.parallel import Divided, Lost, Pool, cores
from cryskit.screen.engine import Engine
from cryskit.screen.prepare import prepare, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe

AHEAD = 3
"""Pieces per process that are given out before they are asked for: their graphs wait in memory."""


class LocalEngine(Engine):
    """An engine of processes; scripts that use it are guarded by `if __name__ == "__main__"`."""

    def prepared(self, pieces: Iterable[Piece], recipe: Recipe) -> Iterator[list[Prepared]]:
        """Prepare pieces, as every engine does.

        Args:
            pieces: Pieces, taken as they are needed.
            recipe: How to prepare them.

        Raises:
            DataError: A source has vanished or changed.
        """
        with Pool(self._workers or cores(), self._timeout, start) as pool:
            yield from prepared_in(pool, pieces, recipe, self._work)


def prepared_in(
    pool: Pool, pieces: Iterable[Piece], recipe: Recipe, work: Callable[[Piece, Recipe], Prepared] = prepare
) -> Iterator[list[Prepared]]:
    """Prepare pieces in a pool of processes; one that dies or hangs costs the row that it worked on.

    Args:
        pool: The processes, made ready by `prepare.start`.
        pieces: Pieces, taken as they are needed.
        recipe: How to prepare them.
        work: Function of a module that prepares a piece.

    Returns:
        For each piece, in order, what became of it, as every engine gives it.

    Raises:
        DataError: A source has vanished or changed.
    """
    for found in pool.map_divisible(partial(_apply, work, recipe), pieces, divided, ahead=AHEAD):
        every = found.results if isinstance(found, Divided) else [found]
        yield [_stood_in(each, recipe) if isinstance(each, Lost) else each for each in every]


def _apply(work: Callable[[Piece, Recipe], Prepared], recipe: Recipe, piece: Piece) -> Prepared:
    return work(piece, recipe)


def _stood_in(found: Lost[Piece], recipe: Recipe) -> Prepared:
    """Return a failure as a prepared piece."""
    if isinstance(found.error, DataError):
        raise found.error
    return prepare(Items((lost(found.item, found.error),)), recipe)
