"""Fill the page on intervals with what its result card holds, at `<!-- intervals -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- intervals -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, MARK, "intervals-cryskit-mp", tables)


def tables(card: Mapping[str, Any]) -> str:
    """Return coverage and width of intervals on test crystals, beside intervals of one width, and coverage by chemistry."""
    again = f"new formulas, fitted again to {card['fitted again']['crystals']} of them"
    parts = {**card["test"], again: card["fitted again"]["test"]}
    rows, kinds = [], []
    for part, found in parts.items():
        for name, row in found.items():
            one = row["one width"]
            figures = row["coverage"]["0.9"], row["width"], one["coverage"], one["width"], row["rank correlation"]
            rows.append((part, name.replace("_", " "), row["crystals"], *figures))
            kinds += [
                (part, name.replace("_", " "), kind, of["crystals"], of["coverage"])
                for kind, of in row["kinds"].items()
                if name in {"formation_energy_per_atom", "band_gap"} and kind != "all"
            ]
    head = ["test crystals", "property", "number", "coverage", "mean width", "of one width: coverage", "width"]
    first = table([*head, "rank correlation of width and error"], rows)
    second = table(["test crystals", "property", "kind", "number", "coverage"], kinds)
    said = (
        f"`cryskit-mp` {card['model']['version']}, level 0.9, fitted to {card['split']['calibration']} calibration crystals alone, judged on test crystals "
        "that nothing was fitted to. Widths are in eV/atom and eV, of moduli in log10 GPa. What the model keeps for it takes "
        f"{card['bytes'] / 1e6:.2f} MB. The published file is calibrated on the test crystals, too: more crystals, steadier intervals."
    )
    return f"{said}\n\n{first}\n\nBy kind of crystal:\n\n{second}"
