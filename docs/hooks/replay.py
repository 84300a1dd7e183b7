"""Fill the page on suggestions with the labels that replays needed, from their result card, at `<!-- replay -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- replay -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, MARK, "replay", labels)


def labels(card: Mapping[str, Any]) -> str:
    """Return how many labels each way of choosing needed, and their ratio to random search."""
    ways = list(dict.fromkeys(row["way"] for row in card["labels"]))
    rows = []
    for facts in card["sets"]:
        for found in dict.fromkeys(row["found"] for row in card["labels"]):
            of_way = {row["way"]: row for row in card["labels"] if row["set"] == facts["set"] and row["found"] == found}
            rows.append([facts["set"], facts["crystals"], found, *(_said(of_way[way]) for way in ways)])
    settings = card["settings"]
    said = (
        f"Labels until half, and until four fifths, of the best {settings['best']:.0%} of a set are found: means of {settings['seeds']} replays that begin "
        f"with {settings['first']} random crystals and ask for {settings['batch']} at a time. In brackets: ratio to random search, with its 95 % "
        "bootstrap interval over replays."
    )
    return f"{said}\n\n{table(['set', 'crystals', 'found', *ways], rows)}"


def _said(row: Mapping[str, Any]) -> str:
    ratio = "" if row["way"] == "random" else f" ({row['of_random']:.2f}, {row['low']:.2f} to {row['high']:.2f})"
    return f"{row['labels']:.0f}{ratio}"
