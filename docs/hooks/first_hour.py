"""Fill the page on installing with what the first hour of a newcomer took, from its result card, at `<!-- first hour -->`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import filled, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "<!-- first hour -->"
DOCS = Path(__file__).resolve().parents[1]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark of a page (called by MkDocs for each page)."""
    return filled(markdown, MARK, "first-hour", hour)


def hour(card: Mapping[str, Any]) -> str:
    """Return the seconds of every page, what was installed, on what, and what was not run."""
    rows = [
        [
            _link(row["page"]),
            row["extras"].replace(", ", " "),
            row["commands"],
            f"{row['wall_seconds']:.0f}",
            f"{row['cpu_seconds']:.0f}",
            f"`{row['slowest']}`".replace("|", "\\|") if row["slowest"] else "",
            f"{row['slowest_seconds']:.0f}" if row["slowest"] else "",
        ]
        for row in card["pages"]
    ]
    heads = ["page", "extras", "commands", "seconds", "of the processor", "the slowest", "its seconds"]
    made, sizes, total = card["machine"], card["environment"], card["total"]
    plain, full = sizes["plain"], sizes["all_extras_of_the_pages"]
    first = [one for one in card["installation"] if ".[" not in one["command"]]
    wrong = len(card["wrong"])
    shown = sum(row["outputs_shown"] for row in card["pages"])
    others = max(row["others_cores"] for row in card["pages"])
    said = (
        f"Installing without extras took {sum(one['wall_seconds'] for one in first):.0f} s and {plain['megabytes']:,} MB ({plain['packages']} packages), "
        f"with the extras of all these pages {total['installing']['wall_seconds']:.0f} s and {full['megabytes']:,} MB; `make demo`, which also installs all that "
        f"developers use, {card['make_demo']['wall_seconds']:.0f} s and {card['make_demo']['megabytes']:,} MB. How long downloads take depends on "
        f"the network. The {sum(row['commands'] for row in card['pages'])} commands and programs took {total['pages']['wall_seconds'] / 60:.0f} minutes. "
        f"{_wrong(wrong)}, and {shown} outputs are those that the pages show. Measured on {made['cpu']} with {made['cores']} cores, on which other programs ran, too "
        f"(up to {others:.1f} cores); torch {made['versions']['torch']}, {made['system'].rpartition(', ')[2]}."
    )
    left = "; ".join(f"{_link(one['page'])}, which {one['because']}" for one in card["not_run"])
    return f"{said}\n\n{table(heads, rows)}\n\nNot run: {left}."


def _wrong(count: int) -> str:
    return "None failed" if not count else f"{count} went wrong"


def _link(page: str) -> str:
    """Return the title of a page as a link from the page on installing."""
    if not page.startswith("docs/"):
        return page.removesuffix(".md")
    path = page.removeprefix("docs/")
    return f"[{(DOCS / path).read_text(encoding='utf-8').partition(chr(10))[0].removeprefix('# ')}]({path})"
