"""The report of a fit of a class: one HTML page that needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryskit.plots.reliability import draw_classes
from cryskit.small_data.judge import FIT
from cryskit.small_data.judge_classes import GUESS_CLASS
from cryskit.small_data.report import picture, warned, write_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.predict.card import Card
    from cryskit.small_data.job import Figures
    from cryskit.small_data.judge_classes import JudgedClasses

SHOWN = {"balanced_accuracy": "balanced accuracy", "roc_auc": "ROC-AUC", "log_loss": "log loss"}
"""Figures that tables show, with their names in words."""

_SAID = {
    GUESS_CLASS: "always guessing the most frequent class",
    FIT: "what `fit` decides for in each fold, calibrated; the model file holds this",
}


def write_class_report(
    judged: JudgedClasses, best: str, card: Card, figures: Figures, warnings: Sequence[str], path: Path
) -> None:
    """Write the report.

    Args:
        judged: What the outer folds say.
        best: Name of what was chosen on all rows.
        card: Card of the model.
        figures: Figures of merit of all candidates.
        warnings: What a reader of the figures has to know.
        path: The HTML file to write.
    """
    wanted = judged.wanted
    name = escape(card.full_name)
    parts = [
        f"<h1>{escape(wanted.name)}: the model {name}</h1>",
        f"<p>{_verdict(judged, figures)}</p>",
        *warned(warnings),
        "<h2>What was tried</h2>",
        _table(figures),
        f"<p>The model file holds: {escape(best)}.</p>",
        "<h2>Predictions of rows that the model had not seen</h2>",
        "<p>Left, whether probabilities are what they say; right, the confusion matrix.</p>",
        picture(draw_classes(_predictions(judged), wanted)),
        "<h2>Prediction sets</h2>",
        _sets(judged, card, figures),
        "<h2>How it was judged</h2>",
        f"<p>{_method(judged, card)}</p>",
    ]
    write_page(name, parts, path)


def figure_of(figures: Figures, name: str, figure: str) -> str:
    """Return a figure of merit and its deviation over folds as text, "-" where it is not known.

    Args:
        figures: Figures of all candidates.
        name: Name of the candidate.
        figure: Name of the figure.
    """
    if figure not in figures[name]:
        return "-"
    value, spread = figures[name][figure]
    return f"{value:.3f}" if spread is None else f"{value:.3f} ± {spread:.3f}"


def ordered(figures: Figures) -> list[str]:
    """Return the names of the candidates, the smallest log loss first.

    Args:
        figures: Figures of all candidates.
    """
    return sorted(figures, key=lambda name: figures[name]["log_loss"][0])


def _verdict(judged: JudgedClasses, figures: Figures) -> str:
    counts = np.bincount(judged.labels, minlength=len(judged.wanted.classes))
    classes = [f"{count:,} {escape(name)}" for name, count in zip(judged.wanted.classes, counts, strict=True)]
    chance = 1 / len(judged.wanted.classes)
    return (
        f"<b>Balanced accuracy {figure_of(figures, FIT, 'balanced_accuracy')}</b> on formulas that the model had not seen (deviation over "
        f"folds); guessing: {chance:.3f}. {len(judged.labels):,} labels: {', '.join(classes)}."
    )


def _table(figures: Figures) -> str:
    rows = [
        f"<tr{' class=fit' if name == FIT else ''}><td>{escape(_SAID.get(name, name))}</td>"
        + "".join(f'<td class="n">{figure_of(figures, name, figure)}</td>' for figure in SHOWN)
        + "</tr>"
        for name in ordered(figures)
    ]
    head = "".join(f"<th>{words}</th>" for words in ("model", *SHOWN.values()))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table><p class=small>± is the deviation over folds.</p>"


def _predictions(judged: JudgedClasses) -> pd.DataFrame:
    """Return what the plots are drawn from."""
    name, found = judged.wanted.name, judged.predictions
    columns = {name: [one.name for one in found], f"{name}_p": [one.probability for one in found]}
    return pd.DataFrame(columns | {f"{name}_true": [judged.wanted.classes[label] for label in judged.labels]})


def _sets(judged: JudgedClasses, card: Card, figures: Figures) -> str:
    known = card.class_calibration[judged.wanted.name]
    found = {name: value for name, (value, _) in figures[FIT].items()}
    rows = []
    for number, name in enumerate(judged.wanted.classes):
        own = [one for one, label in zip(judged.predictions, judged.labels, strict=True) if label == number]
        share = np.mean([name in one.members for one in own])
        rows.append(
            f'<tr><td>{escape(name)}</td><td class="n">{len(own):,}</td><td class="n">{share:.0%}</td>'
            f'<td class="n">{1 - known.thresholds[number]:.3f}</td></tr>'
        )
    head = "<tr><th>class</th><th>labels</th><th>in the sets of its crystals</th><th>smallest probability in a set</th></tr>"
    return (
        f"<p>A set holds the class of {known.level:.0%} of the crystals of each class, if these are like the rows of the table. Of rows that the "
        f"model had not seen {found['coverage']:.0%} were covered by sets of {found['set_size']:.2f} classes on average; the temperature is "
        f"{known.temperature:.2f}.</p><table>{head}{''.join(rows)}</table>"
    )


def _method(judged: JudgedClasses, card: Card) -> str:
    return (
        f"Nested cross-validation: {len(judged.folds)} outer folds, crystals of one reduced formula always in the same, each class spread over "
        "all. Vectors and penalty are chosen by log loss within the training rows of a fold; each row is predicted by a model that has not seen "
        "its formula, with temperature and sets from the other folds. ROC-AUC is the mean over folds that have crystals of every class. "
        f"{card.rows['unusable']} rows could not be used."
    )
