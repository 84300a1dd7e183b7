"""Fill the page on continuity with the changes of predictions that its result card holds, at `<!-- continuity -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- continuity -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, MARK, "continuity", tables)


def tables(card: Mapping[str, Any]) -> str:
    """Return how much predictions and errors change under changes of crystals that change nothing, for each model."""
    changes = [
        (
            _name(model),
            row["change"],
            row["property"].replace("_", " "),
            row["mean"],
            row["nine_in_ten"],
            row["largest"],
        )
        for model in card["models"]
        for row in model["changes"]
    ]
    errors = [
        (_name(model), row["property"].replace("_", " "), row["mae"], row["mae_shaken"], row["ratio"])
        for model in card["models"]
        for row in model["errors"]
    ]
    first = table(
        ["model and neighbours", "change of the crystal", "property", "mean change", "90 %", "largest"], changes
    )
    head = ["model", "property", "error", "of the same crystals strained by 0.1 % and displaced by 0.002 Å", "ratio"]
    sizes = "; ".join(f"{model['edges_per_node']} for {_name(model)}" for model in card["models"])
    said = f"{card['crystals']} test crystals; eV/atom and eV. Edges for each node of their graphs: {sizes}."
    return f"{said}\n\n{first}\n\n{table(head, errors)}"


def _name(model: dict[str, Any]) -> str:
    return f"`{model['name']}`, {model['neighbours']}"
