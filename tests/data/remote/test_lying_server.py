"""A server whose pages or rows contradict themselves, repeat or never end: a typed error, of the page or of the row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from data.remote.servers import ROWS, Scripted, elastic, get, good, offset, page, scripted, send

from cryskit.data.read import read
from cryskit.data.remote.connection import Limits
from cryskit.data.remote.fetch import failures_path
from cryskit.errors import DataError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path


CONTRADICTIONS: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    "no rows": (lambda base: page(ROWS, 0, 10, base, data={}), "has a mapping in `data`"),
    "null for rows": (lambda base: page(ROWS, 0, 10, base, data=None), "has a null in `data`"),
    "no meta": (lambda base: page(ROWS, 0, 10, base, meta=None), "no `meta`"),
    "an empty list of links": (lambda base: page(ROWS, 0, 10, base, links=[]), "does not lead to them"),
    "links that are a text": (lambda base: page(ROWS, 0, 10, base, links="next"), "has a text in `links.next`"),
    "a number for a link": (lambda base: page(ROWS, 0, 10, base, links={"next": 7}), "has a int in `links.next`"),
    "an empty link": (lambda base: page(ROWS, 0, 10, base, links={"next": ""}), "has a text in `links.next`"),
    "an object without address": (
        lambda base: page(ROWS, 0, 10, base, links={"next": {"meta": {}}}),
        "more rows follow, but does not lead to them",
    ),
    "more without a link": (
        lambda base: page(ROWS, 0, 10, base, links={"next": None}),
        "more rows follow, but does not lead to them",
    ),
    "a word for a truth": (
        lambda base: page(ROWS, 0, 10, base, meta={"more_data_available": "yes"}),
        "has a text in `meta.more_data_available`",
    ),
    "an error with status 200": (
        lambda _: {"meta": {}, "errors": [{"detail": "the data base is away"}]},
        "answers with an error: the data base is away",
    ),
    "another host": (
        lambda base: page(ROWS, 0, 10, base, links={"next": "https://example.com/v1/structures"}),
        "leads to 'https://example.com/v1/structures', which is on another host",
    ),
    "another port": (
        lambda base: page(ROWS, 0, 10, base, links={"next": "http://127.0.0.1:1/v1/structures"}),
        "which is on another host",
    ),
    "a file": (lambda base: page(ROWS, 0, 10, base, links={"next": "file:///etc/passwd"}), "which is on another host"),
    "a user name": (
        lambda base: page(ROWS, 0, 10, base, links={"next": base.replace("//", "//me:secret@") + "/v1"}),
        "which is on another host",
    ),
    "no address": (lambda base: page(ROWS, 0, 10, base, links={"next": "http://[::1"}), "is no address"),
    "not JSON:API": (lambda _: {"hello": "world"}, "not that of an OPTIMADE server"),
}


@pytest.mark.parametrize(("make", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_page_that_contradicts_itself_is_refused(
    make: Callable[[str], dict[str, Any]], said: str, tmp_path: Path
) -> None:
    with scripted(lambda handler, server: send(handler, make(server.base))) as server:
        with pytest.raises(DataError, match=said):
            get(server, tmp_path / "x.parquet")
        assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())


def changed(place: int, **attributes: Any) -> dict[str, Any]:
    return ROWS[place] | {"attributes": ROWS[place]["attributes"] | attributes}


def species(place: int, **changes: Any) -> dict[str, Any]:
    first, *rest = ROWS[place]["attributes"]["species"]
    return changed(place, species=[first | changes, *rest])


BAD_ROWS: dict[str, tuple[Any, str]] = {
    "partial occupancy": (species(0, concentration=[0.5]), "DisorderError"),
    "two elements on a site": (species(0, chemical_symbols=["Fe", "Ni"], concentration=[0.5, 0.5]), "DisorderError"),
    "a vacancy": (species(0, chemical_symbols=["Fe", "vacancy"], concentration=[0.9, 0.1]), "DisorderError"),
    "disorder as a feature": (changed(0, structure_features=["disorder"]), "DisorderError"),
    "assemblies": (changed(0, assemblies=[{"sites_in_groups": [[0], [1]]}]), "DisorderError"),
    "unknown positions": (changed(0, cartesian_site_positions=None), "CoordinatesError"),
    "one unknown position": (
        changed(0, cartesian_site_positions=[[None] * 3, *ROWS[0]["attributes"]["cartesian_site_positions"][1:]]),
        "CoordinatesError",
    ),
    "unknown positions as a feature": (changed(0, structure_features=["unknown_positions"]), "CoordinatesError"),
    "implicit atoms": (changed(0, structure_features=["implicit_atoms"]), "CoordinatesError"),
    "attached atoms": (species(0, attached=["H"], nattached=[1]), "ElementError"),
    "no element": (species(0, chemical_symbols=["X"]), "ElementError"),
    "fewer positions than sites": (
        changed(0, cartesian_site_positions=ROWS[0]["attributes"]["cartesian_site_positions"][1:]),
        "UnreadableError",
    ),
    "another number of sites": (changed(0, nsites=999), "UnreadableError"),
    "another number of elements": (changed(0, nelements=9), "UnreadableError"),
    "another formula": (changed(0, chemical_formula_reduced="UO2"), "UnreadableError"),
    "a layer": (changed(0, dimension_types=[1, 1, 0]), "LatticeError"),
    "no lattice": (changed(0, lattice_vectors=None), "UnreadableError"),
    "a lattice of words": (changed(0, lattice_vectors="cubic"), "UnreadableError"),
    "a site of an unknown species": (
        changed(0, species_at_sites=["Qq"] * len(ROWS[0]["attributes"]["species_at_sites"])),
        "ElementError",
    ),
    "species that are no list": (changed(0, species=7), "UnreadableError"),
    "features that are no list": (changed(0, structure_features=5), "UnreadableError"),
    "another type": (ROWS[0] | {"type": "references"}, "UnreadableError"),
    "no attributes": (ROWS[0] | {"attributes": None}, "UnreadableError"),
    "no id": ({key: value for key, value in ROWS[0].items() if key != "id"}, "UnreadableError"),
    "a number for an id": (ROWS[0] | {"id": 7}, "UnreadableError"),
    "no mapping": ("mp-1", "UnreadableError"),
    "null": (None, "UnreadableError"),
}


def test_a_row_that_contradicts_itself_fails_alone(tmp_path: Path) -> None:
    """Every kind of bad row in one data set: each is a typed failure, and the good rows around them are kept."""
    bad = [
        row | {"id": f"bad {kind}"} if isinstance(row, dict) and isinstance(row.get("id"), str) else row
        for kind, (row, _) in BAD_ROWS.items()
    ]
    rows = [*ROWS[1:4], *bad, *ROWS[4:8]]
    out = tmp_path / "x.parquet"
    with scripted(lambda handler, server: send(handler, page(rows, offset(handler), 10, server.base))) as server:
        card = get(server, out)
    assert [row.id for row in read(out)] == [row["id"] for row in ROWS[1:8]]
    lines = [json.loads(line) for line in failures_path(out).read_text().splitlines()]
    found = {kind: line["error"] for kind, line in zip(BAD_ROWS, lines, strict=True)}
    assert found == {kind: error for kind, (_, error) in BAD_ROWS.items()}
    assert card["failed"] == len(bad)
    assert all("not foreseen" not in line["reason"] for line in lines)


@pytest.mark.parametrize("form", [lambda link: link, lambda link: {"href": link, "meta": {}}], ids=["text", "object"])
@pytest.mark.parametrize("short", [False, True], ids=["with host", "without host"])
def test_links_are_followed_in_every_form(
    form: Callable[[str], Any], whole: bytes, tmp_path: Path, *, short: bool
) -> None:
    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        found = page(ROWS, offset(handler), 10, "" if short else server.base)
        link = found["links"]["next"]
        send(handler, found | {"links": {"next": form(link) if link else None}})

    with scripted(answer) as server:
        get(server, tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").read_bytes() == whole


def test_a_link_back_is_found(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        found = page(ROWS, offset(handler), 10, server.base)
        back = f"{server.base}/v1/structures?page_offset=10"
        send(handler, found | {"links": {"next": back if offset(handler) else found["links"]["next"]}})

    with scripted(answer) as server:
        with pytest.raises(DataError, match="Page 2 leads back to page 2, so the pages never end"):
            get(server, tmp_path / "x.parquet")
        assert len(server.asked) == 2


def test_pages_that_repeat_under_new_addresses_are_found(tmp_path: Path) -> None:
    """A server that takes no notice of the place in the link gives its first page for ever."""

    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        following = f"{server.base}/v1/structures?page_offset={offset(handler) + 10}"
        send(handler, page(ROWS, 0, 10, server.base, links={"next": following}))

    with scripted(answer) as server:
        with pytest.raises(DataError, match=r"Page 2 of 127.* has the rows of page 1 once more"):
            get(server, tmp_path / "x.parquet")
        assert len(server.asked) == 2


def test_pages_without_rows_do_not_go_on_for_ever(tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler, server: Scripted) -> None:
        following = f"{server.base}/v1/structures?page_offset={offset(handler) + 10}"
        send(handler, page([], 0, 10, server.base, links={"next": following}))

    with scripted(answer) as server:
        with pytest.raises(DataError, match="10 pages without rows, and yet another"):
            get(server, tmp_path / "x.parquet")
        assert len(server.asked) == 11


def test_more_pages_than_allowed_are_not_fetched(tmp_path: Path) -> None:
    with scripted(good) as server, pytest.raises(DataError, match="more than 2 pages"):
        get(server, tmp_path / "x.parquet", Limits(pages=2))


def test_an_id_that_comes_twice_fails_the_second_time(tmp_path: Path) -> None:
    rows = [*ROWS[:12], ROWS[3] | {"attributes": ROWS[4]["attributes"]}, *ROWS[12:]]
    out = tmp_path / "x.parquet"
    with scripted(lambda handler, server: send(handler, page(rows, offset(handler), 10, server.base))) as server:
        assert get(server, out)["failed"] == 1
    found = [row for row in read(out) if isinstance(row, Crystal)]
    assert [row.id for row in found] == [row["id"] for row in ROWS]
    assert found[3].numbers.tolist() == elastic(4)[3].numbers.tolist()
    assert "was given before" in failures_path(out).read_text()
