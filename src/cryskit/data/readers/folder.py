"""Folders of structure files: those that a table lists (id_prop.csv, as for CGCNN and ALIGNN, or another), or all of them."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

from cryskit import properties
from cryskit.data.files import refuse_special
from cryskit.data.readers.dictionaries import STRUCTURES
from cryskit.data.readers.formats import DETAILS, format_of, read_named, stem
from cryskit.data.readers.labels import labels_of
from cryskit.data.readers.named_files import NamedFiles
from cryskit.data.readers.numbers import is_number
from cryskit.data.readers.tree import ENTRIES, TABLE, Tree, tree_of
from cryskit.data.row_labels import with_labels
from cryskit.data.targets import IDS, MISSING, property_names
from cryskit.errors import CrystalError, DataError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_HEADS = frozenset({*IDS, "name", "file", "filename", "structure"})
_PREDICTED = {"status", "reason"}  # columns of tables that are written here: what they hold are no labels
_TRIED = 20  # rows of a table that are looked at to see whether it names files


def read_folder(folder: Path, limit: int, labels: Mapping[str, str] | None = None) -> Iterator[Crystal | Failure]:
    """Read the crystals of a folder and of the folders in it.

    With an id_prop.csv, one item per line of it: the id (with or without the extension of its file), then a value for
    each target; a header names them, else they are called "target", or "target_1" and so on. With an id_prop.json, its
    entries. With one other CSV file whose rows name structure files, its rows. Else every structure file, sorted by name, with the shortest path as id that tells it from the others, or, where there is
    none, every Parquet file. What else there is, but for hidden files and those that accompany data (README, LICENSE, scripts),
    is named in a FilesNotReadWarning.

    Args:
        folder: Folder of structure files, or of Parquet files, which together are one data set of any size.
        limit: Number of atoms that a cell may have.
        labels: Path of a file to the id of its crystal, where more files are read than those of this folder.

    Raises:
        DataError: There is nothing to read.
    """
    paths, tables, tree = _found(folder)
    known = labels or labels_of(map(str, paths))
    place = {path: i for i, path in enumerate(tree.files)}
    for path in sorted([*paths, *tables], key=place.__getitem__):
        rows = (
            _listed(path, tree.below(path.parent), limit)
            if path in tables
            else read_listed(path, limit, known.get(str(path)))
        )
        yield from rows


def _found(folder: Path) -> tuple[list[Path], list[Path], Tree]:
    """Return the files of a folder that are read, the tables that say what is in it, and all its files; warn of the others."""
    tree = tree_of(folder)
    tables = _tables(tree)
    free = Tree(folder, [path for path in tree.files if not _within(path, tables)], tree.closed)
    paths = free.structures or ([] if tables else free.shards)
    if not (paths or tables):
        raise DataError(f"{folder} holds no structure files, nor do folders in it", f"Put some into it: {DETAILS}")
    free.warn_of_others(paths)
    return paths, tables, tree


def unlisted(folder: Path) -> list[Path] | None:
    """Return the files that `read_folder` reads, in its order, or None if tables say what is in the folder.

    Args:
        folder: The folder.

    Raises:
        DataError: There is nothing to read.
    """
    paths, tables, tree = _found(folder)
    return None if tables else sorted(paths, key={path: i for i, path in enumerate(tree.files)}.__getitem__)


def files_of(folder: Path) -> list[str]:
    """Return the paths of the files in a folder and the folders in it whose ids come from their paths.

    Args:
        folder: The folder.
    """
    tree = tree_of(folder)
    tables = _tables(tree)
    return [str(path) for path in tree.structures if not _within(path, tables)]


def rows_of(path: Path) -> int | None:
    """Return how many rows a file or folder has, or None if it must be read to be counted.

    Args:
        path: Path of the file or folder.
    """
    if path.is_dir():
        tree = tree_of(path)
        shards = [] if tree.structures else tree.shards
        counts = [rows_of(shard) for shard in shards]
        return sum(count or 0 for count in counts) if shards and None not in counts else None
    found = format_of(path.name)
    return found.rows(str(path)) if found and path.is_file() else None


def read_table(table: Path, folder: Path, limit: int) -> Iterator[Crystal | Failure]:
    """Read a table whose rows name files in a folder of structure files, one item per row.

    Args:
        table: Any file that can be read as a table; a CSV file whose first line names a file has no header.
        folder: Folder of structure files, with the folders in it.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: The table cannot be read, or the folder holds no structure files.
    """
    files = NamedFiles(table.parent, folder)
    if not files:
        raise DataError(f"{folder} holds no structure files", f"Give the folder of the files that {table} names")
    first = _head(table) if table.suffix.lower() == ".csv" else []
    if first and first[0] and first[0][0] in files:
        yield from _lines(table, files, limit)
    else:
        yield from read_named(str(table), limit, files=files)


def _tables(tree: Tree) -> list[Path]:
    """Return the tables that say what is in a folder, the outermost ones."""
    found: list[Path] = []
    for folder in dict.fromkeys(path.parent for path in tree.files):
        if any(table.parent in (folder, *folder.parents) for table in found):
            continue
        here = {path.name: path for path in tree.files if path.parent == folder}
        named = here.get(TABLE) or here.get(ENTRIES)
        others = [] if named else [path for path in here.values() if path.suffix.lower() == ".csv"]
        below = tree.below(folder).structures if others else []
        naming = [path for path in others if below and _names_files(path, NamedFiles(folder, folder))]
        if len(naming) > 1:
            names = ", ".join(path.name for path in naming)
            raise DataError(
                f"{folder} has several tables of its files: {names}",
                f"Give one of them with `structures`, or call it {TABLE}",
            )
        found += [named] if named else naming
    return found


def _within(path: Path, tables: list[Path]) -> bool:
    return any(table.parent in path.parents for table in tables)


def _names_files(table: Path, files: NamedFiles) -> bool:
    """Return whether the rows of a CSV file name structure files and hold neither structures nor predictions."""
    head, *rows = _head(table) or [[]]
    columns = {name.strip().lower() for name in head}
    if columns >= _PREDICTED or columns & set(STRUCTURES):
        return False
    column = files.column(head)
    place = head.index(column) if column in head else 0
    return any(len(row) > place and row[place] in files for row in [head, *rows])


def _head(table: Path) -> list[list[str]]:
    """Return the first lines of a CSV file, nothing of one that cannot be read."""
    found: list[list[str]] = []
    try:
        refuse_special(str(table))
        with table.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file):
                found += [[cell.strip() for cell in row]] if row else []
                if len(found) > _TRIED:
                    break
    except (OSError, UnicodeDecodeError, csv.Error, UnreadableError):
        return []
    return found


def read_listed(
    path: Path, limit: int, label: str | None = None, *, tables: bool = False
) -> Iterator[Crystal | Failure]:
    """Read a file among others: where it cannot be read as a whole, it is one failure.

    Args:
        path: Path of the file.
        limit: Number of atoms that a cell may have.
        label: Id of the crystal in it, or what the ids of several begin with; the name without its ending by default.
        tables: Whether the rows of a table may name files by their paths.
    """
    files = NamedFiles(path.parent) if tables else None
    try:
        yield from read_named(str(path), limit, label=label, files=files)
    except DataError as error:
        yield Failure(label or stem(path.name), UnreadableError(error.problem, error.cure), str(path))


def _listed(table: Path, tree: Tree, limit: int) -> Iterator[Crystal | Failure]:
    """Read what a table says that is in its folder, and warn of the other files."""
    if table.name == ENTRIES:
        tree.warn_of_others([table])
        yield from read_named(str(table), limit)
        return
    files = NamedFiles(table.parent, table.parent)
    if table.name == TABLE:
        yield from _lines(table, files, limit)
    else:
        yield from read_table(table, table.parent, limit)
    tree.warn_of_others({table, *files.read})


def _lines(table: Path, files: NamedFiles, limit: int) -> Iterator[Crystal | Failure]:
    """Read a table of an id and values, with a header or without."""
    rows = _rows(table)
    headed = not any(is_number(cell) for row in rows[:1] for cell in row[1:]) and (
        rows[0][0].lower() in _HEADS or any(cell.lower() not in MISSING for cell in rows[0][1:])
    )
    names = _names(rows[0], str(table), headed=headed)
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


def _row(files: NamedFiles, row: list[str], names: list[str], source: str, limit: int) -> Crystal | Failure:
    name = stem(row[0])
    try:
        found = files.crystal(row[0], name, limit)
        if len(row) > len(names) + 1:
            raise UnreadableError(f"{len(row)} values, expected at most {len(names) + 1}", "Give each value one column")
        cells = {key: cell for key, cell in zip(names, row[1:], strict=False) if cell.lower() not in MISSING}
        words = {key: cell for key, cell in cells.items() if key in properties.load() and properties.get(key).classes}
        if wrong := [cell for key, cell in cells.items() if key not in words and not is_number(cell)]:
            raise UnreadableError(f"{wrong[0]!r} is no number", "Give a number, or nothing if the value is unknown")
    except CrystalError as error:
        error.source = error.source or source
        return Failure(name, error)
    values = {key: cell if key in words else float(cell) for key, cell in cells.items()}
    return with_labels(replace(found, id=name), values)
