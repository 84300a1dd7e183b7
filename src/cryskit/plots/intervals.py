"""Plots of intervals: how large errors are, over how large they may be by the interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import DataError
from cryskit.plots.style import (
    BLUE,
    DENSITY,
    FAINT,
    GRID,
    INK,
    ORANGE,
    new_figure,
    plain_axes,
    save,
    symbol,
    title,
    unit,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from cryskit.types import Property

_MANY = 1500
_BINS = 8


def plot_intervals(table: pd.DataFrame, prop: Property, level: float, path: Path) -> None:
    """Draw the size of errors over half the width of intervals; see `draw_intervals`.

    Args:
        table: Predictions with intervals and labels, as `evaluate` gives them.
        prop: The property.
        level: Level of the intervals.
        path: The PNG file to write.

    Raises:
        DataError: There is no row to draw.
    """
    save(draw_intervals(table, prop, level), path)


def draw_intervals(table: pd.DataFrame, prop: Property, level: float) -> Figure:
    """Return a figure of the size of errors over half the width of intervals, on the scale on which the property is learned.

    Points below the diagonal are covered. The line is the quantile of errors of the level among crystals with intervals of about one
    width: where intervals keep their word it follows the diagonal.

    Args:
        table: Predictions with intervals and labels, as `evaluate` gives them.
        prop: The property.
        level: Level of the intervals.

    Raises:
        DataError: There is no row to draw.
    """
    logarithmic = prop.transform == "log10"
    truth, value, high = (table[f"{prop.name}{end}"].to_numpy(float) for end in ("_true", "", "_hi"))
    drawn = np.isfinite(truth) & np.isfinite(high) & (truth > 0 if logarithmic else True)
    if not drawn.any():
        raise DataError(f"No row has a label and an interval of {prop.name}", "Calibrate the model, or give labels")
    scale = np.log10 if logarithmic else np.asarray
    error = np.abs(scale(value[drawn]) - scale(truth[drawn]))
    half = scale(high[drawn]) - scale(value[drawn])
    smallest = max(float(np.quantile(half, 0.01)) / 100, 1e-9)
    figure = new_figure(5.6, 5.2)
    axes = figure.subplots()
    plain_axes(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = np.maximum(error, smallest)
    if len(error) > _MANY:
        axes.hexbin(
            half, shown, gridsize=45, xscale="log", yscale="log", bins="log", mincnt=1, cmap=DENSITY, linewidths=0
        )
    else:
        axes.scatter(half, shown, s=10, color=BLUE, alpha=0.6, linewidths=0)
    ends = np.array([half.min(), half.max()])
    axes.plot(ends, ends, color=GRID, linewidth=1.2, zorder=3)
    centres, quantiles = _running(half, error, level)
    axes.plot(centres, quantiles, color=ORANGE, linewidth=2, zorder=4)
    quantity = f"log10 {unit(prop)}" if logarithmic else unit(prop)
    axes.set_xlabel(f"half the width of the interval ({quantity})".replace(" ()", ""))
    axes.set_ylabel(f"size of the error ({quantity})".replace(" ()", ""))
    figure.suptitle(
        f"{title(prop.name)} {symbol(prop)}\n".rstrip(" "), x=0.02, ha="left", size=12, weight="bold", color=INK
    )
    said = f"{(error <= half).mean():.1%} of {len(error):,} labels covered, level {level:g}"
    figure.text(0.02, 0.94, said, ha="left", va="center", size=9.5, color=FAINT)
    return figure


def _running(half: np.ndarray, error: np.ndarray, level: float) -> tuple[list[float], list[float]]:
    """Return the median half width and the quantile of errors of each of some bins of equally many rows."""
    bins = np.array_split(np.argsort(half), min(_BINS, max(1, len(half) // 20)))
    return [float(np.median(half[rows])) for rows in bins], [float(np.quantile(error[rows], level)) for rows in bins]
