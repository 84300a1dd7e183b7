"""The report of a benchmark: tables, plots, and what failed or leaked, as files in the folder of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from cryskit.atomic_write import replacing
from cryskit.benchmark import compare, tables
from cryskit.benchmark.card import LeakageCounts
from cryskit.benchmark.run import PREDICTIONS
from cryskit.benchmark.submit import slug
from cryskit.plots.judged import plot_judged
from cryskit.plots.learning_curves import Point, plot_learning
from cryskit.types import Property

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryskit.benchmark.card import PropertyResult, RowCard

TABLES, PLOTS, PAGE = "tables", "plots", "report.md"
"""Parts of the folder of a benchmark: tables and plots, and the page that shows them."""


class Report(NamedTuple):
    """What a benchmark says.

    Attributes:
        errors: Table of errors, from `compare.errors`.
        gains: Comparisons with the base, from `compare.gains`.
        ranks: Table of ranks, from `compare.ranks`.
        classes: Figures of classes, from `compare.class_figures`.
    """

    errors: pd.DataFrame
    gains: list[compare.Gain]
    ranks: pd.DataFrame
    classes: pd.DataFrame


def write_report(name: str, cards: Sequence[RowCard], base: str, out: Path) -> Report | None:
    """Write tables, plots and the page.

    Args:
        name: Name of the benchmark.
        cards: Cards of its rows.
        base: Regime that the others are compared with.
        out: Folder of the benchmark.

    Returns:
        What was written; None if no row is done.
    """
    results = compare.results(cards)
    if results.empty:
        return None
    errors = compare.errors(results)
    classes = compare.class_figures(cards)
    report = Report(errors, compare.gains(cards, out / PREDICTIONS, base), compare.ranks(errors), classes)
    shown = {
        "errors": (tables.error_table(errors), errors),
        "classes": (tables.class_table(classes), classes),
        "gains": (tables.gain_table(report.gains), pd.DataFrame(report.gains)),
        "ranks": (tables.rank_table(report.ranks), report.ranks),
    }
    for stem, (readable, raw) in shown.items():
        if len(raw):
            tables.write(readable, raw, out / TABLES / stem)
    _plot(cards, errors, out)
    with replacing(out / PAGE) as temporary:
        temporary.write_text(_page(name, {k: v for k, (v, _) in shown.items()}, cards, base), encoding="utf-8")
    return report


def _page(name: str, shown: Mapping[str, pd.DataFrame], cards: Sequence[RowCard], base: str) -> str:
    titles = {
        "errors": "Error on the test crystals (mean absolute error; of classes the share that is wrong), mean ± standard deviation over seeds",
        "classes": "Classes of the test crystals: figures of merit, means over seeds and folds",
        "gains": f"Gain over {base}: how much smaller the error is, with a paired bootstrap interval",
        "ranks": "Mean rank over data sets and properties",
    }
    parts = [f"# {name}\n"]
    parts += [f"## {titles[key]}\n\n{tables.markdown(table)}" for key, table in shown.items() if len(table)]
    leaks = leakage_table(cards)
    if len(leaks):
        parts.append(f"## Test crystals that were seen before\n\n{tables.markdown(leaks)}")
    failed = [
        {**card.row.model_dump(), "reason": card.reason, "traceback": card.traceback}
        for card in cards
        if card.status == "failed"
    ]
    if failed:
        parts.append(f"## Rows that failed\n\n{tables.markdown(pd.DataFrame(failed))}")
    return "\n".join(parts)


def leakage_table(cards: Sequence[RowCard]) -> pd.DataFrame:
    """Return, for each data set, property, fraction and pair of parts, how much is shared at most in any run.

    Args:
        cards: Cards of a benchmark.
    """
    rows = []
    for card in cards:
        report = card.leakage or LeakageCounts()
        place = card.row.model_dump(include={"data", "property", "fraction"})
        nothing: dict[str, dict[str, int | None]] = {f"{name}, which has no manifest": {} for name in report.unknown}
        rows += [{**place, "shared by": what, **counts} for what, counts in (report.counts | nothing).items()]
    if not rows:
        return pd.DataFrame()
    keys = ["data", "property", "fraction", "shared by"]
    most = pd.DataFrame(rows).groupby(keys, sort=False, as_index=False).max()
    most = most.convert_dtypes()  # counts stay whole next to those that are not known
    most["fraction"] = [f"{share:g}" for share in most["fraction"]]
    return most.astype(object).where(most.notna(), "?").rename(columns={"near_duplicates": "near-duplicates"})


def _plot(cards: Sequence[RowCard], errors: pd.DataFrame, out: Path) -> None:
    """Draw the learning curves of each property, and the parity of each model at its largest fraction and first seed."""
    for (data, prop), table in errors.groupby(["data", "property"], sort=False):
        curves = {
            f"{encoder} {regime}": [
                Point(*values) for values in zip(model["training"], model["mean"], model["deviation"], strict=True)
            ]
            for (encoder, regime), model in table.groupby(["encoder", "regime"], sort=False)
        }
        title = f"{prop} ({data})"
        plot_learning(curves, title, table["unit"].iloc[0], out / PLOTS / slug(f"learning-{data}-{prop}.png"))
    largest: dict[str, tuple[float, Path, PropertyResult, str]] = {}
    for card, result in ((card, card.result) for card in cards if card.result):
        for prop in result.properties:
            row = card.row
            kind = "classes" if prop.classes else "parity"
            name = slug(f"{kind}-{row.data}-{prop.name}-{row.encoder}-{row.regime}.png")
            if name not in largest or row.fraction > largest[name][0]:
                of = f"{row.encoder}, {row.regime}, test part of {row.data}"
                largest[name] = row.fraction, out / PREDICTIONS / result.predictions, prop, of
    for name, (_, file, prop, of) in largest.items():
        table = pd.read_parquet(file)
        drawn = Property(
            name=prop.name,
            symbol=prop.symbol,
            unit=prop.unit,
            transform=prop.transform,
            kind="class" if prop.classes else "scalar",
            classes=prop.classes,
        )
        plot_judged(table, drawn, out / PLOTS, name, of=of)
