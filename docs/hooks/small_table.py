"""Fill the page on small tables with the nested errors that its result card holds, at `<!-- small tables -->`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from generated import RESULTS, table  # MkDocs runs a hook as a file, not as a module of a package

MARK = "<!-- small tables -->"
_APART = {"fit", "mean of the labels", "Magpie, boosted trees"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return markdown.replace(MARK, errors()) if MARK in markdown else markdown


def errors() -> str:
    """Return the nested error of `fit`, of the best single candidate, of the rival and of the guess, for each set."""
    try:
        card = json.loads((RESULTS / "fit.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "*The run has not been made yet.*"
    rows = []
    for name, found in card["sets"].items():
        every = found["errors"]
        singles = {key: value for key, value in every.items() if key not in _APART and ", " in key}
        best = min(singles, key=lambda key: singles[key][0])
        rows.append(
            [
                name,
                found["crystals"],
                found["unit"] or "1",
                _spread(every["fit"]),
                f"{_spread(every[best])} ({best})",
                _spread(every["Magpie, boosted trees"]),
                f"{every['mean of the labels'][0]:.3g}",
            ]
        )
    head = ["set", "crystals", "unit", "`fit`", "best single candidate", "Magpie, boosted trees", "mean of the labels"]
    return f"Mean absolute errors ± deviation over the five folds.\n\n{table(head, rows)}"


def _spread(found: list[float]) -> str:
    return f"{found[0]:.3g} ± {found[1]:.1g}"
