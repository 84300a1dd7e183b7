"""Fill the page on small tables with the nested errors that its result card holds, at `<!-- small tables -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- small tables -->"
_APART = {"fit", "mean of the labels", "Magpie, boosted trees"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, MARK, "fit", errors)


def errors(card: Mapping[str, Any]) -> str:
    """Return the nested error of `fit`, of the best single candidate, of the rival and of the guess, for each set."""
    rows = []
    for facts in card["sets"]:
        every = {one["model"]: one for one in card["errors"] if one["set"] == facts["set"]}
        singles = [one for name, one in every.items() if name not in _APART and ", " in name]
        best = min(singles, key=lambda one: one["mae"])
        rows.append(
            [
                facts["set"],
                facts["crystals"],
                facts["unit"] or "1",
                _spread(every["fit"]),
                f"{_spread(best)} ({best['model']})",
                _spread(every["Magpie, boosted trees"]),
                f"{every['mean of the labels']['mae']:.3g}",
            ]
        )
    head = ["set", "crystals", "unit", "`fit`", "best single candidate", "Magpie, boosted trees", "mean of the labels"]
    return f"Mean absolute errors ± deviation over the five folds.\n\n{table(head, rows)}"


def _spread(found: dict[str, Any]) -> str:
    return f"{found['mae']:.3g} ± {found['deviation']:.1g}"
