"""Cards are read whatever format wrote them, and refused in words where they cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark.small import row_card

from cryskit.benchmark.card import FORMAT, read_row, read_rows
from cryskit.benchmark.collected import collect, read_benchmark, write_benchmark
from cryskit.benchmark.plan import Row
from cryskit.errors import DataError

OLD = Path(__file__).with_name("format-1")
RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
COLLECTED = ("distillation", "distillation-05", "distillation-80", "distillation-elastic", "words", "words-all")


def test_a_card_of_the_first_format_says_what_it_said() -> None:
    old = json.loads((OLD / "done.json").read_text(encoding="utf-8"))
    card = read_row(OLD / "done.json")
    assert (card.format, card.status, card.hash, card.seconds) == (FORMAT, "done", old["hash"], old["seconds"]["row"])
    assert card.result
    (prop,) = card.result.properties
    assert (prop.name, prop.figure, prop.error_unit) == ("bulk_modulus", old["figure"], "log10(GPa)")
    assert (prop.error, prop.validation_error) == (old["test"]["mae_log10"], old["validation"]["mae_log10"])
    assert card.result.training_seconds == old["seconds"]["training"]
    assert card.result.plan.values == old["plan"]["values"]
    assert card.leakage
    assert card.leakage.counts == old["leakage"]["counts"]
    failed = read_row(OLD / "failed.json")
    assert (failed.status, failed.result, failed.leakage) == ("failed", None, None)
    assert failed.reason.startswith("There is no model file")


def written(folder: Path, **changes: Any) -> Path:
    card = row_card(Row("set", "band_gap", "net", "scratch", 1.0, 0)).model_dump(mode="json")
    path = folder / "rows" / "card.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(card | changes), encoding="utf-8")
    return path


def test_a_field_that_is_not_known_is_passed_over(tmp_path: Path) -> None:
    assert read_row(written(tmp_path, weather="fine")) == read_row(written(tmp_path))


def test_a_newer_format_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"card of format 3, .* reads up to format 2.*newer version of cryskit"):
        read_row(written(tmp_path, format=3))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": "x"}', '{"format": 2, "status": "done"}'])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"card\.json is no card of a row"):
        read_row(path)


def test_cards_come_in_the_order_in_which_they_were_begun(tmp_path: Path) -> None:
    later = written(tmp_path, date="2026-01-02")
    later.rename(later.with_name("a.json"))
    written(tmp_path, date="2026-01-01")
    assert [card.date for card in read_rows(tmp_path)] == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize("name", COLLECTED)
def test_the_result_cards_that_come_along_can_be_read(name: str) -> None:
    old = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    card = read_benchmark(RESULTS / f"{name}.json")
    assert [gain._asdict() for gain in card.gains] == old["gains"]
    assert [row.model_dump() for row in card.rows] == old["rows"]
    assert [row.model_dump() for row in card.errors] == old["errors"]


def test_a_folder_without_a_row_that_is_done_has_no_card(tmp_path: Path) -> None:
    written(tmp_path, status="failed", result=None)
    with pytest.raises(DataError, match="no row of a benchmark that is done"):
        collect(tmp_path, "scratch")
    with pytest.raises(DataError, match="no card of a benchmark"):
        read_benchmark(written(tmp_path))


def test_a_collected_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    card = read_benchmark(RESULTS / "words.json")
    write_benchmark(card, path)
    assert read_benchmark(path) == card
