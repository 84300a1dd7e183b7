"""Files to read: at a path or opened by somebody else, unpacked if their name ends in .gz, size first."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from zipfile import BadZipFile, ZipExtFile

from cryskit.errors import SizeError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

    from cryskit.data.readers.named_files import NamedFiles

STRUCTURE_BYTES = 10_000_000
"""A CIF or POSCAR larger than this is not parsed."""
HELD_BYTES = 4_000_000_000
"""Bytes of the largest file that is held in memory as a whole, unpacked: JSON, and Parquet that is packed once more."""
UNPACKED_BYTES = 100_000_000_000
"""Bytes that a packed file may unpack to where it is read piece by piece: XYZ, JSON lines, CSV."""
RATIO = 100
"""A packed file may unpack to this many times its size; texts of crystals are packed to a tenth or so."""
_FREE = 20_000_000  # bytes that may be unpacked whatever the ratio: they hurt nobody
_PIECE = 65_536
_BROKEN = (OSError, EOFError, UnicodeError, zlib.error, BadZipFile)  # what damaged and forbidden files raise when read


@dataclass(frozen=True)
class InputFile:
    """A file of crystals, at a path or opened by somebody else (an upload, a member of an archive).

    Attributes:
        name: Path of the file, or the name of the opened one. It says in error messages which file is meant, and by
            ".gz" at its end that the bytes are packed.
        id: Id of the crystal in it; where there are several and they have no ids of their own, what their ids begin with.
        stream: Opened file, in bytes or text, which is read from where it stands and never closed; None to open `name`.
        files: Structure files that the rows of a table may name; None where they may name none.
    """

    name: str
    id: str
    stream: IO[bytes] | IO[str] | None = None
    files: NamedFiles | None = None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open it for reading bytes, unpacked; text comes in UTF-8.

        Raises:
            UnreadableError: It is a device, a pipe or a folder, or cannot be opened, read or unpacked, also while it is read.
            SizeError: It unpacks to more than UNPACKED_BYTES, or to more than RATIO times its size; also while it is read.
        """
        with _problems_named(self.name), self._bytes() as file:
            yield file

    def at_random(self) -> str | IO[bytes]:
        """Return the path, or an opened file in which any place can be read at once: in memory if the stream is not so.

        Raises:
            UnreadableError: It is text, a device or a pipe, or cannot be opened, read or unpacked.
            SizeError: It unpacks to more than HELD_BYTES.
        """
        with _problems_named(self.name):
            if _is_text(self.stream):
                raise UnreadableError("The file was opened as text", "Open it as bytes, with the mode 'rb'", self.name)
            if self._is_packed or not _has_random_access(self.stream):
                return io.BytesIO(self.read_bytes())
            if self.stream is None:
                refuse_special(self.name)
        return self.name if self.stream is None else cast("IO[bytes]", self.stream)

    def read_bytes(self, limit: int | None = None) -> bytes:
        """Return its bytes, unpacked.

        Args:
            limit: Number of bytes beyond which no more than a piece is read; None to read all.

        Raises:
            UnreadableError: It cannot be opened, read or unpacked.
            SizeError: All of it was to be read and is larger than HELD_BYTES.
        """
        most, pieces, size = HELD_BYTES if limit is None else limit, [], 0
        with _problems_named(self.name), self._plain() or self._bytes() as file:
            while size <= most and (piece := file.read(_PIECE)):  # all the limit at once would take memory for it
                pieces.append(piece)
                size += len(piece)
        if limit is None and size > most:
            raise SizeError(f"It is larger than {most / 1e9:g} GB", "Give it as JSON lines or Parquet", self.name)
        return b"".join(pieces)

    def read_text(self) -> str:
        """Return the text of a structure file.

        Raises:
            SizeError: It is larger than STRUCTURE_BYTES.
            UnreadableError: It cannot be opened, is empty or holds no text.
        """
        data = self.read_bytes(STRUCTURE_BYTES)
        if len(data) > STRUCTURE_BYTES:
            raise SizeError(
                f"The file is larger than {STRUCTURE_BYTES / 1e6:g} MB",
                "Give one crystal per file; for many, use XYZ, JSON or Parquet",
                self.name,
            )
        if not data.strip():
            raise UnreadableError("The file is empty", "Give a structure file", self.name)
        if b"\0" in data:
            raise UnreadableError("The file is binary or in UTF-16", "Give it as text in UTF-8", self.name)
        return data.decode("utf-8-sig", errors="replace")

    @property
    def _is_packed(self) -> bool:
        """Whether its bytes are still to be unpacked: the owner of a GzipFile or a text has unpacked it."""
        if not self.name.lower().endswith(".gz"):
            return False
        return not isinstance(self.stream, gzip.GzipFile) and not _is_text(self.stream)

    def _plain(self) -> IO[bytes] | None:
        """Return the opened file at the path if its bytes are the text; None if they have to be unpacked or are a stream."""
        if self.stream is not None or self.name.lower().endswith(".gz"):
            return None
        path = Path(self.name)
        refuse_special(path)
        return path.open("rb")

    @contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        if self.stream is not None:
            yield self._unpacked(self.stream)
            return
        refuse_special(self.name)
        with Path(self.name).open("rb") as opened:
            yield self._unpacked(opened) if self._is_packed else opened

    def _unpacked(self, stream: IO[Any]) -> IO[bytes]:
        borrowed = _Borrowed(stream)
        file = io.BufferedReader(borrowed, _PIECE)
        return io.BufferedReader(_Unpacked(gzip.GzipFile(fileobj=file), borrowed), _PIECE) if self._is_packed else file


def refuse_special(path: str | Path) -> None:
    """Raise for what is no regular file, before it is opened: a pipe that nobody writes to would never answer.

    Args:
        path: Path of a file.

    Raises:
        UnreadableError: It is a folder, a pipe, a socket or a device.
    """
    try:
        mode = (path if isinstance(path, Path) else Path(path)).stat().st_mode
    except OSError:
        return  # to open it says why
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        what = kinds.get(stat.S_IFMT(mode), "device")
        raise UnreadableError(f"It is a {what}, not a file", "Give a file, or open it and give its name", str(path))


class _Borrowed(io.RawIOBase):
    """Bytes of a stream that belongs to somebody else, a text in UTF-8; to close this leaves that stream open."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self._rest = b""
        self.given = 0  # bytes that were read so far

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what fits into a buffer, or less, and return the number of bytes: 0 at the end of the stream."""
        view = memoryview(buffer)
        if not self._rest:
            self._rest = self._read(len(view))
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        self.given += count
        return count

    def _read(self, size: int) -> bytes:
        if _is_closed(self._stream):
            raise OSError("it was closed before its rows were read")
        found: bytes | str = self._stream.read(size)
        return found.encode() if isinstance(found, str) else found


class _Unpacked(io.RawIOBase):
    """Bytes of a packed file as they are unpacked, an error where they become too many.

    Args:
        unpacked: File that unpacks.
        packed: File that it is unpacked from.
    """

    def __init__(self, unpacked: gzip.GzipFile, packed: _Borrowed) -> None:
        self._unpacked = unpacked
        self._packed = packed
        self._size = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Unpack into a buffer and return the number of bytes: 0 at the end of the file."""
        count = self._unpacked.readinto(buffer)
        self._size += count
        if self._size > UNPACKED_BYTES or self._size > max(_FREE, RATIO * self._packed.given):
            raise SizeError(
                f"{self._packed.given} packed bytes become {self._size} or more, expected at most {RATIO} times as many "
                f"and {UNPACKED_BYTES / 1e9:g} GB",
                "If you trust the file, give it unpacked",
            )
        return count


@contextmanager
def _problems_named(name: str) -> Iterator[None]:
    """Turn what happens when a file is read into an error of ours that names it."""
    try:
        yield
    except SizeError as error:
        error.source = name
        raise
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableError(
            f"The file cannot be read ({reason})", "Check that it is a whole file that you may read", name
        ) from error


def _is_text(stream: IO[Any] | None) -> bool:
    """Return whether a stream was opened as text, in an encoding that its owner chose."""
    return stream is not None and not _is_closed(stream) and isinstance(stream.read(0), str)


def _is_closed(stream: IO[Any]) -> bool:
    return bool(getattr(stream, "closed", False))


def _has_random_access(stream: IO[Any] | None) -> bool:
    """Return whether a file can be read at any place without unpacking it from its beginning; None is one at a path."""
    if stream is None:
        return True
    if _is_closed(stream) or isinstance(stream, gzip.GzipFile | ZipExtFile):
        return False
    return hasattr(stream, "seekable") and stream.seekable()
