"""What worker processes do with crystals that crash them, keep them busy for ever, or raise: for studies and tests of screenings."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cryskit.data.pieces import Items, read_piece
from cryskit.screen.prepare import prepare

if TYPE_CHECKING:
    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe


def hostile(piece: Piece, recipe: Recipe) -> Prepared:
    """Prepare a piece, but crash, hang in compiled code or raise at crystals whose ids say so.

    Args:
        piece: The piece.
        recipe: How to prepare it.
    """
    rows = list(read_piece(piece, recipe.limit))
    for row in rows:
        if row.id.startswith("crash"):
            os._exit(3)
        if row.id.startswith("hang"):
            re.match("(a+)+$", "a" * 60 + "b")
        if row.id.startswith("raise"):
            raise ZeroDivisionError("nobody expects this")
    return prepare(Items(tuple(rows)), recipe)
