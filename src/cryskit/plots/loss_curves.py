"""Loss curves: the losses of a training run against its epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from cryskit.plots.style import BLUE, FAINT, GRID, INK, ORANGE, new_figure, plain_axes, save, title

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3


def plot_curves(log: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the losses of a run: one panel per loss and, if there are several, one of their sum.

    Args:
        log: The entries of the epochs, from `training.log.read_log`.
        path: The PNG file to write.
    """
    save(draw_curves(log), path)


def draw_curves(log: Sequence[dict[str, Any]]) -> Figure:
    """Return the loss curves as a figure, epochs counted from 1.

    Args:
        log: The entries of the epochs, from `training.log.read_log`.
    """
    names = list(log[-1]["validation"])
    epochs = np.array([entry["epoch"] + 1 for entry in log])
    panels = {
        title(name): [np.array([_number(e[part].get(name)) for e in log]) for part in ("training", "validation")]
        for name in names
    }
    if len(names) > 1:
        panels = {"Sum": [np.sum(parts, axis=0) for parts in zip(*panels.values(), strict=True)], **panels}
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    figure = new_figure(max(3.3 * columns, 5.2), 2.7 * rows + 0.5)
    best = best_epoch(log) + 1
    for place, (name, (training, validation)) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        _panel(axes, epochs, training, validation, best)
        axes.set_title(name, loc="left", size=10, color=INK, weight="bold" if name == "Sum" else "normal")
        if place % columns == 0:
            axes.set_ylabel("loss")
        if place >= len(panels) - columns:
            axes.set_xlabel("epoch")
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def best_epoch(log: Sequence[dict[str, Any]]) -> int:
    """Return the epoch with the lowest validation loss, counted from 0 as in the log.

    Args:
        log: The entries of the epochs, from `training.log.read_log`.
    """
    losses = [_number(entry["validation_loss"]) for entry in log]
    return int(log[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))]["epoch"])


def _panel(axes: Axes, epochs: np.ndarray, training: np.ndarray, validation: np.ndarray, best: int) -> None:
    lowest = validation[epochs == best][0]
    marker = "o" if len(epochs) == 1 else ""
    axes.axvline(best, color=FAINT, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.plot(epochs, training, color=BLUE, linewidth=1.5, marker=marker, label="training")
    axes.plot(epochs, validation, color=ORANGE, linewidth=1.5, marker=marker, label="validation")
    axes.plot([best], [lowest], "o", color=ORANGE, markersize=6, markeredgecolor="white", label=f"best epoch, {best}")
    note: dict[str, Any] = {
        "ha": "center",
        "size": 9,
        "color": INK,
        "bbox": {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 1},
    }
    axes.annotate(f"{lowest:.3g}", (best, lowest), (0, 9), textcoords="offset points", **note)
    axes.set_yscale("log")
    axes.grid(color=GRID, linewidth=0.8, which="major")
    axes.margins(x=0.05, y=0.12)
    if len(epochs) == 1:
        axes.set_xlim(best - 1, best + 1)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    plain_axes(axes)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
