"""What worker processes of the tests of `screen` do; in a module of its own, so that they find it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cryskit.data.read import read
from cryskit.screen.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe
    from cryskit.types import Crystal, Failure


def noted(piece: Piece, recipe: Recipe) -> Prepared:
    """Prepare a piece in some time, and leave a file for it that ends in the raylet of its Ray node as long as it works."""
    mark = Path(f"{uuid4().hex}.{os.environ['RAY_RAYLET_PID']}")
    mark.touch()
    time.sleep(0.2)
    found = prepare(piece, recipe)
    mark.rename(f"{mark.stem}.done")
    return found


def read_and_end(source: str, limit: int, structures: Path | None) -> Iterator[Crystal | Failure]:
    """Read a hundred rows of a source, then crash."""
    for place, row in enumerate(read([source], limit=limit, structures=structures)):
        if place == 100:
            os._exit(5)
        yield row
