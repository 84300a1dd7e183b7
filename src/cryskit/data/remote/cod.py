"""Structures of the Crystallography Open Database by their numbers: a CIF file each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryskit.data.readers.formats import read_named
from cryskit.data.remote.addresses import hosts
from cryskit.data.remote.connection import PassingError
from cryskit.data.remote.pages import Page, Query, now, write_page
from cryskit.errors import QUOTED_PATH, DataError, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cryskit.data.remote.connection import Connection
    from cryskit.types import Crystal, Failure

BASE = "https://www.crystallography.net"
"""Address of the data base."""


class Cod:
    """Structures by their numbers.

    Args:
        rest: Numbers of seven digits, separated by commas.
        base: Address of the data base.

    Raises:
        DataError: One of them is no number of the data base, or is given twice.
    """

    def __init__(self, rest: str, base: str = BASE) -> None:
        self._ids = [each.strip() for each in rest.split(",")]
        wrong = next((each for each in self._ids if re.fullmatch(r"[0-9]{7}", each, re.ASCII) is None), None)
        if wrong is not None or len(set(self._ids)) < len(self._ids):
            what = f"{shortened(wrong)!r} is no number" if wrong is not None else "A number is given twice"
            raise DataError(f"{what} of cod:{shortened(rest, QUOTED_PATH)}", "Give numbers as in cod:1000041,9008460")
        self._base = base
        self.query = Query(
            source=f"cod:{rest}",
            provider="cod",
            terms=hosts()["www.crystallography.net"],
            query=",".join(self._ids),
            first=self._address(1),
            ending=".cif.gz",
            rows=len(self._ids),
        )

    def headers(self) -> Mapping[str, str]:
        """Return no headers."""
        return {}

    def fetch(self, connection: Connection, address: str, number: int, into: Path) -> Page:
        """Fetch the CIF file of a structure.

        Args:
            connection: Connection to the data base.
            address: Address of the file.
            number: Place of the structure among those that are asked for, from 1.
            into: File to write.

        Raises:
            DataError: There is none, or it is no CIF file.
        """
        content = connection.page(address, _whole)
        following = self._address(number + 1) if number < len(self._ids) else None
        return Page(number, address, following, 1, self._ids[number - 1], write_page(content, into), now(), {})

    def rows(self, page: Path, number: int, limit: int) -> Iterator[Crystal | Failure]:
        """Read the structure of a page.

        Args:
            page: File that `fetch` has written.
            number: Place of the structure, from 1.
            limit: Number of atoms that a cell may have.
        """
        with page.open("rb") as file:
            yield from read_named(f"{self._ids[number - 1]}.cif.gz", limit, file)

    def _address(self, number: int) -> str:
        return f"{self._base}/cod/{self._ids[number - 1]}.cif"


def _whole(content: bytes) -> bytes:
    """Return the content of a CIF file; one without a data block is a page that says something else."""
    if re.search(rb"^data_", content, re.MULTILINE) is None:
        raise PassingError("what came is no CIF file")
    return content
