"""A screening: the missing parts of a folder are computed, one after the other."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.data.pieces import PIECE, pieces_of
from cryskit.data.readers.tree import tree_of
from cryskit.data.sources.resolve import is_named
from cryskit.errors import PlanError
from cryskit.predict.card import digest
from cryskit.predict.published import path_of
from cryskit.screen.engine import TIMEOUT
from cryskit.screen.prepare import join, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryskit.data.pieces import Piece
    from cryskit.screen.engine import Engine
    from cryskit.screen.folder import Folder
    from cryskit.screen.network import Networks
    from cryskit.screen.prepare import Prepared

PART_ROWS = 8192
"""Rows of a part, about, unless the caller says otherwise."""

_EDGE = 1 << 20  # bytes of a file that are read at its beginning, middle and end to know it again


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes:
        sources: Bundled names, files and folders.
        models: Published names or model files.
        properties: Properties that are written; None for all.
        structures: Folder of the structure files that the rows of tables name; None if there is none.
        interval: Share of crystals whose labels the intervals should cover.
        limit: Number of atoms that a cell may have.
        timeout: Seconds that reading, and building, one crystal may take.
        vectors: Whether the vectors of crystals are written.
        part_rows: Rows of a part, about.
        batch_edges: Edges of a batch, about.
        device: Kind of the device that networks compute on.
    """

    sources: tuple[str, ...]
    models: tuple[str, ...]
    properties: tuple[str, ...] | None = None
    structures: Path | None = None
    interval: float = 0.9
    limit: int = 500
    timeout: float = TIMEOUT
    vectors: bool = False
    part_rows: int = PART_ROWS
    batch_edges: int = 30_000
    device: str = "cpu"

    @property
    def part_pieces(self) -> int:
        """Number of pieces of a part."""
        return max(1, -(-self.part_rows // PIECE))

    def facts(self) -> dict[str, Any]:
        """Return all on which the table depends, as JSON can hold it: sources and models by what they contain.

        Raises:
            DataError: A source cannot be read.
        """
        return {
            "sources": {source: _fingerprint(source) for source in self.sources},
            "models": {model: digest(path_of(model)) for model in self.models},
            "properties": list(self.properties) if self.properties else None,
            "structures": {str(self.structures): _fingerprint(str(self.structures))} if self.structures else {},
            "--interval": self.interval,
            "--limit": self.limit,
            "--timeout": self.timeout,
            "--vectors": self.vectors,
            "--part-rows": self.part_pieces * PIECE,
            "--batch-edges": self.batch_edges,
            "device": self.device,
            "version of": versions(),
        }


class Share(NamedTuple):
    """Which parts one of several processes computes: every N-th.

    Attributes:
        number: Which process it is, from 1.
        of: Number of processes.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def of_text(cls, text: str) -> Share:
        """Return the share that a text like "3/8" names.

        Raises:
            PlanError: It names none.
        """
        number, _, count = text.partition("/")
        if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise PlanError(f"{text!r} is no share", "Give K/N, with K from 1 to N, such as 1/8")

    def has(self, part: int) -> bool:
        """Return whether a part belongs to it.

        Args:
            part: Number of the part.
        """
        return part % self.of == self.number - 1


def screen(
    asked: Asked,
    networks: Networks,
    folder: Folder,
    engine: Engine,
    share: Share = Share(),  # noqa: B008 - a tuple
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Compute the parts of a folder that are missing or damaged.

    Args:
        asked: What is asked for.
        networks: The models.
        folder: The folder; parts that are whole are kept.
        engine: Where crystals are read and graphs built.
        share: Which parts are computed.
        progress: Function that is called with a number of rows whenever these are done, or are found to be.

    Raises:
        DataError: A source does not exist or has changed, or there are other files in the folder.
        DiskFullError: The disk is full; the same call goes on.
        PlanError: Something else was screened into this folder.
    """
    folder.begin(asked.facts())
    numbers, count = deque[int](), 0

    def wanted() -> Iterator[Piece]:
        nonlocal count
        keep = False
        pieces = pieces_of(asked.sources, asked.limit, asked.timeout, asked.structures)
        for place, piece in enumerate(pieces):
            number = place // asked.part_pieces
            if number == count:
                count += 1
                known = folder.part(number) if share.has(number) else None
                keep = share.has(number) and known is None
                progress(known.rows if known else 0)
            if keep:
                numbers.append(number)
                yield piece

    prepared = engine.prepared(wanted(), networks.recipe(asked.limit))
    _write(((numbers.popleft(), found) for found in prepared), networks, folder, progress)
    folder.end(count)
    folder.write_manifest()


def _write(
    prepared: Iterator[tuple[int, Sequence[Prepared]]],
    networks: Networks,
    folder: Folder,
    progress: Callable[[int], object],
) -> None:
    """Write parts as their pieces come, each with the number of its part."""
    for number, pieces in groupby(prepared, itemgetter(0)):
        with folder.write(number, networks.schema, networks.facts) as write:
            for _, found in pieces:
                rows = networks.rows(join(found))
                for row in rows:
                    write(row)
                progress(len(rows))


def _fingerprint(source: str) -> str:
    """Return a text that changes with what a source holds, of a folder with any of its files: of files above 3 MiB three parts are read."""
    if is_named(source):
        return "named"
    path = Path(source)
    if not path.is_dir():
        return _content(path)
    found = hashlib.sha256()
    for file in tree_of(path).files:
        try:
            content = _content(file)
        except OSError:
            content = "cannot be read"  # neither can its crystal, which is a failure in its place
        found.update(f"{file.relative_to(path)}\0{content}\n".encode(errors="backslashreplace"))
    return f"folder {found.hexdigest()[:16]}"


def _content(path: Path) -> str:
    """Return the size of a file and a hash of its beginning, middle and end."""
    found, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as opened:
        for place in sorted({0, max(0, size // 2 - _EDGE // 2), max(0, size - _EDGE)}):
            opened.seek(place)
            found.update(opened.read(_EDGE))
    return f"{size} bytes {found.hexdigest()[:16]}"
