"""Which reader a file goes to, what its crystals are called, and its bytes, size first."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from cryskit.errors import SizeError, UnreadableError
from cryskit.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRUCTURE_BYTES = 10_000_000
"""A CIF or POSCAR larger than this is not parsed."""
_PIECE = 65_536

FORMATS = Registry(
    "file format",
    {
        "cif": "cryskit.data.readers.cif:read_file",
        "poscar": "cryskit.data.readers.poscar:read_file",
        "xyz": "cryskit.data.readers.from_ase:read_file",
        "json": "cryskit.data.readers.dictionaries:read_file",
        "json lines": "cryskit.data.readers.dictionaries:read_lines",
        "csv": "cryskit.data.readers.frames:read_file",
        "parquet": "cryskit.data.readers.parquet:read_file",
    },
)
"""Each is called with (path, limit) and yields a Crystal or Failure per row."""

_EXTENSIONS = {
    ".cif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".json": "json",
    ".jsonl": "json lines",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
KINDS = "CIF (.cif), POSCAR (POSCAR*, CONTCAR*, .vasp, .poscar), XYZ (.xyz, .extxyz), .json, .jsonl, .csv, .parquet"


def kind(name: str) -> str | None:
    """Return which of FORMATS a file of this name is in, or None."""
    extension = _extension(name)
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    return "poscar" if name.upper().startswith(("POSCAR", "CONTCAR")) else None


def stem(name: str) -> str:
    """Return the file name without a known extension: "mp-1.5.cif.gz" to "mp-1.5", "POSCAR.1" to itself."""
    bare = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    extension = _extension(name)
    return bare[: -len(extension)] if extension in _EXTENSIONS and len(bare) > len(extension) else name


def _extension(name: str) -> str:
    base, _, extension = name.lower().removesuffix(".gz").rpartition(".")
    return f".{extension}" if base else ""


def read_text(path: Path) -> str:
    """Return the text of a structure file, gzipped or not.

    Args:
        path: At most STRUCTURE_BYTES large, unpacked.

    Raises:
        SizeError: It is larger.
        UnreadableError: It cannot be opened, is empty or holds no text.
    """
    data = read_bytes(path, STRUCTURE_BYTES)
    if len(data) > STRUCTURE_BYTES:
        raise SizeError(
            f"The file is larger than {STRUCTURE_BYTES / 1e6:g} MB",
            "Give one crystal per file; for many, use XYZ, JSON or Parquet",
            str(path),
        )
    if not data.strip():
        raise UnreadableError("The file is empty", "Give a structure file", str(path))
    if b"\0" in data:
        raise UnreadableError("The file is binary or in UTF-16", "Give it as text in UTF-8", str(path))
    return data.decode("utf-8-sig", errors="replace")


def read_bytes(path: Path, limit: int = -1) -> bytes:
    """Return the bytes of a file, unpacked if its name ends in .gz.

    Args:
        path: A file, not a folder.
        limit: Read no more than one byte beyond this many; -1 for all.

    Raises:
        UnreadableError: It cannot be opened or unpacked.
    """
    with opened(path) as file:
        if limit < 0:
            return file.read()
        data = file.read(_PIECE)  # to ask for all the limit at once would take memory for it
        return data if len(data) < _PIECE else data + file.read(limit + 1 - _PIECE)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file for reading bytes, unpacked if its name ends in .gz.

    Args:
        path: A file, not a folder.

    Raises:
        UnreadableError: It cannot be opened, read or unpacked, also while it is read.
    """
    open_ = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with open_(path, "rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableError(
            f"The file cannot be read ({reason})", "Check that it is a whole file that you may read", str(path)
        ) from error
