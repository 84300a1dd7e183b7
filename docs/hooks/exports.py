"""Fill the page on exports with what the result card holds, at `<!-- exports -->`, and with the arrays, at `<!-- layout -->`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from generated import RESULTS, table  # MkDocs runs a hook as a file, not as a module of a package


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page (called by MkDocs for each page)."""
    for mark, part in (("<!-- exports -->", exports), ("<!-- layout -->", layout)):
        if mark in markdown:
            markdown = markdown.replace(mark, part())
    return markdown


def exports() -> str:
    """Return sizes and deviations of the exported models."""
    card = json.loads((RESULTS / "export.json").read_text(encoding="utf-8"))
    head = ["model", "format", "MB", "golden inputs", *(f"{size} crystals" for size in card["sizes"])]
    rows = [
        [
            f"`{row['model']}`",
            row["format"],
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['golden_deviation']:.0e}",
            *(f"{value:.0e}" for value in row["deviation_by_crystals"].values()),
        ]
        for row in card["models"]
    ]
    return table(head, rows)


def layout() -> str:
    """Return the inputs of an exported network."""
    from cryskit.exported.network import LAYOUT  # noqa: PLC0415 - only this page waits for torch

    rows = [(f"`{name}`", array.axis, array.dtype, array.meaning) for name, array in LAYOUT.items()]
    return table(["input", "first dimension", "type", "meaning"], rows)
