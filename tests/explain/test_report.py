"""The page of an explanation is whole in itself, and nothing in a file can become a part of it."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from planted import fresh, pairs

from cryskit.errors import CoordinatesError, ModelError
from cryskit.explain import report, viewer
from cryskit.explain.atoms import Explainer
from cryskit.explain.bars import Bar, number, signed_bars, table
from cryskit.explain.document import document, row
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

EVIL = "</script><script>alert('x')</script>"


@pytest.fixture(scope="module")
def explained() -> dict[str, Any]:
    """Three crystals, one of them with an evil name, and a failure."""
    explainer = Explainer(fresh(0, "both"))
    first, second = pairs()[:2]
    evil = Crystal(EVIL, first.lattice, first.fractional, first.numbers)
    failure = Failure(f"lost {EVIL}", CoordinatesError("It has no coordinates", "Give some <b>", "lost"))
    return document(explainer, [row(found) for found in explainer.stream([first, evil, failure, second])], "ab" * 32)


@pytest.fixture(scope="module")
def page(explained: dict[str, Any]) -> str:
    return report.page(explained)


def without_code(page: str) -> str:
    """Return the page without its scripts, styles and licence texts."""
    return re.sub(r"<(script|style|pre)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)


def drawings(page: str) -> list[dict[str, Any]]:
    text = re.search(r'<script type="application/json" id="drawings">(.*?)</script>', page, re.DOTALL)
    assert text
    return json.loads(text[1])


def test_the_page_loads_nothing_from_anywhere(page: str) -> None:
    plain = without_code(page)
    assert not re.findall(r"""(?:src|href|action|data)\s*=\s*["']?\s*(?:https?:)?//""", plain)
    assert not re.findall(
        r"""<(?:script|link|img|iframe|object|embed)[^>]*\b(?:src|href)\s*=""", page.partition("<body>")[0]
    )
    assert not re.findall(r"<(?:link|img|iframe|object|embed|base|form)\b", plain)
    assert re.findall(r"<script\b[^>]*>", page) == [
        '<script type="application/json" id="drawings">',
        "<script>",
        "<script>",
    ]
    assert "@import" not in page.partition("</style>")[0]
    assert "url(" not in page.partition("</style>")[0]


def test_the_browser_is_told_to_load_nothing(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert all("http" not in rule and "*" not in rule and "connect" not in name for name, rule in rules.items())
    assert page.index("Content-Security-Policy") < page.index("<script")


def test_names_cannot_become_code(page: str) -> None:
    assert EVIL not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(&#x27;x&#x27;)" in page
    assert "Give some &lt;b&gt;" in page


def test_the_page_says_the_numbers_of_the_document(page: str, explained: Mapping[str, Any]) -> None:
    first = explained["rows"][0]
    assert f"{number(first['value'])} eV</p>" in page
    assert f"mean of the labels {number(first['mean'])} + geometry {number(first['geometry'])} + atoms" in page
    assert page.count("<span>geometry</span>") == 3, "the share of the geometry has a bar of its own"
    assert page.count('<section class="crystal">') == 3
    assert without_code(page).count("<option") == 3
    assert "abababababab" in page
    assert "Not explained" in page
    assert "Feature selector" not in page


def test_the_structures_are_coloured_by_contribution(page: str, explained: Mapping[str, Any]) -> None:
    rows = [found for found in explained["rows"] if found["status"] != "failed"]
    for drawn, found in zip(drawings(page), rows, strict=True):
        names, contributions = found["atoms"]["element"], found["atoms"]["contribution"]
        drawn_values = drawn["properties"]["contribution"]["values"]
        assert set(zip(drawn["structures"][0]["names"], drawn_values, strict=True)) == set(
            zip(names, contributions, strict=True)
        )
        cell = np.reshape(drawn["structures"][0]["cell"], (3, 3))
        lattice = np.array(found["structure"]["lattice"])
        assert np.allclose(cell @ cell.T, lattice @ lattice.T), "the cell is turned, not strained"
        color = drawn["settings"]["structure"][0]["color"]
        assert color["property"] == "contribution"
        middle = (color["min"] + color["max"]) / 2
        assert middle == pytest.approx(found["base"] / 2), "white is what a mean element gives"
        for end in (color["min"], middle, color["max"]):
            assert f"<span>{number(end)} eV</span>" in page
    assert "defined" not in page.partition("Chemiscope")[0]
    assert "Chemiscope" in page
    assert "Redistribution and use" in page, "the viewer's licence travels with it"


def test_what_a_description_changes_is_said(explained: dict[str, Any], page: str) -> None:
    assert "Without it" not in page
    first, *others = explained["rows"]
    silent = {**first, "without_description": first["prediction"] - 0.25}
    use = {
        **explained["use"],
        "description": [{"name": "description", "mean_absolute": 0.25, "mean": 0.25, "share": 1}],
    }
    described = report.page({**explained, "rows": [silent, *others], "use": use})
    assert described.count("Without it") == 1
    assert f"Without it: {number(silent['without_description'])} eV" in described
    assert "absolute change by their description" in described


def test_a_selector_is_shown(explained: dict[str, Any]) -> None:
    use = {**explained["use"], "selector": {"group 1": 0.9, "group 2": 0.1}}
    assert "Feature selector" in report.page({**explained, "use": use})


def test_a_page_has_a_limit_and_one_crystal_needs_no_chooser(explained: dict[str, Any]) -> None:
    short = report.page(explained, most=1)
    assert short.count('<section class="crystal">') == 1
    assert len(drawings(short)) == 1
    assert "The first 1 of 3 crystals" in short
    alone = report.page({**explained, "rows": explained["rows"][:1]})
    assert 'id="chooser"' not in alone


def test_where_nothing_is_explained_the_reasons_are_given(explained: dict[str, Any]) -> None:
    page = report.page({**explained, "rows": explained["rows"][2:3]})
    assert "no coordinates" in page
    assert "<section" not in page


def test_without_chemiscope_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, explained: dict[str, Any]) -> None:
    def missing(_: str) -> None:
        raise PackageNotFoundError

    monkeypatch.setattr(viewer, "distribution", missing)
    with pytest.raises(ModelError, match=r"pip install 'cryskit\[explain\]'"):
        report.page(explained)


def test_the_document_is_json_and_adds_up(explained: dict[str, Any]) -> None:
    again = json.loads(json.dumps(explained, allow_nan=False))
    assert again["space"] == again["unit"] == "eV"
    assert again["use"]["crystals"] == 3
    assert again["use"]["selector"] is None
    for found in again["rows"][:2]:
        whole = found["prediction"] - found["completeness_error"]
        assert sum(found["atoms"]["contribution"]) == pytest.approx(whole, abs=1e-6)
        for part in ("blocks", "elements", "features"):
            assert found["mean"] + found["geometry"] == pytest.approx(found["base"])
            assert found["base"] + sum(found[part].values()) == pytest.approx(whole, abs=1e-6)
        orbits = sum(orbit["atoms"] * orbit["contribution"] for orbit in found["orbits"])
        assert orbits == pytest.approx(whole, abs=1e-6)
        assert found["without_description"] is None, "the model reads none"
    assert again["rows"][2] == {
        "id": f"lost {EVIL}",
        "status": "failed",
        "reason": "lost: It has no coordinates. Give some <b>.",
    }


def test_bars_stand_on_their_side_of_zero() -> None:
    chart = signed_bars([Bar("a", -1.0), Bar("b <", 3.0)], "eV")
    assert 'class="fill less" style="left: 0.00%; width: 25.00%"' in chart
    assert 'class="fill more" style="left: 25.00%; width: 75.00%"' in chart
    assert "b &lt;" in chart
    assert "\N{MINUS SIGN}1" in chart


def test_a_table_escapes_and_puts_numbers_to_the_right() -> None:
    text = table(["name", "n"], [["<i>", 1.23456]])
    assert "<td>&lt;i&gt;</td><td class=n>1.235</td>" in text
