"""The trials of a tuning: the validation loss of each over the share of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryskit.plots.style import BLUE, FAINT, GRID, INK, ORANGE, new_figure, plain_axes, save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure


class Curve(NamedTuple):
    """The losses of a trial.

    Attributes:
        done: Shares of its run, from 0 to 1.
        losses: Validation loss at each of them.
        whole: Whether it came to its end.
        best: Whether it is the best.
    """

    done: Sequence[float]
    losses: Sequence[float]
    whole: bool
    best: bool


def plot_trials(curves: Sequence[Curve], path: Path) -> None:
    """Draw the trials of a tuning.

    Args:
        curves: The trials.
        path: File whose ending says the format.
    """
    save(draw_trials(curves), path)


def draw_trials(curves: Sequence[Curve]) -> Figure:
    """Return the losses of trials as a figure: the best, those that came to their end, those that were ended early.

    Args:
        curves: The trials.
    """
    figure = new_figure(5.6, 3.8)
    axes = figure.add_subplot()
    kinds = {"best": (ORANGE, 2.0), "complete": (BLUE, 1.2), "ended early": (FAINT, 0.8)}
    for curve in sorted(curves, key=lambda one: (one.best, one.whole)):
        colour, width = kinds[_kind(curve)]
        mark = "o" if len(curve.done) == 1 or not curve.whole else ""
        axes.plot(curve.done, curve.losses, color=colour, linewidth=width, marker=mark, markevery=[-1], markersize=3)
    counts = {kind: sum(_kind(curve) == kind for curve in curves) for kind in kinds}
    for kind, (colour, width) in kinds.items():
        if counts[kind]:
            axes.plot([], [], color=colour, linewidth=width, label=f"{kind} ({counts[kind]})")
    axes.set(yscale="log", xlim=(0, 1.02), xlabel="share of the run", ylabel="validation loss")
    axes.grid(color=GRID, linewidth=0.8, which="major")
    plain_axes(axes)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _kind(curve: Curve) -> str:
    if curve.best:
        return "best"
    return "complete" if curve.whole else "ended early"
