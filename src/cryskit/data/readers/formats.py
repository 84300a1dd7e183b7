"""The formats of files that can be read: one table for readers, folders, error messages and help texts.

To add a format, write a file with its reader into this folder, and a row into FORMATS.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from cryskit.data.files import InputFile
    from cryskit.data.readers.named_files import NamedFiles
    from cryskit.types import Crystal, Failure


class Format(NamedTuple):
    """A format of files of crystals.

    Attributes:
        name: Name of the format in help texts and error messages.
        endings: Ends of the names of its files, in lower case, which are no part of an id; ".gz" may follow.
        read: Reader, which is given a file and the number of atoms that a cell may have, and yields one item per row.
        rows: Function that returns how many rows the file at a path has: None if it must be read to be counted.
        in_folder: What a file of this format is to the folder that is read: a structure file, a part of one data set
            ("shard"), or None if it is passed over.
        patterns: Patterns of the names of its files, in upper case, where the ending is none of FORMATS.
        is_held: Whether its reader holds the whole file in memory, and therefore refuses one larger than `files.HELD_BYTES`.
    """

    name: str
    endings: tuple[str, ...]
    read: Callable[[InputFile, int], Iterator[Crystal | Failure]]
    rows: Callable[[str], int | None]
    in_folder: Literal["structure", "shard"] | None = None
    patterns: tuple[str, ...] = ()
    is_held: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({', '.join([*self.patterns, *self.endings])})"


def _cif(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.cif import read_file  # noqa: PLC0415 - here and below: libraries wait until they are needed

    return read_file(file, limit)


def _poscar(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.poscar import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _xyz(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.from_ase import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _json(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.dictionaries import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _json_lines(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.dictionaries import read_lines  # noqa: PLC0415

    return read_lines(file, limit)


def _csv(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.frames import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _parquet(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.parquet import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _castep(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.castep import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _res(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.res import read_file  # noqa: PLC0415

    return read_file(file, limit)


def _simulation(kind: str) -> Callable[[InputFile, int], Iterator[Crystal | Failure]]:
    """Return the reader of files of a simulation program, by ASE's name of the format."""

    def read(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
        from cryskit.data.readers.simulation_files import read_frames  # noqa: PLC0415

        return read_frames(file, limit, kind)

    return read


def _one(_: str) -> int | None:
    return 1


def _many(_: str) -> int | None:
    return None


def _counted(path: str) -> int | None:
    from cryskit.data.readers.parquet import count_rows  # noqa: PLC0415

    return count_rows(path)


FORMATS = (
    Format("CIF", (".cif", ".mcif"), _cif, _one, "structure", ("*.CIF.TXT",)),
    Format(
        "POSCAR",
        (".vasp", ".poscar", ".contcar"),
        _poscar,
        _one,
        "structure",
        ("POSCAR*", "CONTCAR*", "*_POSCAR", "*_CONTCAR", "*-POSCAR", "*-CONTCAR"),
    ),
    Format("XYZ", (".xyz", ".extxyz"), _xyz, _many, "structure"),
    Format("JSON", (".json",), _json, _many, "structure", is_held=True),
    Format("JSON lines", (".jsonl",), _json_lines, _many),
    Format("CSV", (".csv",), _csv, _many),
    Format("Parquet", (".parquet", ".pq"), _parquet, _counted, "shard"),
    Format("SHELX", (".res",), _res, _one, "structure"),
    Format("CASTEP", (".cell",), _castep, _one, "structure"),
    Format("XCrySDen", (".xsf",), _simulation("xsf"), _many, "structure"),
    Format("DFTB+", (".gen",), _simulation("gen"), _one, "structure"),
    Format("Quantum ESPRESSO", (".in", ".pwi"), _simulation("espresso-in"), _one, "structure"),
    Format("ASE trajectory", (".traj",), _simulation("traj"), _many),
    Format("ASE database", (".db",), _simulation("db"), _many),
    Format("VASP XML", (), _simulation("vasp-xml"), _many, None, ("*VASPRUN*.XML",)),
    Format("OUTCAR", (), _simulation("vasp-out"), _many, None, ("OUTCAR*", "*_OUTCAR")),
    Format("XDATCAR", (), _simulation("vasp-xdatcar"), _many, None, ("XDATCAR*", "*_XDATCAR")),
)
"""Every format, in the order in which texts name them."""

NAMES = f"{', '.join(each.name for each in FORMATS[:-1])} or {FORMATS[-1].name}"
"""The names of the formats, for a sentence."""
DETAILS = ", ".join(map(str, FORMATS))
"""The names of the formats, each with the names of its files."""

_BY_ENDING = {ending: each for each in FORMATS for ending in each.endings}
_BY_PATTERN = {pattern: each for each in FORMATS for pattern in each.patterns}


def format_of(name: str) -> Format | None:
    """Return the format that the name of a file promises, or None."""
    if found := _BY_ENDING.get(_ending(name)):
        return found
    named = name.upper().removesuffix(".GZ")
    return next((each for pattern, each in _BY_PATTERN.items() if fnmatchcase(named, pattern)), None)


def stem(name: str) -> str:
    """Return the file name without a known ending: "mp-1.5.cif.gz" to "mp-1.5", "POSCAR.1" to itself."""
    bare = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    bare = bare[: -len(".txt")] if bare.lower().endswith(".cif.txt") else bare
    ending = _ending(bare)
    return bare[: -len(ending)] if ending in _BY_ENDING and len(bare) > len(ending) else name


def read_named(
    name: str,
    limit: int,
    stream: IO[bytes] | IO[str] | None = None,
    *,
    label: str | None = None,
    files: NamedFiles | None = None,
) -> Iterator[Crystal | Failure]:
    """Read a file with the reader of its format, one item per row in order, each with the path if it has one.

    Args:
        name: Path of the file, or the name of the opened one; its last part tells the format.
        limit: Number of atoms that a cell may have.
        stream: Opened file, in bytes or text; None to open `name`.
        label: Id of the crystal in it, or what the ids of several begin with; the name without its ending by default.
        files: Structure files that the rows of a table may name besides those whose paths it holds.

    Raises:
        DataError: The name tells no format, or the file as a whole cannot be read.
    """
    from cryskit.data.files import InputFile  # noqa: PLC0415
    from cryskit.data.validate import guarded  # noqa: PLC0415

    base = PurePath(name).name
    found = format_of(base)
    if found is None:
        raise DataError(
            f"{name} is in no known format", f"Give a file whose name tells its format, {DETAILS}, or a folder of them"
        )
    file = InputFile(name, label or stem(base), stream, files)
    rows = guarded(found.read(file, limit), file.id, name)
    return rows if stream is not None else (with_path(row, name) for row in rows)


def with_path(row: Crystal | Failure, path: str) -> Crystal | Failure:
    """Return a row with the path of its file, unless it has one.

    Args:
        row: Row of a file.
        path: Path of the file, as it was given.
    """
    from cryskit.types import Failure  # noqa: PLC0415

    if row.path:
        return row
    return row._replace(path=path) if isinstance(row, Failure) else replace(row, path=path)


def _ending(name: str) -> str:
    base, _, ending = name.lower().removesuffix(".gz").rpartition(".")
    return f".{ending}" if base else ""
