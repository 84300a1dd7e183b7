"""The crystals of some rows of a screening, read once more from its sources."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from cryskit.data.pieces import PIECE, Rows, pieces_of, read_piece
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryskit.screen.folder import Folder, Part


def crystals_of(folder: Folder, parts: Sequence[Part], rows: Iterable[int]) -> dict[int, Crystal]:
    """Return the crystals of some rows, by row; only the pieces in whose parts they are get read, as far as needed.

    Args:
        folder: Folder of the screening.
        parts: All its parts.
        rows: Numbers of rows.

    Raises:
        DataError: A source does not exist any more.
    """
    asked = folder.asked
    starts = [0, *accumulate(part.rows for part in parts)]
    wanted: dict[int, set[int]] = {}
    for row in rows:
        wanted.setdefault(bisect_right(starts, row) - 1, set()).add(row)
    structures = next(map(Path, asked["structures"]), None)
    found: dict[int, Crystal] = {}
    part, row = -1, 0
    for place, piece in enumerate(pieces_of(list(asked["sources"]), asked["--limit"], None, structures)):
        if place // (asked["--part-rows"] // PIECE) != part:
            part = place // (asked["--part-rows"] // PIECE)
            row = starts[part]
            if part > max(wanted, default=-1):
                break
        left = wanted.get(part, set())
        if not left:
            continue
        if isinstance(piece, Rows) and left.isdisjoint(range(row, row + piece.stop - piece.start)):
            row += piece.stop - piece.start
            continue
        for item in read_piece(piece, asked["--limit"]):
            if row in left and isinstance(item, Crystal):
                found[row] = item
            left.discard(row)
            row += 1
    return found
