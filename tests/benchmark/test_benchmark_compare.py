"""Errors, gains and ranks are those of a calculation by hand; intervals hold what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import pytest
from benchmark.small import row_card

from cryskit.benchmark import compare
from cryskit.benchmark.card import LeakageCounts, PropertyResult
from cryskit.benchmark.plan import Row
from cryskit.benchmark.report import leakage_table, write_report
from cryskit.benchmark.tables import error_table, gain_table, latex, markdown, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryskit.benchmark.card import RowCard

SEEDS, CRYSTALS = (0, 1, 2), 40


def cards(
    folder: Path, gains: dict[str, dict[str, float]], transform: Literal["none", "log10"] = "none"
) -> Iterator[RowCard]:
    """Yield the cards of models whose errors are those of "scratch" times one less the gain, property to regime to gain."""
    folder.mkdir(parents=True, exist_ok=True)
    for prop, regimes in gains.items():
        for seed in SEEDS:
            chance = np.random.default_rng(seed)
            truth, errors = chance.uniform(1, 2, CRYSTALS), chance.exponential(0.1, CRYSTALS)
            for regime, gain in regimes.items():
                name = f"{prop}-{regime}-{seed}.parquet"
                table = pd.DataFrame({"id": [f"c{i}" for i in range(CRYSTALS)], prop: truth + errors * (1 - gain)})
                table[f"{prop}_true"] = truth
                table.to_parquet(folder / name)
                result = PropertyResult(
                    name=prop,
                    symbol=prop,
                    unit="eV",
                    transform=transform,
                    validation={"mae": 0.1},
                    test={"mae": float(np.mean(errors * (1 - gain)))},
                )
                shared = {"training and test": {"ids": seed, "near_duplicates": None}}
                yield row_card(
                    Row("set", prop, "net", regime, 0.5, seed),
                    properties=(result,),
                    predictions=name,
                    leakage=LeakageCounts(counts=shared, unknown=["old"]),
                )


def test_errors_are_means_over_seeds_with_their_deviation(tmp_path: Path) -> None:
    found = list(cards(tmp_path, {"a": {"scratch": 0.0}}))
    (row,) = compare.errors(compare.results(found)).to_dict("records")
    values = [card.result.properties[0].error for card in found if card.result]
    assert (row["mean"], row["deviation"]) == (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
    assert (row["runs"], row["training"], row["unit"]) == (3, 100, "eV")


def test_a_constant_gain_is_found_exactly(tmp_path: Path) -> None:
    found = list(cards(tmp_path, {"a": {"scratch": 0.0, "start": 0.2}, "b": {"scratch": 0.0, "start": 0.4}}))
    a, b, mean = compare.gains(found, tmp_path, "scratch")
    assert a[:7] == ("set", "a", 0.5, "net", "start", 3, CRYSTALS)
    assert a[7:] == pytest.approx((20, 20, 20))
    assert b[7:] == pytest.approx((40, 40, 40))
    assert (mean.property, mean.crystals) == ("mean", 2 * CRYSTALS)
    assert mean[7:] == pytest.approx((30, 30, 30))


def test_logarithms_are_compared_where_they_are_learned(tmp_path: Path) -> None:
    found = list(cards(tmp_path, {"a": {"scratch": 0.0, "start": 0.5}}, transform="log10"))
    left, right = (pd.read_parquet(tmp_path / f"a-{name}-0.parquet") for name in ("scratch", "start"))
    base, other = (np.abs(np.log10(table["a"]) - np.log10(table["a_true"])).mean() for table in (left, right))
    (one,) = compare.gains([card for card in found if card.row.seed == 0], tmp_path, "scratch")
    assert one.gain == pytest.approx(100 * (1 - other / base))


def test_pairs_are_the_crystals_and_seeds_that_both_have(tmp_path: Path) -> None:
    found = list(cards(tmp_path, {"a": {"scratch": 0.0, "start": 0.2}}))
    table = pd.read_parquet(tmp_path / "a-start-0.parquet")
    table.loc[:4, "a"] = np.nan
    table.to_parquet(tmp_path / "a-start-0.parquet")
    without = [c for c in found if (c.row.seed, c.row.regime) != (2, "start")]
    (one,) = compare.gains(without, tmp_path, "scratch")
    assert (one.seeds, one.crystals, one.gain) == (2, CRYSTALS - 5, pytest.approx(20))


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Errors of two models that are alike: 95 % of the intervals hold zero, give or take."""
    chance = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        hard = chance.exponential(1, 200)  # some crystals are hard for both
        base, other = (hard * chance.exponential(1, (1, 200)) for _ in range(2))
        low, high = np.percentile(compare.bootstrap(base, other, draws=400, seed=trial), (2.5, 97.5))
        hits += low <= 0 <= high
    assert 88 <= hits <= 100


def test_ranks_are_means_over_the_tasks(tmp_path: Path) -> None:
    gains = {"a": {"scratch": 0.0, "start": 0.2, "more": 0.3}, "b": {"scratch": 0.0, "start": 0.2, "more": 0.1}}
    found = compare.ranks(compare.errors(compare.results(list(cards(tmp_path, gains)))))
    assert found[["regime", "rank", "tasks"]].to_numpy().tolist() == [
        ["start", 1.5, 2],
        ["more", 1.5, 2],
        ["scratch", 3.0, 2],
    ]


def test_tables_can_be_read_and_typeset(tmp_path: Path) -> None:
    found = list(cards(tmp_path, {"a_b": {"scratch": 0.0, "start": 0.2}}))
    table = error_table(compare.errors(compare.results(found)))
    assert list(table.columns) == ["data", "property", "unit", "train", "encoder", "crystals", "scratch", "start"]
    assert markdown(table).splitlines()[2].startswith("| set | a_b | eV | 0.5 | net | 100 | 0.")
    text = latex(gain_table(compare.gains(found, tmp_path, "scratch")))
    assert r"set & a\_b & 0.5 & net & start & 3 & 40 & 20.00 & 20.00 to 20.00 \\" in text
    assert r"95 \% interval" in text


@pytest.mark.parametrize(
    ("mean", "deviation", "shown"),
    [(0.12345, 0.0056, "0.1235 ± 0.0056"), (12.3, 1.26, "12.3 ± 1.3"), (0.5, np.nan, "0.5"), (123.4, 56, "123 ± 56")],
)
def test_a_mean_is_shown_as_exactly_as_it_is_known(mean: float, deviation: float, shown: str) -> None:
    assert spread(mean, deviation) == shown


def test_the_report_is_written_with_what_failed_and_leaked(tmp_path: Path) -> None:
    done = list(cards(tmp_path / "predictions", {"band_gap": {"scratch": 0.0, "start": 0.2}}))
    failed = row_card(Row("set", "band_gap", "net", "start", 0.5, 9), reason="no | luck", traceback="abc.traceback.txt")
    report = write_report("small", [*done, failed], "scratch", tmp_path)
    assert report is not None
    assert [one.gain for one in report.gains] == [pytest.approx(20)]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert r"| no \| luck | abc.traceback.txt |" in page
    assert "| set | band_gap | 0.5 | training and test | 2 | ? |" in page
    assert "| set | band_gap | 0.5 | old, which has no manifest | ? | ? |" in page
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert {f"tables/{name}.{end}" for name in ("errors", "gains", "ranks") for end in ("md", "csv", "tex")} <= names
    assert {f"plots/{name}.png" for name in ("learning-set-band_gap", "parity-set-band_gap-net-start")} <= names
    assert write_report("small", [failed], "scratch", tmp_path) is None
    assert leakage_table([failed]).empty
