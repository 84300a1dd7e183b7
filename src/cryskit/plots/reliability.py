"""Plots of classes: whether probabilities are what they say, and which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import DataError
from cryskit.evaluate.class_metrics import reliability
from cryskit.plots.style import BLUE, FAINT, GRID, INK, ORANGE, new_figure, plain_axes, save, title

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cryskit.types import Property


def plot_classes(table: pd.DataFrame, wanted: Property, path: Path, *, of: str = "") -> None:
    """Draw the reliability of the probabilities and the confusion matrix; rows without a label or a prediction are left out.

    Args:
        table: Columns `<property>`, `<property>_p` and `<property>_true`, as an evaluation has them.
        wanted: The property, a class.
        path: The PNG, PDF or SVG file to write.
        of: Words under the title that name the model and the part of the data.

    Raises:
        DataError: There is no row to draw.
    """
    save(draw_classes(table, wanted, of=of), path)


def draw_classes(table: pd.DataFrame, wanted: Property, *, of: str = "") -> Figure:
    """Return the reliability of the probabilities and the confusion matrix as a figure.

    Of two classes it is the probability of the second that is compared with how often it is true, of more that of the predicted
    class with how often it is right.

    Args:
        table: Columns `<property>`, `<property>_p` and `<property>_true`, as an evaluation has them.
        wanted: The property, a class.
        of: Words under the title that name the model and the part of the data.

    Raises:
        DataError: There is no row to draw.
    """
    name = wanted.name
    known = table[[name, f"{name}_p", f"{name}_true"]].dropna()
    if known.empty:
        raise DataError(f"No row has both a prediction and a label of {name}", "Give data that has labels for it")
    found, sure, truth = (known[column].to_numpy() for column in known)
    figure = new_figure(9.2, 4.4)
    left, right = (figure.add_subplot(1, 2, place) for place in (1, 2))
    if len(wanted.classes) == 2:
        second = wanted.classes[1]
        chances, happened = np.where(found == second, sure, 1 - sure), truth == second
        _reliability(left, chances.astype(float), happened, f"probability of {second}")
    else:
        _reliability(left, sure.astype(float), found == truth, "probability of the predicted class")
    _confusion(
        right, [wanted.classes.index(one) for one in truth], [wanted.classes.index(one) for one in found], wanted
    )
    accuracy = float(np.mean(found == truth))
    line = f"{title(name)}: {accuracy:.1%} of {len(known):,} crystals right"
    figure.suptitle(line + "\n" * bool(of), x=0.02, ha="left", weight="bold", color=INK)
    figure.text(0.02, 0.93, of, ha="left", va="center", size=9.5, color=FAINT)
    return figure


def _reliability(axes: Axes, chances: np.ndarray, happened: np.ndarray, words: str) -> None:
    """Draw frequencies over probabilities in bins of equally many crystals, with their binomial standard errors."""
    points = reliability(chances, happened.astype(float))
    errors = np.sqrt(points[:, 1] * (1 - points[:, 1]) / points[:, 2])
    axes.grid(color=GRID, linewidth=0.8)
    axes.plot((0, 1), (0, 1), color=ORANGE, linewidth=1.1)
    axes.errorbar(points[:, 0], points[:, 1], errors, color=BLUE, marker="o", markersize=5, linewidth=1.4, capsize=2)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=words, ylabel="share that is so")
    plain_axes(axes)


def _confusion(axes: Axes, truth: list[int], found: list[int], wanted: Property) -> None:
    """Draw how many crystals of each class are taken for which, coloured by the share of the class."""
    count = len(wanted.classes)
    counts = np.zeros((count, count), dtype=int)
    np.add.at(counts, (truth, found), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.6 else INK
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour)
    axes.set_xticks(range(count), wanted.classes, rotation=30 if count > 3 else 0)
    axes.set_yticks(range(count), wanted.classes)
    axes.set(xlabel="prediction", ylabel="label")
    axes.tick_params(length=0, colors=FAINT)
