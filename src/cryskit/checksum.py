"""A checksum inside a file that the package writes for itself: a damaged file is known before anything in it is used.

The file's own metadata holds a fixed text with eight digits: the CRC-32 of the whole file in which these digits are zeros. So the
file stays an Arrow or a Parquet file that any program reads, and it is whole or absent together with its checksum. A file
without one, as earlier versions wrote, counts as damaged: what is kept in it is made again. The SHA-256 of a file, by which others name it, is
computed here, too.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_LABEL, _ZEROS = b"cryskit-crc32-", b"00000000"
METADATA = {b"checksum": _LABEL + _ZEROS}
"""What the metadata of the schema of an Arrow or a Parquet file has to hold before `add` is called."""

_TAIL = 1 << 20  # bytes at the end of a file in which its metadata are looked for
_PIECE = 1 << 20  # bytes in memory at a time


class _Found(NamedTuple):
    """The checksum of a file.

    Attributes:
        place: Where its digits are.
        written: The digits that are there.
        true: The digits that should be there.
    """

    place: int
    written: bytes
    true: bytes


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a whole file, in hexadecimal digits.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add(path: Path) -> None:
    """Write the checksum of a finished file into it.

    Args:
        path: A file whose metadata hold `METADATA`.

    Raises:
        ValueError: They do not.
    """
    with path.open("r+b") as file:
        found = _find(file)
        if found is None:
            raise ValueError(f"The metadata of {path} have no room for a checksum")
        file.seek(found.place)
        file.write(found.true)


def holds(path: Path) -> bool:
    """Return whether a file is there, whole, and as it was written; it is read once from beginning to end.

    Args:
        path: A file to which `add` has given a checksum; one that has none does not hold.
    """
    try:
        with path.open("rb") as file:
            found = _find(file)
    except OSError:
        return False
    return found is not None and found.written == found.true


def _find(file: BinaryIO) -> _Found | None:
    start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
    file.seek(start)
    tail = file.read()
    inside = tail.rfind(_LABEL) + len(_LABEL)
    if inside < len(_LABEL):
        return None
    file.seek(0)
    crc, left = 0, start + inside
    while left and (piece := file.read(min(left, _PIECE))):
        crc, left = zlib.crc32(piece, crc), left - len(piece)
    end = inside + len(_ZEROS)
    crc = zlib.crc32(tail[end:], zlib.crc32(_ZEROS, crc))
    return _Found(start + inside, tail[inside:end], f"{crc:08x}".encode())
