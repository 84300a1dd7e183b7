"""A file of another computer as a data set of one page: fetched piece by piece, verified where its checksum is known."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from cryskit.checksum import sha256_of
from cryskit.data.readers.formats import format_of, read_named
from cryskit.data.remote.pages import Page, Query, now
from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cryskit.data.remote.connection import Connection
    from cryskit.types import Crystal, Failure

_ZIP = ".zip"


class RemoteFile:
    """A file in any format that can be read, or a zip archive of one.

    Args:
        query: What is asked of whom.
        name: Name of the file, which tells its format and, for rows without id, what their ids begin with.

    Raises:
        DataError: The name tells no format.
    """

    def __init__(self, query: Query, name: str) -> None:
        self.query = query
        self._name = name
        found = format_of(name.removesuffix(_ZIP))
        if found is None:
            raise DataError(
                f"{query.source} names no file in a known format", "Give the address of a file such as NAME.json.gz"
            )
        self._is_held = found.is_held

    def headers(self) -> Mapping[str, str]:
        """Return no headers."""
        return {}

    def fetch(self, connection: Connection, address: str, number: int, into: Path) -> Page:
        """Fetch the file; if its checksum is known, a part that an earlier fetch has left is completed.

        Args:
            connection: Connection to the server.
            address: Address of the file.
            number: Number of the page, 1.
            into: File to write.

        Raises:
            DataError: It cannot be fetched, is larger than allowed, or has another checksum.
        """
        part = into.with_name(f"{into.name}.part")
        part.touch()
        try:
            with part.open("r+b") as file:
                if not self.query.sha256:
                    file.truncate()
                connection.file(address, file, is_held=self._is_held)
        except DataError:
            if not part.stat().st_size:
                part.unlink()  # nothing to go on with
            raise
        found = sha256_of(part)
        if self.query.sha256 not in {"", found}:
            part.unlink()
            raise DataError(
                f"{address} is not the published file: its SHA-256 begins with {found[:12]}, expected {self.query.sha256[:12]}",
                "Fetch it again; if that does not help, the file was replaced",
            )
        part.replace(into)
        return Page(number, address, None, None, "", found, now(), {"bytes": into.stat().st_size})

    def rows(self, page: Path, number: int, limit: int) -> Iterator[Crystal | Failure]:
        """Read the rows of the file.

        Args:
            page: File that `fetch` has written.
            number: Number of the page, 1.
            limit: Number of atoms that a cell may have.

        Raises:
            DataError: It cannot be read as a whole.
        """
        del number
        if not self._name.endswith(_ZIP):
            with page.open("rb") as file:
                yield from read_named(self._name, limit, file)
            return
        try:
            with zipfile.ZipFile(page) as archive, archive.open(self._member(archive)) as file:
                yield from read_named(self._name.removesuffix(_ZIP), limit, file)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
            raise DataError(f"{self._name} cannot be unpacked ({error})", "Fetch it again") from error

    def _member(self, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
        """Return the one file in an archive that has the ending of the name."""
        ending = self._name.removesuffix(_ZIP).rpartition(".")[2]
        found: list[Any] = [each for each in archive.infolist() if each.filename.endswith(f".{ending}")]
        if len(found) != 1:
            raise DataError(f"{self._name} holds {len(found)} files of the kind .{ending}, expected one", "Unpack it")
        member: zipfile.ZipInfo = found[0]
        return member
