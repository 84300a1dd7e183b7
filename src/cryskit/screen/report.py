"""The report of a screening: one HTML page that needs nothing else and that no program but the browser's own can change."""

from __future__ import annotations

import json
import shlex
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.atomic_write import replacing
from cryskit.errors import ModelError
from cryskit.explain.bars import number, table
from cryskit.explain.viewer import Viewer, viewer
from cryskit.predict.units import units_of
from cryskit.screen.figures import distribution, plane
from cryskit.screen.merge import batches_of
from cryskit.screen.select import CRYSTALS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from cryskit.screen.folder import Folder
    from cryskit.screen.select import Chosen, Wanted
    from cryskit.types import Crystal

DRAWN = 20
"""Crystals whose structures are drawn."""
LISTED = 200
"""Crystals in the table of the page."""
REPORT = "report.html"
"""File of the report in the folder of a screening."""

_STYLE = """
svg { width: 100%; font: 11px system-ui, sans-serif; fill: var(--faint); }
.all { fill: #b3cbe2; } .top { fill: var(--more); stroke: var(--more); } line.top { stroke-width: 0.6; } .axis { stroke: var(--faint); }
.funnel { display: grid; grid-template-columns: 8rem 1fr 7rem; gap: 0.3rem 0.8rem; align-items: center; max-width: 46rem; }
.funnel > i { background: var(--less); height: 0.9rem; border-radius: 2px; min-width: 1px; }
.wide { overflow-x: auto; } pre { background: #f5f6f8; padding: 0.6rem; overflow-x: auto; }
"""
_LEFT_OUT = {"path", "reason", "structure", "status"}


def write_report(folder: Folder, chosen: Chosen, wanted: Wanted, path: Path) -> None:
    """Write the report.

    Args:
        folder: Folder of the screening.
        chosen: The short list.
        wanted: What was wanted of it.
        path: The HTML file to write.
    """
    title = f"{chosen.funnel['top']} of {chosen.funnel['rows']:,} crystals"
    program, drawings = _program(), []
    if program is not None:
        drawings = [_drawing(crystal) for crystal in chosen.crystals[:DRAWN]]
    body = [
        f"<h1>{escape(title)}</h1>",
        _about(folder, chosen, wanted),
        "<h2>From all to the short list</h2>",
        _funnel(chosen.funnel),
        "<h2>Distributions</h2>",
        _distributions(folder, chosen.table),
        "<h2>The short list</h2>",
        f'<div class="wide">{_listed(chosen.table)}</div>',
        *_drawn(chosen, drawings=bool(drawings)),
        "<h2>Explain them</h2>",
        _commands(folder, chosen.table),
    ]
    page = Template(_resource("page.html")).substitute(
        title=escape(title),
        style=_resource("page.css") + _STYLE,
        script=_resource("page.js") if drawings else "",
        body="\n".join(body),
        licence=escape(program.licence) if program else "No viewer was installed when this page was made.",
        viewer=program.code.replace("</script", "<\\/script") if program else "",
        drawings=json.dumps(drawings, allow_nan=False).replace("<", "\\u003c"),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _resource(name: str) -> str:
    return files("cryskit").joinpath("explain", name).read_text(encoding="utf-8")


def _program() -> Viewer | None:
    """Return the program that draws structures, None where it is not installed."""
    try:
        return viewer()
    except ModelError:
        return None


def _drawing(crystal: Crystal) -> dict[str, Any]:
    import chemiscope  # noqa: PLC0415 - where it is installed

    made: dict[str, Any] = chemiscope.create_input(
        [crystal.to_ase()],
        metadata={"name": " "},
        properties={"atoms": {"target": "structure", "values": [len(crystal)]}},
        settings={"target": "structure", "structure": [{"unitCell": True, "bonds": True, "atomLabels": True}]},
    )
    return made


def _about(folder: Folder, chosen: Chosen, wanted: Wanted) -> str:
    models = ", ".join(folder.asked["models"])
    said = [f"Screened with {models}; intervals of {100 * folder.asked['--interval']:g} %."]
    said += [f"Condition: {wanted.where}."] if wanted.where else []
    said += [f"Ranked by {', '.join(map(str, chosen.goals))}."] if chosen.goals else ["In the order of the sources."]
    said += [f"The {wanted.diverse} most diverse of the first {wanted.top}."] if wanted.diverse else []
    if "probability" in chosen.table.column_names:
        said.append(
            "The probability is that of the condition, if each property is normal around its prediction with its calibrated deviation, and "
            "independent of the others. Crystals that were chosen for extreme predictions are predicted too extreme more often than others."
        )
    if "energy_above_hull" in chosen.table.column_names:
        said.append(
            "The hull is made of predicted energies, of known ones where they were given, and of the elements at 0."
        )
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in said)


def _funnel(funnel: dict[str, int]) -> str:
    most = max(funnel["rows"], 1)
    lines = [
        f'<span>{escape(name)}</span><i style="width:{100 * count / most:.3f}%"></i><span class="number">{count:,}</span>'
        for name, count in funnel.items()
    ]
    note = "All but “in domain” are steps, each of what the step before has left."
    return f'<div class="funnel">{"".join(lines)}</div><p class="faint">{note}</p>'


def _distributions(folder: Folder, top: pa.Table) -> str:
    units = units_of(top.schema)
    names = [name for name in units if f"{name}_std" in units or not name.endswith(("_std", "_lo", "_hi"))]
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in batches_of(folder.parts(), names):
        for name in names:
            values[name].append(batch[name].to_numpy(zero_copy_only=False))
    figures = [
        distribution(np.concatenate(values[name]), _numbers(top, name), _titled(name, units))
        for name in names
        if values[name]
    ]
    return f'<div class="columns">{"".join(figures)}</div>'


def _drawn(chosen: Chosen, *, drawings: bool) -> list[str]:
    """Return the plane of the first two goals, and the crystals whose structures are drawn."""
    parts = []
    if len(chosen.goals) > 1:
        units, names = units_of(chosen.table.schema), [goal.name for goal in chosen.goals[:2]]
        points = np.stack([chosen.sample[name] for name in names], axis=1)
        top = np.stack([_numbers(chosen.table, name) for name in names], axis=1)
        parts += ["<h2>Pareto front</h2>", plane(points, top, [_titled(name, units) for name in names])]
    if drawings:
        rows = chosen.table.slice(0, DRAWN).to_pylist()
        options = "".join(
            f'<option value="{i}">{escape(str(row["id"]))} ({escape(str(row["formula"]))})</option>'
            for i, row in enumerate(rows)
        )
        parts += ["<h2>Structures</h2>", f'<p><label>Crystal <select id="chooser">{options}</select></label></p>']
        parts += [_section(row) for row in rows]
    return parts


def _section(row: dict[str, Any]) -> str:
    cells = [[name, _cell(value)] for name, value in row.items() if value is not None and name != "structure"]
    return (
        f'<section class="crystal"><div class="columns"><div>{table(["", ""], cells)}</div>'
        "<div class=drawing></div></div></section>"
    )


def _listed(top: pa.Table) -> str:
    names = [name for name in top.column_names if name not in _LEFT_OUT and not name.endswith(("_lo", "_hi", "_std"))]
    rows = [[_cell(row[name]) for name in names] for row in top.slice(0, LISTED).to_pylist()]
    units = units_of(top.schema)
    return table([_titled(name, units) for name in names], rows)


def _commands(folder: Folder, top: pa.Table) -> str:
    file, (model, *_) = folder.path / CRYSTALS, folder.asked["models"]
    names = [name for name in units_of(top.schema) if f"{name}_lo" in top.column_names] or list(units_of(top.schema))
    lines = [
        shlex.join(["cryskit", "explain", str(file), "--model", model, "--property", name, "--out", f"why-{name}.html"])
        for name in names[:3]
    ]
    return f"<p>Their structures are in {escape(CRYSTALS)}.</p><pre>{escape(chr(10).join(lines))}</pre>"


def _titled(name: str, units: dict[str, str]) -> str:
    return f"{name.replace('_', ' ')} ({units[name]})" if units.get(name) else name.replace("_", " ")


def _numbers(top: pa.Table, name: str) -> np.ndarray:
    values: Sequence[float | None] = top[name].to_pylist()
    return np.array([np.nan if value is None else value for value in values], float)


def _cell(value: Any) -> str | int:
    return number(value) if isinstance(value, float) else value if isinstance(value, int) else str(value or "")
