"""Fill the page on the published model with how well it knows the elements, at `<!-- elements -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, "<!-- elements -->", "elements", compared)


def compared(card: Mapping[str, Any]) -> str:
    """Return the errors of each model at ground states of elements and at elemental crystals that the split holds out."""
    named = list(card["models"][0]["ground_states"]["predicted"])
    columns = ["eV/atom", "ground states", "in the interval", *named, "held out"]
    rows = [
        [
            f"`{row['model']}`",
            row["ground_states"]["mae"],
            _share(row["ground_states"]),
            *(f"{row['ground_states']['predicted'][name]:.2f}" for name in named),
            row["held_out"]["mae"],
        ]
        for row in card["models"]
    ]
    first = card["models"][0]
    return (
        "Formation energies are counted from the elements, whose ground states have zero by definition. The mean error at "
        f"{first['ground_states']['crystals']} ground states of the training part, some of which an earlier version has not seen, the share of them within intervals of 90 %, predictions of some, and the mean error at "
        f"the {first['held_out']['crystals']} elemental crystals that the split holds out (card `elements`):\n\n{table(columns, rows)}"
    )


def _share(found: Mapping[str, Any]) -> str:
    return f"{found['covered_at_0.9']:.0%}" if "covered_at_0.9" in found else ""
