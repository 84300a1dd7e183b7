"""Sources of any size cut into pieces that other processes read: each is some rows, known by their place wherever that can be.

Rows of an interchange Parquet and files that hold one structure are read by whoever is given them. All else (JSON lines, CSV, XYZ, archives
of frames, tables that name files) can only be read from its beginning: one process does that and sends the rows. The rows are those of
`read` in the same order, and how they are cut depends on the sources alone.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cryskit.data.interchange import RowGroups, open_parquet
from cryskit.data.read import file_labels, read, with_plain_id
from cryskit.data.readers.folder import read_listed, unlisted
from cryskit.data.readers.formats import format_of, with_path
from cryskit.data.sources.resolve import is_named, require_source
from cryskit.data.validate import validate_row
from cryskit.errors import CryskitError, DataError, ProcessEndedError, UnreadableError, one_line
from cryskit.parallel import restart_clock, streamed
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PIECE = 64
"""Most rows or files of a piece."""
_FIRST = 3600.0  # seconds that the first row of a source may take


class Files(NamedTuple):
    """Files of one structure each.

    Attributes:
        files: Path and id of each.
    """

    files: tuple[tuple[str, str], ...]


class Rows(NamedTuple):
    """Rows of an interchange Parquet.

    Attributes:
        path: Path of the file.
        start: Number of the first row.
        stop: Number of the row behind the last.
    """

    path: str
    start: int
    stop: int


class Items(NamedTuple):
    """Rows that were read already.

    Attributes:
        rows: Crystals without labels in words, and failures.
    """

    rows: tuple[Crystal | Failure, ...]


Piece: TypeAlias = Files | Rows | Items


def pieces_of(
    sources: Sequence[str], limit: int, timeout: float | None = None, structures: Path | None = None
) -> Iterator[Piece]:
    """Cut sources into pieces.

    Args:
        sources: Bundled names, files and folders.
        limit: Number of atoms that a cell may have.
        timeout: Seconds that reading one crystal may take where the rows come from one process; None for no limit.
        structures: Folder of the structure files that the rows of tables name; None if there is none.

    Yields:
        Pieces of at most PIECE rows or files each, as they are needed.

    Raises:
        DataError: A source does not exist.
    """
    for source in sources:
        require_source(source)
    labels = file_labels(sources)
    for source in sources:
        if structures is not None or is_named(source):
            yield from _items(partial(_read_all, source, limit, structures), source, timeout)
        elif Path(source).is_dir():
            yield from _of_folder(Path(source), limit, labels, timeout)
        else:
            yield from _of_files([source], limit, labels, timeout)


def read_piece(piece: Piece, limit: int) -> Iterator[Crystal | Failure]:
    """Read the rows of a piece, in order.

    Args:
        piece: The piece.
        limit: Number of atoms that a cell may have.
    """
    if isinstance(piece, Items):
        yield from piece.rows
    elif isinstance(piece, Files):
        for path, label in piece.files:
            yield from map(with_plain_id, read_listed(Path(path), limit, label))
    else:
        for row in _cursor(piece.path).rows(piece.start, piece.stop):
            found = row if isinstance(row, Failure) else validate_row(row, f"{piece.path}, {row.id}", limit)
            yield with_plain_id(with_path(found, piece.path))


def divided(piece: Piece) -> list[Piece]:
    """Return the pieces of one row or file each that a piece consists of.

    Args:
        piece: The piece.
    """
    if isinstance(piece, Items):
        return [Items((row,)) for row in piece.rows]
    if isinstance(piece, Files):
        return [Files((file,)) for file in piece.files]
    return [Rows(piece.path, row, row + 1) for row in range(piece.start, piece.stop)]


def lost(piece: Piece, error: BaseException) -> Failure:
    """Return the row in place of a piece of one row or file that no process could work on.

    Args:
        piece: The piece.
        error: What was raised.
    """
    if isinstance(piece, Items):
        name, path = piece.rows[0].id, piece.rows[0].path
    else:
        path, name = piece.files[0] if isinstance(piece, Files) else (piece.path, f"row {piece.start}")
    if isinstance(error, CryskitError):
        return Failure(name, UnreadableError(error.problem, error.cure), path)
    problem = f"It caused an error that was not foreseen, {type(error).__name__} ({one_line(error)})"
    return Failure(name, UnreadableError(problem, "Leave it out, and report this with the row"), path)


def _of_folder(folder: Path, limit: int, labels: Mapping[str, str], timeout: float | None) -> Iterator[Piece]:
    try:
        paths = unlisted(folder)
    except DataError as error:
        yield Items((Failure(str(folder), UnreadableError(error.problem, error.cure), str(folder)),))
        return
    if paths is None:
        yield from _items(partial(_read_all, str(folder), limit, None), str(folder), timeout)
    else:
        yield from _of_files(map(str, paths), limit, labels, timeout)


def _of_files(paths: Iterable[str], limit: int, labels: Mapping[str, str], timeout: float | None) -> Iterator[Piece]:
    waiting: list[tuple[str, str]] = []
    for path in paths:
        label = labels.get(path) or Path(path).name
        if _is_single(path):
            waiting.append((path, label))
            if len(waiting) == PIECE:
                yield Files(tuple(waiting))
                waiting.clear()
            continue
        if waiting:
            yield Files(tuple(waiting))
            waiting.clear()
        count = _interchange_rows(path)
        if count is None:
            yield from _items(partial(_read_file, path, label, limit), path, timeout)
        else:
            yield from (Rows(path, start, min(start + PIECE, count)) for start in range(0, count, PIECE))
    if waiting:
        yield Files(tuple(waiting))


def _is_single(path: str) -> bool:
    """Return whether a file is in a format of one structure per file."""
    found = format_of(Path(path).name)
    return found is not None and found.in_folder == "structure" and found.rows(path) == 1


def _interchange_rows(path: str) -> int | None:
    """Return how many rows an interchange Parquet has; None if the file is none, or is packed."""
    found = format_of(Path(path).name)
    if found is None or found.in_folder != "shard" or path.lower().endswith(".gz"):
        return None
    try:
        with open_parquet(path, path) as file:
            return int(RowGroups(file, path).starts[-1])
    except DataError:
        return None


def _items(read_rows: partial[Iterator[Crystal | Failure]], source: str, timeout: float | None) -> Iterator[Piece]:
    """Yield the rows that a function reads in a process of its own; one that ends is started once more where it ended.

    A process that ends at the same place again has met a row that cannot be passed: a failure stands for the rest.
    """
    done, ended_at = 0, -1
    while True:
        try:
            first = None if timeout is None else max(timeout, _FIRST)
            for rows in streamed(partial(_grouped, read_rows, done), timeout, first):
                if rows:
                    yield Items(tuple(rows))
                    done += len(rows)
        except ProcessEndedError as error:
            if ended_at == done:
                what = f"{error.problem}, at row {done} or up to {PIECE} behind it; no further row is read"
                yield Items((Failure(f"{source}:{done}", UnreadableError(what, error.cure), source),))
                return
            ended_at = done
        except DataError as error:
            yield Items((Failure(source, UnreadableError(error.problem, error.cure), source),))
            return
        else:
            return


def _grouped(read_rows: partial[Iterator[Crystal | Failure]], skipped: int) -> Iterator[list[Crystal | Failure]]:
    rows = read_rows()
    first = list(islice(rows, 1))
    yield []  # the first row has come: a JSON file is read whole before, from now on each row has its own time
    rows = _timed(chain(first, rows))
    for _ in islice(rows, skipped):
        pass
    while group := list(islice(rows, PIECE)):
        yield group


def _timed(rows: Iterator[Crystal | Failure]) -> Iterator[Crystal | Failure]:
    for row in rows:
        restart_clock()
        yield row


def _read_all(source: str, limit: int, structures: Path | None) -> Iterator[Crystal | Failure]:
    return read([source], limit=limit, structures=structures)


def _read_file(path: str, label: str, limit: int) -> Iterator[Crystal | Failure]:
    return map(with_plain_id, read_listed(Path(path), limit, label, tables=True))


class _Cursor:
    """The rows of an interchange Parquet by number; to go forward is cheap.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: str) -> None:
        self._groups = RowGroups(open_parquet(path, path, in_pieces=True), path)
        self._group = -1
        self._first = 0
        self._part: Sequence[Crystal | Failure] = ()
        self._parts: Iterator[Sequence[Crystal | Failure]] = iter(())

    def rows(self, start: int, stop: int) -> Iterator[Crystal | Failure]:
        """Yield the rows from one to before another."""
        for row in range(start, stop):
            self._go_to(row)
            yield self._part[row - self._first]

    def _go_to(self, row: int) -> None:
        group = bisect_right(self._groups.starts, row) - 1
        if group != self._group or row < self._first:
            self._group, self._first, self._part = group, self._groups.starts[group], ()
            self._parts = self._groups.read(group)
        while row >= self._first + len(self._part):
            self._first += len(self._part)
            self._part = next(self._parts)


@lru_cache(maxsize=2)
def _cursor(path: str) -> _Cursor:
    """Return the cursor of a file that this process reads; two are kept, for where one file ends and the next begins."""
    return _Cursor(path)
