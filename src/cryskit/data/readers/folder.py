"""Folders of structure files: those that id_prop.csv lists (as for CGCNN and ALIGNN), or all of them."""

from __future__ import annotations

import csv
import warnings
from dataclasses import replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from cryskit import properties
from cryskit.data.files import refuse_special
from cryskit.data.readers.formats import DETAILS, format_of, read_named, stem
from cryskit.data.readers.numbers import is_number
from cryskit.data.targets import IDS, MISSING, labels, property_names, targets
from cryskit.errors import DataError, FilesNotReadWarning, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = "id_prop.csv"
_ENTRIES = "id_prop.json"
_FEATURES = "atom_init.json"  # of CGCNN, no structure
_ACCOMPANY = (
    *(
        "README*",
        "LICEN[CS]E*",
        "COPYING*",
        "NOTICE*",
        "CITATION*",
        "CHANGELOG*",
        "MANIFEST*",
        "CHECKSUMS*",
        "THUMBS.DB",
    ),
    *("*.MD", "*.RST", "*.YAML", "*.YML", "*.TOML", "*.PY", "*.SH", "*.IPYNB", "*.SHA256", "*.MD5", "__PYCACHE__"),
)
"""Patterns of the names of files that accompany data, in upper case."""
_SHOWN = 5
_NAME = attrgetter("name")
_HEADS = frozenset({*IDS, "name", "file", "filename", "structure"})


def read_folder(folder: Path, limit: int) -> Iterator[Crystal | Failure]:
    """Read the crystals of a folder, not of its subfolders.

    With an id_prop.csv, one item per line of it: the id (with or without the extension of its file), then a value for
    each target; a header names them, else they are called "target", or "target_1" and so on. With an id_prop.json, its
    entries. Else every structure file, sorted by name, or, where there is none, every Parquet file. What else there is, but for
    hidden files and those that accompany data (README, LICENSE, scripts), is named in a FilesNotReadWarning.

    Args:
        folder: Folder of structure files, or of Parquet files, which together are one data set of any size.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: There is nothing to read.
    """
    if (folder / TABLE).exists():
        yield from _listed(folder, limit)
    elif (folder / _ENTRIES).exists():
        _warn_of_others(folder, {_ENTRIES})
        yield from read_named(str(folder / _ENTRIES), limit)
    else:
        paths = _structures(folder) or _files(folder, "shard")
        if not paths:
            raise DataError(f"{folder} holds no structure files", f"Put some into it: {DETAILS}")
        _warn_of_others(folder, {path.name for path in paths})
        for path in paths:
            yield from _file(path, limit)


def rows_of(path: Path) -> int | None:
    """Return how many rows a file or folder has, or None if it must be read to be counted.

    Args:
        path: Path of the file or folder.
    """
    if path.is_dir():
        shards = [] if _structures(path) else _files(path, "shard")
        counts = [rows_of(shard) for shard in shards]
        return sum(count or 0 for count in counts) if shards and None not in counts else None
    found = format_of(path.name)
    return found.rows(str(path)) if found and path.is_file() else None


def _warn_of_others(folder: Path, read: set[str]) -> None:
    """Warn of what is in a folder, is not read and does not merely accompany data."""
    known = {*read, TABLE, _ENTRIES, _FEATURES}
    others = [
        path.name + "/" * path.is_dir()
        for path in sorted(folder.iterdir(), key=_NAME)
        if not (path.name in known or path.name.startswith("."))
        and not any(fnmatchcase(path.name.upper(), pattern) for pattern in _ACCOMPANY)
    ]
    if others:
        shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        warnings.warn(f"{len(others)} in {folder} not read: {shown}", FilesNotReadWarning, stacklevel=2)


def _structures(folder: Path) -> list[Path]:
    return [path for path in _files(folder, "structure") if path.name != _FEATURES]


def _files(folder: Path, part: Literal["structure", "shard"]) -> list[Path]:
    """Return the files that are such a part of the folder, sorted by name, hidden ones left out."""
    try:
        paths = sorted(folder.iterdir(), key=_NAME)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})", "Check that you may read it") from error
    known = ((path, format_of(path.name)) for path in paths if not path.name.startswith("."))
    return [path for path, found in known if found and found.in_folder == part]


def _file(path: Path, limit: int) -> Iterator[Crystal | Failure]:
    try:
        yield from read_named(str(path), limit)
    except DataError as error:
        yield Failure(stem(path.name), UnreadableError(error.problem, error.cure))


def _listed(folder: Path, limit: int) -> Iterator[Crystal | Failure]:
    table = folder / TABLE
    rows = _rows(table)
    headed = not any(is_number(cell) for row in rows[:1] for cell in row[1:]) and (
        rows[0][0].lower() in _HEADS or any(cell.lower() not in MISSING for cell in rows[0][1:])
    )
    names = _names(rows[0], str(table), headed=headed)
    files = {key: path for path in reversed(_structures(folder)) for key in (path.name, stem(path.name))}
    _warn_of_others(folder, {files[row[0]].name for row in rows[headed:] if row[0] in files})
    for i, row in enumerate(rows[headed:], start=1 + headed):
        yield _row(files, row, names, f"{table}, line {i}", limit)


def _rows(table: Path) -> list[list[str]]:
    """Return the lines of a table that are not blank, cells stripped."""
    try:
        refuse_special(str(table))
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error, UnreadableError) as error:
        raise DataError(f"{table} cannot be read ({error})", "Give lines of id, value in UTF-8") from error
    if not rows:
        raise DataError(f"{table} is empty", "Give a line of id, value for each structure file")
    return rows


def _names(row: list[str], table: str, *, headed: bool) -> list[str]:
    """Return the property of each column after the id."""
    if headed:
        known = property_names(row[1:], table)
        return [known[column] for column in row[1:]]
    return ["target"] if len(row) == 2 else [f"target_{i}" for i in range(1, len(row))]


def _row(files: dict[str, Path], row: list[str], names: list[str], source: str, limit: int) -> Crystal | Failure:
    name = stem(row[0])
    path = files.get(row[0])
    if path is None:
        error = UnreadableError(
            f"There is no structure file for {row[0]!r} in the folder of the table", "Add it or remove the line"
        )
        return _failed(name, error, source)
    if len(row) > len(names) + 1:
        error = UnreadableError(f"{len(row)} values, expected at most {len(names) + 1}", "Give each value one column")
        return _failed(name, error, source)
    cells = {key: cell for key, cell in zip(names, row[1:], strict=False) if cell.lower() not in MISSING}
    words = {key: cell for key, cell in cells.items() if key in properties.load() and properties.get(key).classes}
    wrong = [cell for key, cell in cells.items() if key not in words and not is_number(cell)]
    if wrong:
        error = UnreadableError(f"{wrong[0]!r} is no number", "Give a number, or nothing if the value is unknown")
        return _failed(name, error, source)
    found = list(_file(path, limit))
    if len(found) != 1:
        error = UnreadableError(f"{path.name} holds {len(found)} structures, expected one", "Give one file per line")
        return _failed(name, error, source)
    if isinstance(found[0], Failure):
        return Failure(name, found[0].error)
    values = targets({key: float(cell) for key, cell in cells.items() if key not in words})
    return replace(
        found[0], id=name, targets={**found[0].targets, **values}, labels={**found[0].labels, **labels(words)}
    )


def _failed(name: str, error: UnreadableError, source: str) -> Failure:
    error.source = source
    return Failure(name, error)
