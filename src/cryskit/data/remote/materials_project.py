"""Summaries of the Materials Project (https://materialsproject.org), which needs a key: MP_API_KEY in the environment.

Its web interface is asked directly and not by mp-api: mp-api 0.46.5 would install 14 packages and replace a newer python-dateutil, and
it holds all documents of a query in memory.
"""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cryskit.data.readers.dictionaries import read_record
from cryskit.data.remote.addresses import Terms
from cryskit.data.remote.connection import parsed
from cryskit.data.remote.pages import Page, Query, digest_of_ids, now, write_page
from cryskit.errors import DataError, UnreadableError, shortened
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cryskit.data.remote.connection import Connection
    from cryskit.types import Crystal

BASE = "https://api.materialsproject.org"
"""Address of the web interface."""
KEY = "MP_API_KEY"
"""Name of the environment variable with the key."""
FIELDS = (
    *("material_id", "structure", "formula_pretty", "nsites"),
    *("formation_energy_per_atom", "energy_above_hull", "band_gap", "efermi", "is_metal"),
)
"""The fields of a summary that are asked for."""

_ROWS = 500
_TERMS = Terms("The Materials Project", "CC-BY-4.0", "10.1063/1.4812323")
_REPORT = "Give the same command again later; what was fetched is kept"


class MaterialsProject:
    """Summaries that fulfil a query.

    Args:
        rest: Query of the web interface, such as "chemsys=Ti-O&band_gap_min=1"; without one every material.
        page_limit: Number of rows to ask for at once, at most 1000.
        further: Names of further fields to ask for.
        base: Address of the web interface.

    Raises:
        DataError: The query is none.
    """

    def __init__(self, rest: str, page_limit: int = _ROWS, further: tuple[str, ...] = (), base: str = BASE) -> None:
        try:
            asked = parse_qsl(rest, strict_parsing=True) if rest.strip() else []
        except ValueError as error:
            raise DataError(f"mp:{shortened(rest)} is no query ({error})", "Give mp:NAME=VALUE&NAME=VALUE") from error
        if any(name.startswith("_") for name, _ in asked):
            raise DataError(f"mp:{shortened(rest)} sets pages or fields", "Use --page-limit and --field")
        self._asked = asked
        self._base, self._rows = base, page_limit
        self._fields = ",".join(dict.fromkeys((*FIELDS, *further)))
        self.query = Query(
            source=f"mp:{rest}",
            provider="mp",
            terms=_TERMS,
            query=rest.strip(),
            first=self._address(0),
            ending=".json.gz",
            hosts=frozenset({"api.materialsproject.org"}),
        )

    def headers(self) -> Mapping[str, str]:
        """Return the key of the user.

        Raises:
            DataError: There is none.
        """
        key = os.environ.get(KEY, "").strip()
        if not key:
            raise DataError("The Materials Project answers nobody without a key", f"Set {KEY} to yours")
        return {"X-API-KEY": key}

    def fetch(self, connection: Connection, address: str, number: int, into: Path) -> Page:
        """Fetch a page of summaries and write it.

        Args:
            connection: Connection to the web interface.
            address: Address of the page.
            number: Number of the page, from 1.
            into: File to write.

        Raises:
            DataError: It cannot be fetched, or contradicts itself.
        """
        content, answer = connection.page(address, lambda content: (content, _answer(content)))
        rows, total = answer["data"], answer["meta"].get("total_doc")
        start = int(parse_qs(urlsplit(address).query)["_skip"][0]) + len(rows)
        if not isinstance(total, int) or isinstance(total, bool) or (start < total and not rows):
            raise DataError(f"Page {number} of the Materials Project says that there are {total!r} rows", _REPORT)
        ids = digest_of_ids(map(_id_of, rows))
        facts = {"api_version": answer["meta"].get("api_version"), "data_returned": total}
        following = self._address(start) if start < total else None
        return Page(number, address, following, len(rows), ids, write_page(content, into), now(), facts)

    def rows(self, page: Path, number: int, limit: int) -> Iterator[Crystal | Failure]:
        """Read the materials of a page.

        Args:
            page: File that `fetch` has written.
            number: Number of the page, from 1.
            limit: Number of atoms that a cell may have.
        """
        for place, row in enumerate(json.loads(gzip.decompress(page.read_bytes()))["data"], start=1):
            name = _id_of(row)
            if name is None:
                label = f"page {number}, row {place}"
                problem = UnreadableError("The row has no material_id", "Leave it out", f"mp, {label}")
                yield Failure(label, problem)
            else:
                yield read_record(row, name, "mp", limit)

    def _address(self, skip: int) -> str:
        pages = [("_fields", self._fields), ("_limit", str(self._rows)), ("_skip", str(skip))]
        return f"{self._base}/materials/summary/?{urlencode([*self._asked, *pages])}"


def _answer(content: bytes) -> dict[str, Any]:
    """Return the answer that the content of a page is.

    Raises:
        PassingError: It is no whole JSON.
        DataError: It has no list of rows.
    """
    found = parsed(content)
    whole = isinstance(found, dict) and isinstance(found.get("data"), list) and isinstance(found.get("meta"), dict)
    if not whole:
        raise DataError("The answer is JSON, but not that of the Materials Project", _REPORT)
    return dict(found)


def _id_of(row: Any) -> str | None:
    """Return the id of a row, None if it has none."""
    found = row.get("material_id") if isinstance(row, dict) else None
    return found if isinstance(found, str) and found.strip() else None
