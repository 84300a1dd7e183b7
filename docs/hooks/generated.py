"""Fill the pages with what is generated: the command line, the properties, the models' cards, the result cards.

A page says where with a comment, `<!-- generated: commands -->`; what replaces it comes from the package and from
`benchmarks/results`, so that no table or figure is kept by hand.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
MARK = re.compile(r"<!-- generated: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every mark of a page (called by MkDocs for each page)."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; numbers have at most four significant digits."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def cell(value: object) -> str:
    """Return a value as the text of a table cell."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str("" if value is None else value).replace("|", r"\|").replace("\n", " ")


def commands() -> str:
    """Return the reference of every verb, from the same declarations as `--help`."""
    command = [sys.executable, "-m", "typer", "cryskit.cli", "utils", "docs", "--name", "cryskit"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return text.partition("\n")[2]  # the page has a title of its own


def properties() -> str:
    """Return the table of properties."""
    from cryskit.properties import load  # noqa: PLC0415

    rows = [
        (
            f"`{p.name}`",
            p.symbol,
            p.unit or "none",
            "log10" if p.transform == "log10" else "",
            p.functional,
            p.description,
        )
        for p in load().values()
    ]
    return table(["name", "symbol", "unit", "learned as", "functional", "what it is"], rows)


def results() -> str:
    """Return one section per result card of the benchmarks."""
    cards = sorted(RESULTS.glob("*.json"))
    if not cards:
        return "*No result card has been recorded yet.*"
    return "\n\n".join(section(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in cards)


def section(name: str, card: Mapping[str, Any]) -> str:
    """Return a result card as Markdown: its plain entries as a list, each list of records as a table."""
    tables = {
        key: value for key, value in card.items() if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    plain = flat({key: value for key, value in card.items() if key not in {*tables, "title"}})
    parts = [
        f"## {card.get('title', name.replace('_', ' '))}",
        "\n".join(f"- {key}: {cell(v)}" for key, v in plain.items()),
    ]
    for key, records in tables.items():
        columns = list(dict.fromkeys(column for record in records for column in flat(record)))
        rows = [[flat(record).get(column) for column in columns] for record in records]
        parts += [f"**{key.replace('_', ' ')}**", table([c.replace("_", " ") for c in columns], rows)]
    return "\n\n".join(part for part in parts if part)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return the leaves of nested mappings, their names joined by spaces."""
    leaves: dict[str, object] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}".replace("_", " ")
        leaves |= flat(value, f"{name} ") if isinstance(value, dict) else {name: value}
    return leaves


PARTS: Mapping[str, Callable[[], str]] = {"commands": commands, "properties": properties, "results": results}
