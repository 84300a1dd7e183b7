"""One way in: anything that holds crystals, one item out per row, in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cryskit.data.readers.formats import DETAILS, read_named, stem
from cryskit.data.readers.labels import labels_of
from cryskit.data.readers.named_files import NamedFiles
from cryskit.data.readers.objects import from_object, is_structure_object, kind_of, record_of
from cryskit.data.sources.resolve import is_named, named
from cryskit.data.targets import escaped
from cryskit.data.validate import LIMIT, guarded, make_row, validate_row
from cryskit.errors import QUOTED_PATH, DataError, UnreadableError, shortened
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_LABELS: Mapping[str, str] = MappingProxyType({})
_CURE = (
    f"Give a file ({DETAILS}), a folder, a pymatgen structure, ASE atoms, a pandas frame with a structure column, "
    "or an iterable of these"
)


def read(
    source: Any, *, limit: int = LIMIT, name: str | None = None, structures: str | PathLike[str] | None = None
) -> Iterator[Crystal | Failure]:
    r"""Read crystals from wherever they are.

    Args:
        source: Path of a file (CIF, POSCAR, XYZ, JSON, JSON lines, CSV, Parquet) or folder, with the folders in it, name of a bundled data set (a
            text that begins with "./", or a Path, is never one), a file opened in bytes or text, a Crystal, pymatgen Structure, ASE Atoms, document of mp-api, dictionary of a
            structure, dictionary of ids to structures, pandas DataFrame or Series, or an iterable that mixes any of these. A row's id is its id column, its
            key or its index, else the shortest path that tells its file from others ("Si" or "a/CONTCAR", with ":0", ":1" behind it in a table, or
            where there are several), else its place.
        limit: Number of atoms that a cell may have; larger ones are failures.
        name: File name of an opened file whose attribute `name` does not tell its format, such as an upload or a member
            of a tar archive.
        structures: Folder of the structure files that the rows of a table or a frame name, by an id or a file name.

    Returns:
        One item per row, in order: a validated Crystal, or a Failure that says what is wrong with it. Numbers that
        accompany the structure are targets, by their registry name where they have one, and `path` is that of its file. An opened file is read from
        where it stands, unpacked if its name ends in ".gz", and not closed; keep it open until its rows are read.

    Raises:
        DataError: The source as a whole does not exist or its format is unknown. Within an iterable this is a Failure.

    Examples:
        A file that came as bytes; a row is a crystal, or a failure with the reason:

        >>> import io
        >>> from cryskit import Crystal, read
        >>> poscar = b"iron\n2.87\n1 0 0\n0 1 0\n0 0 1\nFe\n2\nDirect\n0 0 0\n0.5 0.5 0.5\n"
        >>> for row in read(io.BytesIO(poscar), name="iron.vasp"):
        ...     print(row.id, len(row) if isinstance(row, Crystal) else row.error)
        iron 2

    Example:
        >>> import cryskit
        >>> for crystal in cryskit.read("examples/NaCl.cif"):
        ...     print(crystal.id, len(crystal), sorted(set(crystal.numbers.tolist())))
        NaCl 8 [11, 17]
    """
    if structures is not None:
        found = _with_files(source, Path(structures), limit)
    else:
        found = _read(source, "0", limit) if name is None else _stream(source, name, limit)
    rows = map(with_plain_id, found)
    first = list(_first(rows))
    return chain(first, rows)


def read_one(source: Any, *, limit: int = LIMIT, name: str | None = None) -> Crystal:
    """Read a source that holds one crystal.

    Args:
        source: Source as for `read`.
        limit: Number of atoms that the cell may have.
        name: File name of an opened file, as for `read`.

    Raises:
        CrystalError: The crystal cannot be used.
        DataError: The source does not hold one crystal.
    """
    rows = read(source, limit=limit, name=name)
    row = next(rows, None)
    if row is None or next(rows, None) is not None:
        count = "no" if row is None else "more than one"
        raise DataError(f"{shortened(source, QUOTED_PATH)} holds {count} crystal", "Use `read` instead")
    if isinstance(row, Failure):
        raise row.error
    return row


def with_plain_id(row: Crystal | Failure) -> Crystal | Failure:
    """Return a row whose id can be written as UTF-8: bytes of a file name that are none are escaped."""
    if row.id.isascii():
        return row
    name = escaped(row.id)
    return replace(row, id=name) if isinstance(row, Crystal) else row._replace(id=name)


def _first(rows: Iterator[Crystal | Failure]) -> Iterator[Crystal | Failure]:
    """Yield the first row, so that a source that cannot be read fails when it is given, not when it is used."""
    for row in rows:
        yield row
        return


def _with_files(source: Any, folder: Path, limit: int) -> Iterator[Crystal | Failure]:
    """Yield the rows of a table that names files in a folder, or of several tables."""
    if isinstance(source, list | tuple) and source:
        for each in source:
            yield from _with_files(each, folder, limit)
    elif kind_of(source) == "frame":
        from cryskit.data.readers.frames import from_frame  # noqa: PLC0415 - here and below: only who needs it waits

        yield from guarded(from_frame(source, limit, files=NamedFiles(None, folder)), "0", "frame")
    elif isinstance(source, str | PathLike) and Path(source).is_file():
        from cryskit.data.readers.folder import read_table  # noqa: PLC0415

        yield from read_table(Path(source), folder, limit)
    else:
        raise DataError(
            f"{shortened(source, QUOTED_PATH)} is no table whose rows name files in {folder}",
            "With a folder of structures, give a CSV or Parquet file or a pandas frame with a column of ids or file names",
        )


def _read(source: Any, label: str, limit: int, labels: Mapping[str, str] = _NO_LABELS) -> Iterator[Crystal | Failure]:
    """Yield the rows of a source; `label` is the id of an object that has none, `labels` those of files by path."""
    found = kind_of(source)
    if isinstance(source, str | PathLike):
        rows = named(source, limit) if isinstance(source, str) else None
        yield from _path(Path(source), limit, labels) if rows is None else rows
    elif isinstance(source, Failure):
        yield source
    elif isinstance(source, Crystal):
        yield validate_row(source, source.id, limit)
    elif found is not None:
        yield from _object(source, found, label, limit)
    elif isinstance(source, dict):
        yield from _dictionary(source, label, limit)
    elif hasattr(source, "read"):
        yield from _stream(source, _name_of(source), limit)
    elif isinstance(source, Iterable) and not isinstance(source, bytes | bytearray | memoryview):
        yield from _items(source, limit)
    else:
        raise DataError(f"A {type(source).__name__} is no source of crystals", _CURE)


def _object(source: Any, kind: str, label: str, limit: int) -> Iterator[Crystal | Failure]:
    """Yield the rows of an object of another library, by what `kind_of` says of it."""
    if kind == "frame":
        from cryskit.data.readers.frames import from_frame  # noqa: PLC0415

        yield from guarded(from_frame(source, limit, files=NamedFiles(Path())), label, "frame")
    elif kind == "series":
        yield from _keyed(source.items(), limit)
    elif kind == "document":
        from cryskit.data.readers.dictionaries import read_record  # noqa: PLC0415

        yield read_record(record_of(source), label, "document", limit)
    else:
        yield make_row(label, label, lambda: from_object(source, label), limit)


def _dictionary(source: dict[Any, Any], label: str, limit: int) -> Iterator[Crystal | Failure]:
    """Yield the row that a dictionary is, or the rows that it holds: by their ids, or as a list in it."""
    from cryskit.data.readers.dictionaries import holds_records, is_record, read_record, records_in  # noqa: PLC0415

    if not is_record(source) and any(is_structure_object(value) for value in source.values()):
        yield from _keyed(source.items(), limit)
    elif not is_record(source) and holds_records(source):
        for name, record in records_in(source, label, "dictionary"):
            if is_structure_object(record):
                yield from _read(record, name, limit)
            else:
                yield read_record(record if isinstance(record, dict) else {}, name, "dictionary", limit)
    else:
        yield read_record(source, label, "dictionary", limit)


def _row(record: dict[str, Any], label: str, limit: int) -> Crystal | Failure:
    """Return the crystal of one dictionary among others, which is one row whatever it holds."""
    from cryskit.data.readers.dictionaries import read_record  # noqa: PLC0415

    return read_record(record, label, "dictionary", limit)


def _keyed(items: Iterable[tuple[Any, Any]], limit: int) -> Iterator[Crystal | Failure]:
    """Yield the crystals of ids and structures: objects, dictionaries or texts."""
    from cryskit.data.readers.dictionaries import is_record, read_record  # noqa: PLC0415

    for key, value in items:
        name = str(key)
        if kind_of(value) == "document":
            yield read_record(record_of(value) | {"material_id": name}, name, name, limit)
        elif is_record(value):
            yield read_record({**value, "id": name}, name, name, limit)
        else:
            yield read_record({"id": name, "structure": value}, name, name, limit)


def _items(sources: Iterable[Any], limit: int) -> Iterator[Crystal | Failure]:
    labels = labels_of(_files(sources)) if isinstance(sources, list | tuple) else _NO_LABELS
    for i, item in enumerate(sources):
        path = item if isinstance(item, str | PathLike) else _name_of(item) if hasattr(item, "read") else None
        label = labels.get(str(path)) or (shortened(stem(Path(path).name)) if path else str(i))
        try:
            if isinstance(item, list | tuple) and not isinstance(item, Failure):
                raise DataError(f"Item {i} is a {type(item).__name__}", _CURE)  # noqa: TRY301
            if isinstance(item, dict):
                yield _row(item, label, limit)
                continue
            yield from guarded(_read(item, label, limit, labels), label, label)
        except DataError as error:
            yield Failure(label, UnreadableError(error.problem, error.cure), str(path or ""))


def file_labels(sources: Iterable[str]) -> dict[str, str]:
    """Return the ids of files by their paths, as `read` gives them to a list of sources.

    Args:
        sources: Bundled names, files and folders.
    """
    return labels_of(_files(sources))


def _files(sources: Iterable[Any]) -> Iterator[str]:
    """Yield the paths of all files whose ids come from their paths: those of a list, and those of its folders."""
    for path in (item for item in sources if isinstance(item, str | PathLike)):
        try:
            is_folder = Path(path).is_dir() and not is_named(path)
        except (OSError, ValueError):
            continue
        if not is_folder:
            yield str(path)
            continue
        from cryskit.data.readers.folder import files_of  # noqa: PLC0415

        try:
            yield from files_of(Path(path))
        except DataError:
            continue  # it is said when its turn comes


def from_files(source: Any) -> bool:
    """Return whether a source is, or lists, a path of files, so that its rows have a path.

    Args:
        source: Source as for `read`.
    """
    if isinstance(source, str | PathLike):
        return not is_named(source)
    listed = isinstance(source, list | tuple) and not isinstance(source, Failure)
    return listed and any(map(from_files, source))


def _path(path: Path, limit: int, labels: Mapping[str, str]) -> Iterator[Crystal | Failure]:
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # a name too long, or with a null character
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{shortened(path)!r} is no path ({reason})", "Check the path") from error
    if is_folder:
        from cryskit.data.readers.folder import read_folder  # noqa: PLC0415

        yield from read_folder(path, limit, labels or None)
    elif not is_there:
        raise DataError(f"{shortened(path, QUOTED_PATH)} does not exist", "Check the path")
    else:
        files = NamedFiles(path.parent)  # to which paths in the columns of a table lead
        yield from read_named(str(path), limit, label=labels.get(str(path)), files=files)


def _name_of(stream: Any) -> str | None:
    """Return the name that an opened file has, or None: that of a temporary file may be a number."""
    name = getattr(stream, "name", None)
    return os.fsdecode(name) if isinstance(name, str | bytes | PathLike) else None


def _stream(stream: Any, name: str | None, limit: int) -> Iterator[Crystal | Failure]:
    if not hasattr(stream, "read"):
        raise DataError(
            f"A {type(stream).__name__} with the name {shortened(name)!r} is no opened file", "Leave the name out"
        )
    if not name:
        raise DataError("The opened file has no name that tells its format", "Give it: read(file, name='crystal.cif')")
    yield from read_named(name, limit, stream)
