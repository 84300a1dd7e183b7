"""Fill pages on small tables with what result cards hold.

At `<!-- small tables -->` the nested errors of `cryskit fit`, at `<!-- pre-trained start -->` the errors of networks that a hundred
measured labels trained, from random weights and from published models.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- small tables -->"
START_MARK = "<!-- pre-trained start -->"
_STARTS = {
    "scratch": "random weights",
    "start crysae": "`crysae`, which has learned from structures without labels",
    "start cryskit-mp": "`cryskit-mp`, which has learned DFT values, of these properties among others",
}
_LABELS = {
    "band gap, eV, 100 labels": "band gap, eV",
    "formation enthalpy, eV/atom, 100 labels": "enthalpy of formation, eV/atom",
}
_APART = {"fit", "mean of the labels", "Magpie, boosted trees"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(filled(markdown, MARK, "fit", errors), START_MARK, "experiment", starts)


def starts(card: Mapping[str, Any]) -> str:
    """Return the errors on the first draw of networks that a hundred measured labels trained, by what they started from."""
    found = {row["predicted by"]: row for row in card["first draw only"]}
    rows = [[start, *(found[name][column] for column in _LABELS)] for name, start in _STARTS.items()]
    return table(["network that starts from", *_LABELS.values()], rows)


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
