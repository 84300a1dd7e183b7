"""What notebooks show of crystals, models, cards, tables and explanations."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

import cryskit
from cryskit import Crystal
from cryskit.errors import ModelError
from cryskit.explain.shown import Explanations

SALT = Crystal("<b>salt</b>", [[4.12, 0, 0], [0, 4.12, 0], [0, 0, 4.12]], [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17])


class _Balanced(HTMLParser):
    """Counts tags that are opened and closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(given: object) -> str:
    """Return the HTML of an object, in which nothing runs and nothing is loaded."""
    text = str(given._repr_html_())  # type: ignore[attr-defined]
    assert not _Balanced(text).open
    assert not re.search(r"<script|src=|href=|url\(|https?:", text)
    return text


def test_a_crystal_is_a_table_of_its_facts() -> None:
    text = shown(SALT)
    assert "&lt;b&gt;salt&lt;/b&gt;" in text
    assert "CsCl" in text
    assert "4.120, 4.120, 4.120" in text
    assert "path" not in text


def test_cards_and_models_name_their_properties() -> None:
    model = cryskit.load("cryskit-mp")
    assert shown(model) == shown(model.card)
    assert all(name in shown(model) for name in model.properties)
    assert model.card.full_name in shown(model)
    assert "crysae" in shown(cryskit.load("crysae"))


def test_tables_are_shown_with_units_and_intervals_and_stay_data_frames() -> None:
    table = cryskit.load("cryskit-mp").predict([SALT, "none.cif"], ["band_gap", "bulk_modulus"])
    before = table.copy()
    text = shown(cryskit.show(table))
    assert "band_gap<br>eV" in text
    assert "90% interval<br>GPa" in text
    assert "band_gap_lo" not in text
    assert re.search(r"<td[^>]*>[\d.]+ to [\d.]+</td>", text)
    assert "There is no data set, file or folder" in text
    assert type(table) is pd.DataFrame
    pd.testing.assert_frame_equal(table, before)
    assert repr(cryskit.show(table)) == repr(table)


def test_long_tables_and_tables_of_others_are_shown_too() -> None:
    assert "The first 50 of 60 rows." in shown(cryskit.show(pd.DataFrame({"a": range(60)})))
    bare = cryskit.load("crysmmnet@2026.11").predict([SALT], ["band_gap"])
    assert "interval" not in shown(cryskit.show(bare))


@pytest.mark.filterwarnings("ignore:chemiscope.show only displays")
def test_explanations_are_bars_and_a_widget() -> None:
    pytest.importorskip("captum")
    chemiscope = pytest.importorskip("chemiscope")
    found = cryskit.load("crysxpp").explain([SALT, "none.cif"], "band_gap")
    assert isinstance(found, Explanations)
    assert isinstance(found, list)
    text = shown(found)
    assert "band gap of &lt;b&gt;salt&lt;/b&gt; (CsCl)" in text
    assert "by block of element features" in text
    assert "none" in text
    assert isinstance(found.view(), chemiscope.widget.StructureWidget)
    with pytest.raises(ModelError, match="could not be explained"):
        found.view(1)


@pytest.mark.filterwarnings("ignore:chemiscope.show only displays")
def test_a_notebook_displays_bars_and_then_the_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("captum")
    pytest.importorskip("chemiscope")
    displayed: list[object] = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    cryskit.load("crysxpp").explain(SALT)._ipython_display_()
    assert [type(each).__name__ for each in displayed] == ["HTML", "StructureWidget"]
