"""Learning curves: the error of models against the number of crystals they were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from cryskit.errors import DataError
from cryskit.plots.style import GRID, INK, new_figure, plain_axes, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

_COLOURS = ("#2a6099", "#d5691e", "#3b8c5a", "#a23b72", "#7a6a2f", "#4a4e8f", "#b03a2e", "#5f7f86")
_MARKERS = "osD^vP*X"


class Point(NamedTuple):
    """The error of a model at one size of its training set.

    Attributes:
        crystals: Number of training crystals.
        error: Mean absolute error, the mean over runs, in the unit of the property.
        deviation: Standard deviation of the error over runs, in the same unit; 0 or NaN for none.
    """

    crystals: float
    error: float
    deviation: float


def plot_learning(curves: Mapping[str, Sequence[Point]], name: str, unit: str, path: Path) -> None:
    """Draw learning curves on logarithmic axes.

    Args:
        curves: Name of each model to the points of its curve.
        name: Title of the figure.
        unit: Unit of the error, "" for none.
        path: The PNG file to write.

    Raises:
        DataError: There is no point to draw.
    """
    save(draw_learning(curves, name, unit), path)


def draw_learning(curves: Mapping[str, Sequence[Point]], name: str, unit: str) -> Figure:
    """Return learning curves as a figure, with logarithmic axes.

    Args:
        curves: Name of each model to the points of its curve.
        name: Title of the figure.
        unit: Unit of the error, "" for none.

    Raises:
        DataError: There is no point to draw.
    """
    if not any(curves.values()):
        raise DataError(f"There is no error of {name} to draw", "Wait for a run to end")
    figure = new_figure(6.2, 4.4)
    axes = figure.add_subplot()
    for number, (model, points) in enumerate(curves.items()):
        line = sorted(points)
        axes.errorbar(
            [point.crystals for point in line],
            [point.error for point in line],
            yerr=[max(point.deviation, 0) if point.deviation == point.deviation else 0 for point in line],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number // len(_COLOURS) % len(_MARKERS)],
            linestyle="-" if number < len(_COLOURS) else "--",
            markersize=5,
            linewidth=1.4,
            capsize=2.5,
            label=model,
        )
    axes.set(xscale="log", yscale="log", xlabel="training crystals", ylabel=f"mean absolute error ({unit or '1'})")
    axes.grid(color=GRID, linewidth=0.8, which="major")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    plain_axes(axes)
    axes.set_title(name, loc="left", size=12, weight="bold", color=INK)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
