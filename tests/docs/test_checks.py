"""The page on checks shows what the cards of the fuzzer, of the kill tests and of hostile requests say."""

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
PAGE = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def checks() -> ModuleType:
    return hook("checks")


def test_the_figures_are_those_of_the_card(checks: ModuleType) -> None:
    card = json.loads((ROOT / "benchmarks" / "results" / "fuzz.json").read_text(encoding="utf-8"))
    shown = checks.on_page_markdown(PAGE)
    refused = sum(kind.get("refused", 0) for kind in card["kinds"].values())
    assert f"Of {card['inputs']:,} files of {len(card['kinds'])} kinds, {refused:,} were refused" in shown
    for name, kind in card["kinds"].items():
        assert f"| {name} | {kind.get('ok', 0)} | {kind.get('warned', 0)} | {kind.get('refused', 0)} | `" in shown
    assert "<!-- checks" not in shown


def test_killed_commands_are_a_table_or_not_run_yet(
    checks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["cards"], "RESULTS", tmp_path)
    assert checks.on_page_markdown("<!-- checks: kill -->") == "*`make kill` has not been run yet.*"
    found = {"kills": 20, "other results": 0}
    (tmp_path / "kill.json").write_text(json.dumps({"commands": {"convert": found}}), encoding="utf-8")
    assert "| `convert` | 20 | 0 |" in checks.on_page_markdown("<!-- checks: kill -->")
    card = {"crystals": 952, "parts": 15, "model": "m", "faults": {"full disk": {"rows lost": 0, "same bytes": True}}}
    assert checks.on_page_markdown("<!-- checks: faults -->") == "*`make faults` has not been run yet.*"
    (tmp_path / "faults.json").write_text(json.dumps(card), encoding="utf-8")
    assert "| full disk | rows lost: 0; same bytes: yes |" in checks.on_page_markdown("<!-- checks: faults -->")
    with pytest.raises(KeyError):
        checks.on_page_markdown("<!-- checks: nothing -->")


def test_hostile_requests_are_a_table(checks: ModuleType) -> None:
    card = json.loads((ROOT / "benchmarks" / "results" / "hostile.json").read_text(encoding="utf-8"))
    shown = checks.on_page_markdown("<!-- checks: hostile -->")
    assert f"Of {card['requests']} requests, {card['faults']['crash']} ended the service" in shown
    slow = card["families"]["slow requests"]
    counts = [sum(n for what, n in slow.items() if what.startswith(kind)) for kind in ("answered", "refused", "closed")]
    assert f"| slow requests | {' | '.join(map(str, counts))} |" in shown


def test_all_are_on_the_page() -> None:
    assert "<!-- checks: fuzz -->" in PAGE
    assert "<!-- checks: kill -->" in PAGE
    assert "<!-- checks: faults -->" in PAGE
    assert "<!-- checks: hostile -->" in PAGE
