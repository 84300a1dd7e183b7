"""Parity plots: predictions against labels, with the distributions of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from cryskit.errors import DataError
from cryskit.evaluate.metrics import metrics
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

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from cryskit.types import Property

_MANY = 1500


def plot_parity(truth: ArrayLike, values: ArrayLike, prop: Property, path: Path, *, of: str = "") -> None:
    """Draw predictions against labels; rows without a label or a prediction are left out.

    The axes are logarithmic where the property is learned as its logarithm; rows that are not positive are then counted
    but not drawn. More than 1500 rows are drawn as a density.

    Args:
        truth: (n,) the labels, in the unit of the property, NaN where unknown.
        values: (n,) the predictions, in the same unit, NaN where there is none.
        prop: The property that is predicted.
        path: The PNG, PDF or SVG file to write.
        of: Words under the title that name the model and the part of the data: "cryskit-mp on the test part".

    Raises:
        DataError: There is no row to draw.
    """
    save(draw_parity(truth, values, prop, of=of), path)


def draw_parity(truth: ArrayLike, values: ArrayLike, prop: Property, *, of: str = "") -> Figure:
    """Return a parity plot as a figure.

    Args:
        truth: (n,) the labels, in the unit of the property, NaN where unknown.
        values: (n,) the predictions, in the same unit, NaN where there is none.
        prop: The property that is predicted.
        of: Words under the title that name the model and the part of the data.

    Raises:
        DataError: There is no row to draw.
    """
    known, predicted = np.asarray(truth, dtype=np.float64), np.asarray(values, dtype=np.float64)
    found = metrics(predicted, known, prop.transform)
    logarithmic = prop.transform == "log10"
    drawn = np.isfinite(known) & np.isfinite(predicted)
    if logarithmic:
        drawn &= (known > 0) & (predicted > 0)
    if not drawn.any():
        raise DataError(f"No row of {prop.name} is positive, as its logarithm needs", "Check the labels and their unit")
    known, predicted = known[drawn], predicted[drawn]
    figure = new_figure(5.6, 5.9)
    grid = figure.add_gridspec(2, 2, width_ratios=(8, 1), height_ratios=(1, 8), wspace=0.02, hspace=0.02)
    main = figure.add_subplot(grid[1, 0])
    limits = _limits(known, predicted, logarithmic=logarithmic)
    _main(main, known, predicted, limits, logarithmic=logarithmic)
    name = f"{title(prop.name)} {symbol(prop)}".rstrip()
    quantity = symbol(prop) or title(prop.name)
    behind = f" ({unit(prop)})" if prop.unit else ""
    main.set_xlabel(f"{quantity} label{behind}")
    main.set_ylabel(f"{quantity} prediction{behind}")
    bins = (np.geomspace if logarithmic else np.linspace)(*limits, int(np.clip(len(known) / 6, 12, 60)))
    _margin(figure.add_subplot(grid[0, 0], sharex=main), known, bins, upright=True)
    _margin(figure.add_subplot(grid[1, 1], sharey=main), predicted, bins, upright=False)
    lines = [*[of] * bool(of), _summary(found, unit(prop))]
    figure.suptitle(name + "\n" * len(lines), x=0.02, ha="left", size=12, weight="bold", color=INK)
    for place, line in enumerate(lines):
        figure.text(0.02, 0.945 - 0.03 * place, line, ha="left", va="center", size=9.5, color=FAINT)
    return figure


def _limits(known: np.ndarray, predicted: np.ndarray, *, logarithmic: bool) -> tuple[float, float]:
    both = np.concatenate([known, predicted])
    scaled = np.log10(both) if logarithmic else both
    low, high = float(scaled.min()), float(scaled.max())
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin
    return (10**low, 10**high) if logarithmic else (low, high)


def _main(
    axes: Axes, known: np.ndarray, predicted: np.ndarray, limits: tuple[float, float], *, logarithmic: bool
) -> None:
    scale: Literal["log", "linear"] = "log" if logarithmic else "linear"
    axes.set(xscale=scale, yscale=scale, xlim=limits, ylim=limits)
    axes.grid(color=GRID, linewidth=0.8)
    if len(known) > _MANY:
        low, high = np.log10(limits).tolist() if logarithmic else limits
        extent = (low, high, low, high)
        axes.hexbin(
            known,
            predicted,
            gridsize=70,
            bins="log",
            mincnt=1,
            cmap=DENSITY,
            xscale=scale,
            yscale=scale,
            extent=extent,
        )
    else:
        size = 26 if len(known) < 200 else 14
        axes.scatter(known, predicted, size, color=BLUE, alpha=0.55, edgecolors="white", linewidths=0.3)
    axes.plot(limits, limits, color=ORANGE, linewidth=1.1, zorder=3)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    plain_axes(axes)
    _ticks(axes, limits, logarithmic=logarithmic)


def _ticks(axes: Axes, limits: tuple[float, float], *, logarithmic: bool) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        if not logarithmic:
            axis.set_major_locator(MaxNLocator(6))
            continue
        wide = limits[1] / limits[0] > 1000
        axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        formatter = ScalarFormatter()
        formatter.set_scientific(False)
        axis.set_major_formatter(formatter)
        axis.set_minor_formatter(NullFormatter())


def _margin(axes: Axes, values: np.ndarray, bins: np.ndarray, *, upright: bool) -> None:
    axes.hist(values, bins.tolist(), color=BLUE, alpha=0.35, orientation="vertical" if upright else "horizontal")
    axes.set_axis_off()


def _summary(found: dict[str, float], unit_text: str) -> str:
    parts = [f"MAE {found['mae']:.3g} {unit_text}".rstrip()]
    if "mae_log10" in found:
        parts.append(f"{found['mae_log10']:.3g} in log10")
    parts += [f"R² {found['r2']:.3f}"] if "r2" in found else []
    count = f"{found['n']:,.0f} crystal{'' if found['n'] == 1 else 's'}"
    hidden = int(found["n"] - found.get("n_log10", found["n"]))
    return "    ".join([*parts, f"{count}, {hidden} not positive" if hidden else count])
