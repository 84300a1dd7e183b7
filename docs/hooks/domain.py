"""Fill the page on the domain of a model with what its result card holds, at `<!-- domain -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- domain -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, MARK, "domain", tables)


def tables(card: Mapping[str, Any]) -> str:
    """Return the shares of real, corrupted and absurd crystals in each domain, with errors, size and time."""
    real = [
        (f"real, {row['formulas']} formulas", row["crystals"], "", *(row[name] for name in ("in", "edge", "out")))
        for row in card["real"]
    ]
    unreal = [
        (row["corruption"], row["crystals"], row["auc"], *(row.get(name, "") for name in ("in", "edge", "out")))
        for row in card["corruptions"]
    ]
    absurd = [
        (row["crystals"], row["made"], "", *(row[name] for name in ("in", "edge", "out"))) for row in card["absurd"]
    ]
    errors = [
        (f"{formulas} formulas", name, found["crystals"], found["mae"])
        for formulas, each in card["errors"].items()
        for name, found in each.items()
    ]
    cost = card["milliseconds_per_crystal"]
    same = sum(row.get("same_crystal", 0) for row in card["corruptions"])
    said = (
        f"{card['title']}, test crystals of its split. The tensors have {card['bytes'] / 1000:.0f} kB; learning took "
        f"{card['seconds_to_learn']:.0f} s of processor time, a verdict {cost['domain']:.2f} ms, where the network takes "
        f"{cost['network']:.2f} ms. AUC is that of the score against real crystals. {same} of the shuffled crystals are the "
        "crystal that they were made of, in another description."
    )
    first = table(["crystals", "number", "AUC", "in", "edge", "out"], [*real, *unreal, *absurd])
    second = table(["test crystals", "domain", "number", "error of the formation energy, eV/atom"], errors)
    return f"{said}\n\n{first}\n\n{second}"
