"""The report of a fit: one HTML page that needs no network."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from cryskit.atomic_write import replacing
from cryskit.plots.learning_curves import Point, draw_learning
from cryskit.plots.parity import draw_parity
from cryskit.small_data.judge import FIT, FROZEN, MEAN, SAID
from cryskit.small_data.table import GUESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from cryskit.predict.card import Card
    from cryskit.small_data.judge import Judged
    from cryskit.small_data.search import Choice
    from cryskit.small_data.table import Table

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;color:#22272e;max-width:52rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse}
td,th{padding:.25rem .8rem .25rem 0;border-bottom:1px solid #e3e6ea;text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}
tr.fit{font-weight:600}.warn{border-left:4px solid #d5691e;padding:.3rem .8rem;margin:.5rem 0;background:#fdf5ee}
img{max-width:100%}p.small{color:#6b7480;font-size:.9em}"""


def write_report(
    table: Table,
    judged: Judged,
    choice: Choice,
    card: Card,
    errors: Mapping[str, tuple[float, float]],
    warnings: Sequence[str],
    path: Path,
) -> None:
    """Write the report.

    Args:
        table: What was learned from.
        judged: What the outer folds say.
        choice: What was chosen on all rows.
        card: Card of the model.
        errors: Mean absolute error and its deviation over folds by name.
        warnings: What a reader of the errors has to know.
        path: The HTML file to write.
    """
    name, wanted = escape(card.full_name), table.wanted
    parts = [
        f"<h1>{escape(wanted.name)}: the model {name}</h1>",
        f"<p>{_verdict(table, errors)}</p>",
        *warned(warnings),
        "<h2>What was tried</h2>",
        _table(table, errors),
        _chosen(choice, card),
        "<h2>Predictions of rows that the model had not seen</h2>",
        picture(draw_parity(table.values, judged.values[FIT], wanted)),
        *_curve(table, judged),
        "<h2>How it was judged</h2>",
        f"<p>{_method(table, judged)}</p>",
    ]
    write_page(name, parts, path)


def write_page(name: str, parts: Sequence[str], path: Path) -> None:
    """Write a page that needs no network.

    Args:
        name: Its title, as HTML.
        parts: What stands in it, as HTML.
        path: The HTML file to write.
    """
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>{"".join(parts)}</html>'
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def expected_of_twice(curve: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the exponent of the learning curve, error ~ n^-b, and the share of the error that twice as many labels would leave.

    Args:
        curve: Numbers of training rows and errors; None is returned for fewer than three.
    """
    if len(curve) < 3 or min(error for _, error in curve) <= 0:
        return None
    sizes, errors = np.log(np.array(curve)).T
    slope = -float(np.polyfit(sizes, errors, 1)[0])
    return slope, 2**-slope


def _verdict(table: Table, errors: Mapping[str, tuple[float, float]]) -> str:
    error, spread = errors[FIT]
    kind = "formulas" if len(table) >= GUESS else "formulas, each alone"
    return (
        f"<b>Mean absolute error {error:.3g} ± {spread:.2g} {escape(table.unit)}</b> on {kind} that the model had not seen "
        f"(deviation over folds); always guessing the mean: {errors[MEAN][0]:.3g}. {len(table):,} labels."
    )


def _table(table: Table, errors: Mapping[str, tuple[float, float]]) -> str:
    rows = sorted(errors.items(), key=lambda one: one[1][0])
    cells = [
        f"<tr{' class=fit' if name == FIT else ''}><td>{escape(SAID.get(name, name))}</td>"
        f'<td class="n">{error:.4g}</td><td class="n">{spread:.2g}</td></tr>'
        for name, (error, spread) in rows
    ]
    head = (
        f"<tr><th>model</th><th>mean absolute error, {escape(table.unit) or '1'}</th><th>deviation over folds</th></tr>"
    )
    return f"<table>{head}{''.join(cells)}</table>"


def _chosen(choice: Choice, card: Card) -> str:
    shares = card.plan["fit"]["shares"]
    parts = [
        f"{escape(choice.candidates[position].name)} ({shares[0] * share:.0%})"
        for position, share in choice.shares.items()
        if shares[0]
    ]
    parts += [f"networks fine-tuned from {escape(card.start['file'])} ({shares[1]:.0%})"] if shares[1] else []
    scale = "as its decimal logarithm" if choice.transform == "log10" else "as it is"
    return f"<p>The model file holds: {'; '.join(parts)}. The property is learned {scale}.</p>"


def _curve(table: Table, judged: Judged) -> list[str]:
    found = expected_of_twice(judged.curve)
    if found is None:
        return []
    exponent, left = found
    points = [Point(crystals, error, 0) for crystals, error in judged.curve]
    figure = draw_learning({FROZEN: points}, "Frozen vectors, parts of the training rows", table.unit)
    said = (
        f"Twice as many labels would leave about {left:.0%} of the error, if the curve goes on as it does (error ~ n<sup>-{exponent:.2f}</sup>)."
        if exponent > 0.02
        else "The error does not fall with more labels here: look for better structures or labels first."
    )
    return ["<h2>What more labels would bring</h2>", f"<p>{said}</p>", picture(figure)]


def _method(table: Table, judged: Judged) -> str:
    return (
        f"Nested cross-validation: {len(judged.folds)} outer folds, crystals of one reduced formula always in the same. Transform, vectors, "
        "regressor, settings, epochs and the mixture of frozen and fine-tuned are chosen within the training rows of a fold; each row is "
        f"predicted by a model that has not seen its formula. {len(table.left_out)} rows could not be used."
    )


def warned(warnings: Sequence[str]) -> list[str]:
    """Return warnings as parts of a page.

    Args:
        warnings: Sentences without the last full stop.
    """
    return [f'<div class="warn">{escape(warning)}.</div>' for warning in warnings]


def picture(figure: Figure) -> str:
    """Return a figure as an image in the page.

    Args:
        figure: The figure.
    """
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}">'
