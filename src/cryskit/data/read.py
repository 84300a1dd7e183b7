"""One way in: anything that holds crystals, one item out per row, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

from cryskit.data.files import FORMATS, KINDS, kind, stem
from cryskit.data.readers.objects import from_object, kind_of
from cryskit.data.validate import LIMIT, attempt, checked
from cryskit.errors import DataError, UnreadableError
from cryskit.registry import Registry
from cryskit.types import Crystal, Failure

_READERS = Registry(
    "row reader",
    {
        "frame": "cryskit.data.readers.frames:from_frame",
        "folder": "cryskit.data.readers.folder:read_folder",
        "record": "cryskit.data.readers.dictionaries:read_record",
    },
)
_CURE = (
    f"Give a file ({KINDS}), a folder, a pymatgen structure, ASE atoms, a pandas frame with a structure column, "
    "or an iterable of these"
)


def read(source: Any, *, limit: int = LIMIT) -> Iterator[Crystal | Failure]:
    """Read crystals from wherever they are.

    Args:
        source: A path to a file (CIF, POSCAR, XYZ, JSON, CSV, Parquet) or folder, a Crystal, pymatgen Structure, ASE
            Atoms, dictionary of a structure, pandas DataFrame, or an iterable that mixes any of these. A row's id is its
            id column, else the stem of its file (":0", ":1" following if there are several), else its place.
        limit: Atoms that a cell may have; larger ones are failures.

    Returns:
        One item per row, in order: a checked Crystal, or a Failure that says what is wrong with it. Numbers beside the
        structure are targets, by their registry name where they have one.

    Raises:
        DataError: The source as a whole does not exist or cannot be told. Within an iterable this is a Failure.

    Example:
        >>> import cryskit
        >>> for crystal in cryskit.read("examples/NaCl.cif"):
        ...     print(crystal.id, len(crystal), sorted(set(crystal.numbers.tolist())))
        NaCl 8 [11, 17]
    """
    rows = _rows(source, "0", limit)
    first = list(_first(rows))
    return chain(first, rows)


def read_one(source: Any, *, limit: int = LIMIT) -> Crystal:
    """Read a source that holds one crystal.

    Args:
        source: As for `read`.
        limit: Atoms that the cell may have.

    Raises:
        CrystalError: The crystal cannot be used.
        DataError: The source does not hold one crystal.
    """
    rows = read(source, limit=limit)
    row = next(rows, None)
    if row is None or next(rows, None) is not None:
        raise DataError(f"{source} holds {'no' if row is None else 'more than one'} crystal", "Use `read` instead")
    if isinstance(row, Failure):
        raise row.error
    return row


def _first(rows: Iterator[Crystal | Failure]) -> Iterator[Crystal | Failure]:
    """Yield the first row, so that a source that cannot be read fails when it is given, not when it is used."""
    for row in rows:
        yield row
        return


def _rows(source: Any, name: str, limit: int) -> Iterator[Crystal | Failure]:
    """Yield the rows of a source; `name` is the id of an object that has none."""
    found = kind_of(source)
    if isinstance(source, str | PathLike):
        yield from _path(Path(source), limit)
    elif isinstance(source, Failure):
        yield source
    elif isinstance(source, Crystal):
        yield checked(source, source.id, limit)
    elif found == "frame":
        yield from _READERS["frame"](source, limit)
    elif found is not None:
        yield attempt(name, name, lambda: from_object(source, name), limit)
    elif isinstance(source, dict):
        yield _READERS["record"](source, name, "dictionary", limit)
    elif isinstance(source, Iterable) and not isinstance(source, bytes):
        yield from _items(source, limit)
    else:
        raise DataError(f"A {type(source).__name__} is no source of crystals", _CURE)


def _items(sources: Iterable[Any], limit: int) -> Iterator[Crystal | Failure]:
    for i, item in enumerate(sources):
        name = stem(Path(item).name) if isinstance(item, str | PathLike) else str(i)
        try:
            if isinstance(item, list | tuple) and not isinstance(item, Failure):
                raise DataError(f"Item {i} is a {type(item).__name__}", _CURE)  # noqa: TRY301
            yield from _rows(item, name, limit)
        except DataError as error:
            yield Failure(name, UnreadableError(error.problem, error.cure))


def _path(path: Path, limit: int) -> Iterator[Crystal | Failure]:
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # a name too long, or with a null character
        raise DataError(f"{str(path)!r} is no path ({error})", "Check the path") from error
    if is_folder:
        yield from _READERS["folder"](path, limit)
    elif not is_there:
        raise DataError(f"{path} does not exist", "Check the path")
    elif (found := kind(path.name)) is None:
        raise DataError(f"{path} is in no known format", _CURE)
    else:
        yield from FORMATS[found](path, limit)
