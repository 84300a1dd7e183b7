"""A remote data set as a sequence of pages, and the pages that were fetched, kept in a folder until the data set is whole.

Each page is a file, written as a whole and only then listed in `log.jsonl` with its checksum and with what leads to the next. So a
fetch that was killed goes on behind the last listed page, and a page that was damaged meanwhile is fetched again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cryskit.atomic_write import remove_partial, replacing, write_json
from cryskit.checksum import sha256_of
from cryskit.errors import QUOTED_PATH, DataError, counted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from cryskit.data.remote.addresses import Terms
    from cryskit.data.remote.connection import Connection
    from cryskit.types import Crystal, Failure

_LOG = "log.jsonl"
_SOURCE = "source.json"
_IDLE = 10  # pages without rows that may follow one another


class Page(NamedTuple):
    """What is known of a page once it is fetched.

    Attributes:
        number: Number of the page, from 1.
        address: Address that it is from.
        next: Address of the page behind it, None if it is the last.
        rows: Number of its rows, None if that takes reading.
        digest: SHA-256 of the ids of its rows, by which a repeated page is recognised; "" if that takes reading.
        sha256: SHA-256 of the file that keeps it.
        time: Time at which it was fetched, in ISO 8601.
        facts: What the server says of itself and of the answer.
    """

    number: int
    address: str
    next: str | None
    rows: int | None
    digest: str
    sha256: str
    time: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """What is asked of whom.

    Attributes:
        source: Name of the data set as it was given, "optimade:mp?nelements=2".
        provider: Name of who provides it.
        terms: Its title, licence and article.
        query: What is asked for, in the provider's language; "" for everything.
        first: Address of the first page.
        ending: End of the name of a file that keeps a page; it tells its format.
        hosts: Hosts that may be connected to; those of `hosts.yaml` if None.
        rows: Number of rows that there must be, None if that is not known.
        sha256: SHA-256 that the one page must have, "" if that is not known.
    """

    source: str
    provider: str
    terms: Terms
    query: str
    first: str
    ending: str
    hosts: frozenset[str] | None = field(default=None)
    rows: int | None = None
    sha256: str = ""


class Remote(Protocol):
    """A data set of another computer.

    Attributes:
        query: What is asked of whom.
    """

    query: Query

    def headers(self) -> Mapping[str, str]:
        """Return the headers that its server needs, such as a key of the user.

        Raises:
            DataError: The user has none.
        """
        ...

    def fetch(self, connection: Connection, address: str, number: int, into: Path) -> Page:
        """Fetch a page and write it.

        Args:
            connection: Connection to the server.
            address: Address of the page.
            number: Number of the page, from 1.
            into: File to write, which is there only once it is whole.

        Raises:
            DataError: It cannot be fetched, or contradicts itself.
        """
        ...

    def rows(self, page: Path, number: int, limit: int) -> Iterator[Crystal | Failure]:
        """Read the rows of a page.

        Args:
            page: File that `fetch` has written.
            number: Number of the page, from 1.
            limit: Number of atoms that a cell may have.
        """
        ...


class Kept(NamedTuple):
    """A page that was fetched and the file that keeps it."""

    page: Page
    path: Path


def pages(remote: Remote, connection: Connection, folder: Path, known: list[Page]) -> Iterator[Kept]:
    """Yield the pages that are fetched behind those that are known, each when it is there.

    Args:
        remote: The data set.
        connection: Connection to its server.
        folder: Folder in which each page becomes a file.
        known: Pages that were fetched before, from the first; those that are fetched are added.

    Raises:
        DataError: A page cannot be fetched or contradicts itself, or the pages lead in a circle or too far.
    """
    digests = {page.digest: page.number for page in known if page.digest and page.rows}
    addresses = {page.address: page.number for page in known}
    idle = 0
    address = known[-1].next if known else remote.query.first
    while address is not None:
        number = len(known) + 1
        _require_new(address, addresses, number)
        if number > connection.limits.pages:
            raise DataError(
                f"{remote.query.provider} has more than {counted(len(known), 'page')}", "Ask for fewer rows"
            )
        path = page_path(folder, number, remote.query.ending)
        page = remote.fetch(connection, address, number, path)
        if page.rows and page.digest in digests:
            raise DataError(
                f"Page {number} of {remote.query.provider} has the rows of page {digests[page.digest]} once more",
                _REPORT,
            )
        idle = 0 if page.rows != 0 else idle + 1
        if idle > _IDLE:
            raise DataError(f"{remote.query.provider} gives {_IDLE} pages without rows, and yet another", _REPORT)
        digests[page.digest or str(number)] = addresses[address] = number
        known.append(page)
        yield Kept(page, path)
        address = page.next


def page_path(folder: Path, number: int, ending: str) -> Path:
    """Return the file that keeps a page."""
    return folder / f"page-{number:06d}{ending}"


class Store:
    """The pages of a fetch that is under way, in a folder next to the file that they will become.

    Args:
        out: File that they will become.
        query: What is fetched.
        settings: Settings on which the rows depend, such as the largest number of atoms.

    Attributes:
        folder: The folder.
        pages: Pages that are there, from the first, each whole.

    Raises:
        DataError: The folder holds pages of another query.
    """

    def __init__(self, out: Path, query: Query, settings: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f".{out.name}.fetch")
        self._ending = query.ending
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_partial(self.folder)
        self._require_same({"source": query.source, "first": query.first, **settings})
        self.pages = list(self._whole())
        self._write_log()

    def path(self, page: Page) -> Path:
        """Return the file that keeps a page."""
        return page_path(self.folder, page.number, self._ending)

    def add(self, page: Page) -> None:
        """List a page that was written."""
        with (self.folder / _LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(page._asdict()) + "\n")

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder)

    def _require_same(self, facts: Mapping[str, Any]) -> None:
        """Refuse a folder that was made for something else."""
        path = self.folder / _SOURCE
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            write_json(facts, path)
            return
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path} is damaged ({error})", f"Remove the folder {self.folder}") from error
        if found != facts:
            source = found.get("source") if isinstance(found, dict) else found
            raise DataError(
                f"{self.folder} holds pages of {shortened(source, QUOTED_PATH)!r}, or of it with other options",
                "Fetch that to its end, remove the folder, or give another --out",
            )

    def _whole(self) -> Iterator[Page]:
        """Yield the listed pages up to the first that is not there as it was written."""
        with suppress(OSError, ValueError, TypeError, RecursionError):
            for number, line in enumerate((self.folder / _LOG).read_bytes().splitlines(), start=1):
                page = Page(**json.loads(line))
                if page.number != number or sha256_of(self.path(page)) != page.sha256:
                    return
                yield page

    def _write_log(self) -> None:
        """Write the list anew, without what was listed of pages that are not whole."""
        with replacing(self.folder / _LOG) as temporary:
            temporary.write_text("".join(json.dumps(page._asdict()) + "\n" for page in self.pages), encoding="utf-8")


def write_page(content: bytes, path: Path) -> str:
    """Write the content of a page as a packed file, as a whole, and return the SHA-256 of the file."""
    packed = gzip.compress(content, compresslevel=6, mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(packed)
    return hashlib.sha256(packed).hexdigest()


def digest_of_ids(ids: Iterable[str | None]) -> str:
    """Return a SHA-256 of the ids of the rows of a page, by which a page that comes twice is known; None is a row without one."""
    return hashlib.sha256("\0".join(name or "" for name in ids).encode(errors="replace")).hexdigest()


def now() -> str:
    """Return the time in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def facts_of(query: Query) -> dict[str, Any]:
    """Return what a card says of a query."""
    return {"source": query.source, "provider": query.provider, **query.terms._asdict(), "query": query.query}


_REPORT = "Nothing further is fetched; report it to whoever runs the server"


def _require_new(address: str, seen: Mapping[str, int], number: int) -> None:
    """Refuse an address that a page has had already."""
    if address in seen:
        raise DataError(f"Page {number - 1} leads back to page {seen[address]}, so the pages never end", _REPORT)
