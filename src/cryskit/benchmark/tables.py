"""Tables of a benchmark as Markdown, CSV and LaTeX."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryskit.atomic_write import replacing
from cryskit.data.spreadsheet import guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.benchmark.compare import Gain

_SPECIAL = {"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "±": r"$\pm$"}


_CLASS_FIGURES = (
    "balanced_accuracy",
    "accuracy",
    "most_frequent",
    "roc_auc",
    "f1",
    "log_loss",
    "calibration_error",
    "coverage",
    "set_size",
)


def error_table(errors: pd.DataFrame) -> pd.DataFrame:
    """Return a table to read: a line per task and encoder, a column per regime with mean ± deviation.

    Args:
        errors: Table of errors, from `compare.errors`.
    """
    shown = errors.assign(
        text=[spread(*pair) for pair in zip(errors["mean"], errors["deviation"], strict=True)],
        train=[f"{share:g}" for share in errors["fraction"]],
        crystals=errors["training"].round().astype(int),
    )
    keys = ["data", "property", "unit", "train", "encoder"]
    sizes = shown.groupby(keys, sort=False)["crystals"].first()
    wide = shown.pivot_table(index=keys, columns="regime", values="text", aggfunc="first", sort=False)
    wide = wide[list(dict.fromkeys(errors["regime"]))]
    wide.insert(0, "crystals", sizes)
    return wide.reset_index().rename_axis(columns=None).fillna("")


def class_table(figures: pd.DataFrame) -> pd.DataFrame:
    """Return a table to read: a line per model, a column per figure of merit of classes.

    Args:
        figures: Table of figures, from `compare.class_figures`.
    """
    numbers = [name for name in _CLASS_FIGURES if name in figures]
    shown = figures.assign(**{name: [f"{value:.3f}" for value in figures[name]] for name in numbers})
    if figures.empty:
        return figures
    shown["train"] = [f"{share:g}" for share in figures["fraction"]]
    return shown[["data", "property", "train", "encoder", "regime", *numbers]]


def gain_table(gains: Sequence[Gain]) -> pd.DataFrame:
    """Return a table to read: a line per comparison, the gain in percent with its interval.

    Args:
        gains: Comparisons, from `compare.gains`.
    """
    rows = [
        {
            "data": one.data,
            "property": one.property,
            "train": f"{one.fraction:g}",
            "encoder": one.encoder,
            "regime": one.regime,
            "seeds": one.seeds,
            "test crystals": one.crystals,
            "gain %": f"{one.gain:.2f}",
            "95 % interval": f"{one.low:.2f} to {one.high:.2f}",
        }
        for one in gains
    ]
    return pd.DataFrame(rows)


def rank_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return a table to read: a line per model, best first.

    Args:
        ranks: Table of ranks, from `compare.ranks`.
    """
    shown = ranks.assign(
        fraction=[f"{share:g}" for share in ranks["fraction"]], rank=ranks["rank"].map("{:.2f}".format)
    )
    return shown.rename(columns={"fraction": "train"})


def write(table: pd.DataFrame, raw: pd.DataFrame, path: Path) -> None:
    """Write a table to `path` with .md and .tex, and its figures to .csv.

    Args:
        table: Table whose cells are texts to read.
        raw: Table whose cells are numbers to compute with.
        path: Path of the files without their ending.
    """
    for ending, text in (
        (".md", markdown(table)),
        (".tex", latex(table)),
        (".csv", raw.map(guard).to_csv(index=False)),
    ):
        with replacing(path.with_name(path.name + ending)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "".join("| " + " | ".join(str(value).replace("|", r"\|") for value in line) + " |\n" for line in lines)


def latex(table: pd.DataFrame) -> str:
    """Return a table in LaTeX; it needs the package booktabs."""
    heading, *lines = (" & ".join(map(_typeset, line)) for line in [list(table.columns), *table.to_numpy().tolist()])
    begin = [rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}", r"\toprule", rf"{heading} \\", r"\midrule"]
    return "\n".join([*begin, *(rf"{line} \\" for line in lines), r"\bottomrule", r"\end{tabular}", ""])


def spread(mean: float, deviation: float) -> str:
    """Return a mean with its deviation in two digits of the deviation: "0.1234 ± 0.0056"."""
    if math.isnan(deviation) or deviation <= 0:
        return f"{mean:.4g}"
    digits = max(0, 1 - math.floor(math.log10(deviation)))
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _typeset(value: Any) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in str(value))
