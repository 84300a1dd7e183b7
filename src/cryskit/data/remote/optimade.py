"""Structures of data bases that speak OPTIMADE (https://www.optimade.org, version 1): the answers page by page, and their rows.

The JSON is read here and not by OptimadeClient of optimade 1.5.0, as that returned none of 100 rows when a page broke off, was
still reading a page of 400 MB after two minutes, and followed a link to another host.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from cryskit.data.readers.dictionaries import read_record
from cryskit.data.remote.addresses import UNKNOWN, Terms, on_same_host, require_allowed
from cryskit.data.remote.connection import parsed
from cryskit.data.remote.pages import Page, Query, digest_of_ids, now, write_page
from cryskit.errors import QUOTED_PATH, CoordinatesError, DataError, UnknownNameError, UnreadableError, shortened
from cryskit.types import Failure
from cryskit.yaml_files import read_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryskit.data.remote.connection import Connection
    from cryskit.types import Crystal

FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species",
    "species_at_sites",
    "nsites",
    "nelements",
    "dimension_types",
    "structure_features",
    "assemblies",
    "chemical_formula_reduced",
    "immutable_id",
    "last_modified",
)
"""The fields of a structure that are asked for."""

_FILE = Path(__file__).with_name("providers.yaml")
_META = ("api_version", "schema", "provider", "implementation", "database", "data_returned", "data_available")
_REPORT = "Report it to whoever runs the server; what was fetched before is kept"


class Provider(NamedTuple):
    """A data base that speaks OPTIMADE.

    Attributes:
        base_url: Address in front of /v1/structures.
        title: Name of the data base.
        licence: Terms of its use.
        doi: Digital object identifier of the article to cite, "" if there is none.
        page_limit: Number of rows that are asked for at once, 0 for what the server gives by itself.
    """

    base_url: str
    title: str
    licence: str
    doi: str
    page_limit: int


@cache
def providers() -> Mapping[str, Provider]:
    """Return the known data bases by name.

    Raises:
        DataError: The table is damaged.
    """
    try:
        return MappingProxyType({name: Provider(**each) for name, each in read_mapping(_FILE, DataError).items()})
    except TypeError as error:
        raise DataError(f"{_FILE} cannot be read ({error})", "Install the package again") from error


class Optimade:
    """Structures of one data base that fulfil a filter.

    Args:
        rest: Name of a provider or its base address, and behind "?" a filter in OPTIMADE's language; without one every structure.
        page_limit: Number of rows to ask for at once; what the table of providers says if None.
        further: Names of further fields to ask for, such as "_oqmd_delta_e"; their numbers become targets.

    Raises:
        UnknownNameError: There is no such provider.
        DataError: The base address may not be connected to.
    """

    def __init__(self, rest: str, page_limit: int | None = None, further: tuple[str, ...] = ()) -> None:
        name, _, text = rest.partition("?")
        known = providers()
        if "://" in name:
            base, hosts, usual = name, frozenset(urlsplit(each.base_url).netloc for each in known.values()), 0
            terms, provider = UNKNOWN, require_allowed(name, hosts).netloc
            terms = next((_terms(each) for each in known.values() if urlsplit(each.base_url).netloc == provider), terms)
        elif name in known:
            base, usual, provider, terms = known[name].base_url, known[name].page_limit, name, _terms(known[name])
            hosts = frozenset({urlsplit(base).netloc})
        else:
            raise UnknownNameError("provider of OPTIMADE", name, known)
        self.query = Query(
            source=f"optimade:{rest}",
            provider=provider,
            terms=terms,
            query=text.strip(),
            first=_first(base, text.strip(), usual if page_limit is None else page_limit, further),
            ending=".json.gz",
            hosts=hosts,
        )

    def headers(self) -> Mapping[str, str]:
        """Return no headers."""
        return {}

    def fetch(self, connection: Connection, address: str, number: int, into: Path) -> Page:
        """Fetch a page and write it; a page that breaks off is asked for again.

        Args:
            connection: Connection to the server.
            address: Address of the page.
            number: Number of the page, from 1.
            into: File to write.

        Raises:
            DataError: It cannot be fetched, or contradicts itself.
        """
        content, answer = connection.page(address, lambda content: (content, _answer(content)))
        rows, following = _checked(answer, address, number)
        ids = digest_of_ids(map(_id_of, rows))
        facts = {name: answer["meta"].get(name) for name in _META if answer["meta"].get(name) is not None}
        return Page(number, address, following, len(rows), ids, write_page(content, into), now(), facts)

    def rows(self, page: Path, number: int, limit: int) -> Iterator[Crystal | Failure]:
        """Read the structures of a page; one whose fields contradict one another is a failure.

        Args:
            page: File that `fetch` has written.
            number: Number of the page, from 1.
            limit: Number of atoms that a cell may have.
        """
        entries = json.loads(gzip.decompress(page.read_bytes()))["data"]
        for place, entry in enumerate(entries, start=1):
            name = _id_of(entry) or f"page {number}, row {place}"
            source = f"{self.query.provider}, {name}"
            problem = _contradiction(entry)
            if problem is not None:
                problem.source = source
                yield Failure(name, problem)
            else:
                yield read_record(entry, name, self.query.provider, limit)


def _terms(provider: Provider) -> Terms:
    return Terms(provider.title, provider.licence, provider.doi)


def _first(base: str, text: str, page_limit: int, further: tuple[str, ...]) -> str:
    """Return the address of the first page."""
    base = base.rstrip("/")
    version = "" if base.rpartition("/")[2].startswith("v1") else "/v1"
    asked: dict[str, str] = {"filter": text} if text else {}
    asked |= {"page_limit": str(page_limit)} if page_limit else {}
    asked["response_fields"] = ",".join(dict.fromkeys((*FIELDS, *further)))
    return f"{base}{version}/structures?{urlencode(asked)}"


def _answer(content: bytes) -> dict[str, Any]:
    """Return the answer that the content of a page is.

    Raises:
        PassingError: It is no whole JSON, as when the server broke off.
        DataError: It is no answer of OPTIMADE.
    """
    found = parsed(content)
    if not isinstance(found, dict) or not isinstance(found.get("meta"), dict):
        raise DataError("The answer is JSON, but not that of an OPTIMADE server: it has no `meta`", "Check the address")
    return found


def _checked(answer: dict[str, Any], address: str, number: int) -> tuple[list[Any], str | None]:
    """Return the rows of an answer and the address of the next page, if its parts do not contradict one another.

    Raises:
        DataError: They do.
    """
    host = urlsplit(address).netloc
    errors = answer.get("errors")
    if errors:
        first = errors[0] if isinstance(errors, list) else errors
        said = first.get("detail", first) if isinstance(first, dict) else first
        raise DataError(f"{host} answers with an error: {shortened(said, QUOTED_PATH)}", "Check the filter")
    rows, links, more = answer.get("data"), answer.get("links") or {}, answer["meta"].get("more_data_available")
    if not isinstance(rows, list):
        raise DataError(f"Page {number} of {host} has a {_kind(rows)} in `data` where a list should be", _REPORT)
    link = links.get("next") if isinstance(links, dict) else links
    link = link.get("href") if isinstance(link, dict) else link
    if not (link is None or (isinstance(link, str) and link)) or not isinstance(links, dict):
        raise DataError(
            f"Page {number} of {host} has a {_kind(link)} in `links.next` where an address should be", _REPORT
        )
    if more not in {None, True, False} or not isinstance(more, bool | None):
        raise DataError(f"Page {number} of {host} has a {_kind(more)} in `meta.more_data_available`", _REPORT)
    if more and link is None:
        raise DataError(f"Page {number} of {host} says that more rows follow, but does not lead to them", _REPORT)
    return rows, None if link is None else on_same_host(address, link)


def _kind(value: Any) -> str:
    return {type(None): "null", dict: "mapping", str: "text"}.get(type(value), type(value).__name__)


def _id_of(entry: Any) -> str | None:
    """Return the id of an entry, None if it has none."""
    found = entry.get("id") if isinstance(entry, dict) else None
    return found.strip() or None if isinstance(found, str) else None


def _contradiction(entry: Any) -> UnreadableError | CoordinatesError | None:
    """Return what is wrong with an entry of which no structure can be read without doubt, or None."""
    if not isinstance(entry, dict):
        return UnreadableError(f"The row is a {_kind(entry)}, not an entry", _REPORT)
    data = entry.get("attributes")
    if entry.get("type") != "structures" or not isinstance(data, dict) or _id_of(entry) is None:
        return UnreadableError("The entry has no id, no attributes, or is of another type than `structures`", _REPORT)
    sites, places, count = (data.get(name) for name in ("species_at_sites", "cartesian_site_positions", "nsites"))
    if places is None:
        return CoordinatesError("The positions of its atoms are not known", "Leave it out")
    if not isinstance(sites, list) or not isinstance(places, list):
        return UnreadableError("Its sites or positions are no lists", _REPORT)
    if len(sites) != len(places) or (count is not None and count != len(sites)):
        said = "" if count is None else f", and {count} by `nsites`"
        return UnreadableError(f"It has {len(sites)} sites and {len(places)} positions{said}", _REPORT)
    return None
