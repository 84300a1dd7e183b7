"""What the pages do not keep by hand: tables made from result cards and from the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docs_hooks import hook

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    return hook("generated")


def test_a_result_card_becomes_a_section(
    generated: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {
        "title": "Speed",
        "data": {"crystals": 12},
        "changed_since_commit": True,
        "stages": [{"stage": "a", "ratio": 2.34567}, {"stage": "b|c"}],
    }
    (tmp_path / "speed.json").write_text(json.dumps(card), encoding="utf-8")
    monkeypatch.setattr(generated, "RESULTS", tmp_path)
    page = generated.on_page_markdown("before\n<!-- generated: results -->")
    assert page.startswith(
        'before\n## Speed\n\n??? note "Card speed: command, data, machine"\n\n    - data crystals: 12\n    - changed since commit: yes\n'
    )
    assert "| stage | ratio |\n| --- | --- |\n| a | 2.346 |\n| b\\|c |  |" in page


def test_without_cards_the_page_says_so(generated: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "RESULTS", tmp_path)
    assert "No result card" in generated.results()


def test_every_verb_is_in_the_reference(generated: ModuleType) -> None:
    reference = generated.commands()
    for verb in ("predict", "train", "evaluate", "embed", "models", "data"):
        assert f"\n## `cryskit {verb}`" in reference


def test_every_property_and_data_set_is_in_its_table(generated: ModuleType) -> None:
    assert "| `bulk_modulus` | K_VRH | GPa | log10 |" in generated.properties()
    assert "| `elastic_tensor` |" in generated.data()


def test_an_unknown_mark_is_an_error(generated: ModuleType) -> None:
    with pytest.raises(KeyError):
        generated.on_page_markdown("<!-- generated: nothing -->")


def test_a_part_without_its_card_says_so(
    generated: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["cards"], "RESULTS", tmp_path)
    assert generated.on_page_markdown("<!-- generated: retrieval -->") == "*The run has not been made yet.*"


def test_the_page_on_small_tables_opens_with_three_starts_from_the_card() -> None:
    page = (ROOT / "docs" / "tutorials" / "small-table.md").read_text(encoding="utf-8")
    filled = hook("small_table").on_page_markdown(page)
    lines = [line for line in filled.splitlines() if line.startswith("|")][:5]
    card = json.loads((ROOT / "benchmarks" / "results" / "experiment.json").read_text(encoding="utf-8"))
    errors = {row["predicted by"]: row["band gap, eV, 100 labels"] for row in card["first draw only"][:7]}
    for line, name in zip(lines[2:], ("scratch", "start crysae", "start cryskit-mp"), strict=True):
        assert f" {errors[name]:.4g} |" in line
    assert errors["start cryskit-mp"] <= errors["scratch"] / 2, "as the page says"
