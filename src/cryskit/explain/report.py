"""An explanation as one HTML page that needs nothing else: numbers, bars, and structures that can be turned around.

The page carries its own code and forbids the browser to load anything (content security policy).
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from cryskit.errors import counted
from cryskit.explain.bars import Bar, number, signed_bars, size_bars, table
from cryskit.explain.parts import LEARNED
from cryskit.explain.viewer import drawing, scale, viewer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DRAWN = 100
"""Crystals that get a section of their own, so that a page stays small enough to be opened."""

_COLOURS = (
    "Atoms by contribution: white what a mean element would give, blue less, red more. A polyhedron has the colour of the atom in it; atoms on the faces of the"
    " cell are drawn on each of them."
)
_FROM = {"scalar": "mean of the labels", "class": "even odds"}
_TOP = 12
_LEADING = 4


def page(document: Mapping[str, Any], most: int = DRAWN) -> str:
    """Return the page.

    Args:
        document: All there is to say of a model's explanations, from `document.document`.
        most: Number of crystals that get a section; all of them count for what the model uses.

    Raises:
        ModelError: Chemiscope is not installed.
    """
    explained = [row for row in document["rows"] if row["status"] != "failed"]
    failed = [row for row in document["rows"] if row["status"] == "failed"]
    shown, space = explained[:most], document["space"]
    program = viewer()
    drawings = json.dumps([drawing(row, space) for row in shown], allow_nan=False)
    title = f"{_words(document['property'])} explained"
    body = [f"<h1>{escape(title)}</h1>", _about(document)]
    body += [_chooser(shown, len(explained))] if len(explained) > 1 else []
    body += [_crystal(row, document) for row in shown]
    body += [_use(document["use"], space)] if explained else []
    body += [_failed(failed)] if failed else []
    return Template(_resource("page.html")).substitute(
        title=escape(title),
        style=_resource("page.css"),
        script=_resource("page.js"),
        body="\n".join(body),
        licence=escape(program.licence),
        viewer=program.code.replace("</script", "<\\/script"),
        drawings=drawings.replace("<", "\\u003c"),
    )


def _resource(name: str) -> str:
    return files("cryskit").joinpath("explain", name).read_text(encoding="utf-8")


def _about(document: Mapping[str, Any]) -> str:
    model = document["model"]
    scalar = document.get("kind", "scalar") == "scalar"
    logarithm = (
        f" All but the predicted class and its probability is in {escape(document['space'])}."
        if not scalar
        else f" The property is learned as its logarithm, so all but the prediction itself is in {escape(document['space'])}."
        if document["space"] != document["unit"]
        else ""
    )
    return (
        f'<p class="faint">Model {escape(model["name"])} (encoder {escape(model["encoder"])}'
        f"{', SHA-256 ' + escape(model['sha256'][:12]) if model['sha256'] else ''}).{logarithm}</p>"
        "<p>An explanation starts from the mean of the labels that the model was trained on (of a class from even odds). The share of the geometry is what"
        " the model makes of where the atoms are, whatever they are: its prediction for the same geometry with every atom the mean of the elements that it"
        " was trained on, the base value, less that mean. The other bars say how much it moves the prediction from there that the atoms have, or lack, an element feature."
        f" “{LEARNED}” is what the model has learned of an element beyond its named features. An explanation says what"
        " the model does, not why nature does it.</p>"
    )


def _chooser(shown: Sequence[Mapping[str, Any]], explained: int) -> str:
    options = "".join(
        f'<option value="{i}">{escape(row["id"])} ({escape(row["formula"])})</option>' for i, row in enumerate(shown)
    )
    left = (
        f' <span class="faint">The first {len(shown)} of {explained} crystals.</span>' if explained > len(shown) else ""
    )
    return f'<p><label>Crystal <select id="chooser">{options}</select></label>{left}</p>'


def _crystal(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    space, unit = document["space"], document["unit"]
    ranked = sorted(row["features"].items(), key=lambda item: -abs(item[1]))[:_TOP]
    warning = f'<p class="faint">{escape(row["reason"])}.</p>' if row["reason"] else ""
    attributed = sum(row["atoms"]["attribution"])
    total = (
        f"{number(row['prediction'])} {space} = {_FROM[document.get('kind', 'scalar')]} {number(row['mean'])} + geometry {number(row['geometry'])}"
        f" + atoms {number(attributed)} + completeness error {number(row['completeness_error'])}"
    )
    shares = signed_bars(
        [Bar("geometry", row["geometry"]), Bar("elements of the atoms", attributed)],
        f"{space}, from {number(row['mean'])}",
    )
    silent = row["without_description"]
    read = (
        f'<p class="faint">The description is read all along. Without it: {number(silent)} {escape(space)}.</p>'
        if silent is not None
        else ""
    )
    by_element = signed_bars(_bars(row["elements"]), f"{space}, all atoms of an element")
    by_block = signed_bars(_bars(row["blocks"]), f"{space}, all atoms")
    return (
        f'<section class="crystal"><h2>{escape(row["id"])} <span class="faint">{escape(row["formula"])}</span></h2>'
        f'<p class="value">{_value(row)} {escape(unit)}</p><p>{escape(total)}</p>{read}{warning}'
        f'<div class="columns"><div><h3>Geometry and elements</h3>{shares}<h3>By element</h3>{by_element}<h3>By block of element features</h3>{by_block}</div>'
        f"<div><h3>Structure</h3><div class=drawing></div>{_legend(row, space)}<p class=faint>{_COLOURS}</p></div></div>"
        f"<h3>Atoms</h3>{_atoms(row, space)}"
        f"<h3>Strongest features</h3>{signed_bars([Bar(*item) for item in ranked], f'{space}, all atoms')}</section>"
    )


def _legend(row: Mapping[str, Any], space: str) -> str:
    """Return the bar of the colours of atoms with the contributions that its ends and its middle stand for."""
    low, neutral, high = (f"{number(value)} {escape(space)}" for value in scale(row))
    return (
        f'<div class="scale"></div><div class="ends"><span>{low}</span><span>{neutral}</span><span>{high}</span></div>'
    )


def _value(row: Mapping[str, Any]) -> str:
    """Return the predicted value, or the class with its probability in percent."""
    if isinstance(row["value"], str):
        return f"{escape(row['value'])} ({row['probability']:.0%})"
    return number(row["value"])


def _bars(values: Mapping[str, float]) -> list[Bar]:
    """Return bars for what is not zero throughout, the largest first."""
    ranked = sorted(values.items(), key=lambda item: -abs(item[1]))
    return [Bar(name.replace("_", " "), value) for name, value in ranked if value]


def _atoms(row: Mapping[str, Any], space: str) -> str:
    """Return the table of atoms, those that symmetry makes equal on one line."""
    rows = []
    for orbit in row["orbits"]:
        leading = sorted(orbit["features"].items(), key=lambda item: -abs(item[1]))[:_LEADING]
        has = {*orbit["has"], LEARNED}
        strongest = [
            f"{'' if name in has else 'not '}{name} {number(value, signed=True)}" for name, value in leading if value
        ]
        together = orbit["contribution"] * orbit["atoms"]
        rows.append([orbit["element"], orbit["atoms"], orbit["contribution"], together, "; ".join(strongest)])
    total = sum(row["atoms"]["contribution"])
    rows.append(["all", len(row["atoms"]["element"]), "", total, ""])
    return table(["element", "atoms", f"each ({space})", "together", "strongest features of one atom"], rows)


def _use(use: Mapping[str, Any], space: str) -> str:
    """Return what the model uses over all crystals."""
    caption = f"{space}, mean over {counted(use['crystals'], 'crystal')} of the absolute attribution"
    charts = [
        ("By block of element features", size_bars(_sizes(use["blocks"]), caption)),
        ("Strongest features", size_bars(_sizes(use["features"])[:_TOP], caption)),
        ("Elements", size_bars(_sizes(use["elements"])[:_TOP], f"{space}, over the crystals that have it")),
    ]
    if use["description"]:
        change = f"{space}, mean over crystals of the absolute change by their description"
        charts.append(("Description", size_bars(_sizes(use["description"]), change)))
    if use["selector"]:
        ranked = sorted(use["selector"].items(), key=lambda item: -item[1])[:_TOP]
        charts.append(("Feature selector", size_bars([Bar(*item) for item in ranked], "strength of the gate")))
    figures = "".join(f"<div><h3>{heading}</h3>{chart}</div>" for heading, chart in charts)
    return f'<h2>What the model uses</h2><div class="columns">{figures}</div>'


def _sizes(uses: Sequence[Mapping[str, Any]]) -> list[Bar]:
    return [Bar(use["name"].replace("_", " "), use["mean_absolute"]) for use in uses]


def _failed(rows: Sequence[Mapping[str, Any]]) -> str:
    return f"<h2>Not explained</h2>{table(['id', 'reason'], [[row['id'], row['reason']] for row in rows])}"


def _words(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
