"""A remote data set as one interchange Parquet file, with a card that says where it is from, and a list of the rows that failed.

A fetch that was stopped goes on where it was when it is asked for again, and ends with the bytes of one that was not.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import read_json, replacing, write_json
from cryskit.checksum import sha256_of
from cryskit.data.interchange import write
from cryskit.data.remote.connection import LIMITS, Connection, Limits
from cryskit.data.remote.pages import Store, facts_of, pages
from cryskit.data.remote.survey import Survey
from cryskit.data.validate import LIMIT
from cryskit.errors import DataError, UnreadableError, counted, one_line
from cryskit.exclusive import exclusive
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cryskit.data.remote.pages import Page, Remote

FORMAT = "1.0"
"""Version of the form of a card."""


class Fetched(NamedTuple):
    """A data set that was fetched.

    Attributes:
        path: The Parquet file.
        card: What its card says.
        failures: The list of rows that failed, None if none did.
        is_new: Whether it was fetched now; it was there already otherwise, and nobody was asked.
    """

    path: Path
    card: Mapping[str, Any]
    failures: Path | None
    is_new: bool


def card_path(out: Path) -> Path:
    """Return the path of the card of a fetched file: "x.card.json" of "x.parquet"."""
    return out.with_suffix(".card.json")


def failures_path(out: Path) -> Path:
    """Return the path of the list of failures of a fetched file: "x.failures.jsonl" of "x.parquet"."""
    return out.with_suffix(".failures.jsonl")


def fetch(
    remote: Remote,
    out: Path,
    *,
    limit: int = LIMIT,
    limits: Limits = LIMITS,
    watch: Callable[[Page], None] | None = None,
) -> Fetched:
    """Fetch a data set into a Parquet file, or go on with doing so.

    Its pages are kept in the folder ".NAME.fetch" until the file is whole.

    Args:
        remote: The data set.
        out: File to write. If it is there already, was fetched from the same source and is unchanged, nothing is fetched.
        limit: Number of atoms that a cell may have; larger ones are failures.
        limits: Limits of sizes and times.
        watch: Function that is given each page when it is there.

    Raises:
        DataError: A page cannot be fetched or contradicts itself, no row can be used, another process fetches into the file, or it holds something else.
    """
    folder = out.with_name(f".{out.name}.fetch")
    if out.exists() and not folder.exists():
        return _there(remote, out, limit)
    busy = DataError(f"Another process fetches into {folder}", "Wait for it, or give another --out")
    with exclusive(folder, busy):
        store = Store(out, remote.query, {"limit": limit})
        try:
            _complete(remote, store, limits, watch)
        finally:
            if not any(folder.glob("page-*")):
                store.remove()
        found = _Table(remote, store, limit).write(out)
        store.remove()
    return found


def _complete(remote: Remote, store: Store, limits: Limits, watch: Callable[[Page], None] | None) -> None:
    """Fetch the pages that are not there."""
    if store.pages and store.pages[-1].next is None:
        return
    connection = Connection(remote.query.source, remote.query.hosts, limits, remote.headers())
    for page, _ in pages(remote, connection, store.folder, store.pages):
        store.add(page)
        if watch is not None:
            watch(page)


def _there(remote: Remote, out: Path, limit: int) -> Fetched:
    """Return what is known of a file that is there already.

    Raises:
        DataError: It is not what would be fetched.
    """
    cure = f"Remove {out} to fetch it again, or give another --out"
    card = read_json(card_path(out), cure)
    same = isinstance(card, dict) and (card.get("address"), card.get("limit")) == (remote.query.first, limit)
    if not same or card.get("sha256") != sha256_of(out):
        raise DataError(f"{out} is there already, and is not what {remote.query.source} gave", cure)
    failures = failures_path(out)
    return Fetched(out, card, failures if failures.exists() else None, is_new=False)


@dataclass(frozen=True)
class _Table:
    """The pages of a data set, to be written as a table; only one of them is in memory.

    Attributes:
        remote: The data set.
        store: Its pages, which are all there.
        limit: Number of atoms that a cell may have.
    """

    remote: Remote
    store: Store
    limit: int

    def write(self, out: Path) -> Fetched:
        """Write the table, the list of failures and the card.

        Raises:
            DataError: It has no usable row, or not as many rows as the data set is known to have.
        """
        query, survey = self.remote.query, Survey()
        for row in self._rows():
            survey.add(row)
        self._require_rows(survey)
        reasons: Counter[str] = Counter()
        failures = failures_path(out)
        columns = (list(survey.properties), list(survey.words))
        with replacing(failures) as temporary, temporary.open("w", encoding="utf-8") as lines:
            crystals = self._usable(survey, lambda failure: lines.write(_line(failure, reasons)))
            written = write(out, crystals, columns[0], words=columns[1])
        if not reasons:
            failures.unlink()
        card = {
            "format": FORMAT,
            **facts_of(query),
            "address": query.first,
            "fetched": {"first": self.store.pages[0].time, "last": self.store.pages[-1].time},
            "pages": len(self.store.pages),
            "rows": written.rows,
            "failed": sum(reasons.values()),
            "reasons": dict(sorted(reasons.items())),
            "columns": sorted((*columns[0], *columns[1])),
            "limit": self.limit,
            "server": dict(self.store.pages[-1].facts),
            "sha256": sha256_of(out),
            "manifest": written.manifest,
            "cryskit": version("cryskit"),
        }
        write_json(card, card_path(out))
        return Fetched(out, card, failures if reasons else None, is_new=True)

    def _rows(self) -> Iterator[Crystal | Failure]:
        for page in self.store.pages:
            yield from self.remote.rows(self.store.path(page), page.number, self.limit)

    def _usable(self, survey: Survey, fail: Callable[[Failure], object]) -> Iterator[Crystal]:
        """Yield the crystals, and hand on the failures: rows that cannot be used, and rows whose id was given before."""
        seen: set[str] = set()
        for row in self._rows():
            if isinstance(row, Failure):
                fail(row)
            elif survey.may_repeat(row.id) and row.id in seen:
                problem = (
                    "The id was given before: the data changed while they were fetched, or the server repeats rows"
                )
                fail(Failure(row.id, UnreadableError(problem, "Fetch the data set again", self.remote.query.provider)))
            else:
                if survey.may_repeat(row.id):
                    seen.add(row.id)
                yield row

    def _require_rows(self, survey: Survey) -> None:
        query = self.remote.query
        if query.rows is not None and survey.rows != query.rows:
            self.store.remove()
            raise DataError(
                f"{query.source} has {counted(survey.rows, 'row')}, expected {query.rows}", "Fetch it again; report it"
            )
        if not survey.crystals:
            self.store.remove()
            why = f", {counted(survey.rows, 'row')} failed, the first: {one_line(survey.first)}" if survey.first else ""
            raise DataError(f"{query.source} has no usable crystal{why}", "Check the query")


def _line(failure: Failure, reasons: Counter[str]) -> str:
    """Return the line of a failure in the list of failures, and count it."""
    kind = type(failure.error).__name__
    reasons[kind] += 1
    return json.dumps({"id": failure.id, "error": kind, "reason": one_line(failure.error)}) + "\n"
