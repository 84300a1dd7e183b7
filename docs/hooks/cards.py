"""Result cards, and Markdown made of them: what the hooks that fill pages share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def result_card(name: str) -> Any:
    """Return a result card by its name."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def filled(markdown: str, mark: str, name: str, write: Callable[[Any], str]) -> str:
    """Return a page with what is written of a result card in the place of a mark, or that the run has not been made yet.

    Args:
        markdown: The page.
        mark: The mark.
        name: Name of the card.
        write: Function from the card to Markdown.
    """
    if mark not in markdown:
        return markdown
    try:
        return markdown.replace(mark, write(result_card(name)))
    except FileNotFoundError:
        return markdown.replace(mark, "*The run has not been made yet.*")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; numbers have at most four significant digits."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def cell(value: object) -> str:
    """Return a value as the text of a table cell."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str("" if value is None else value).replace("|", r"\|").replace("\n", " ")
