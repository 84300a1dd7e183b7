"""Small tables in HTML, as notebooks show objects. Every text that is given is escaped; nothing is loaded and nothing runs."""

from __future__ import annotations

from html import escape
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_RIGHT = ' style="text-align: right"'
_LEFT = ' style="text-align: left"'


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return a title and a table of names and values; what is empty is left out.

    Args:
        title: The title.
        facts: Name to value.
    """
    known = [(name, str(value)) for name, value in facts.items() if value not in {None, ""}]
    lines = "".join(f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{escape(value)}</td></tr>" for name, value in known)
    return f"<div><strong>{escape(title)}</strong><table>{lines}</table></div>"


def rows_html(headings: Sequence[str], rows: Iterable[Sequence[str | float | None]], caption: str = "") -> str:
    """Return a table; numbers have four significant digits and stand to the right.

    Args:
        headings: Heading of each column; a second line, such as a unit, is behind a line break.
        rows: Rows, each with a text, a number or None per column.
        caption: Sentence below the table.
    """
    head = "".join(f"<th>{'<br>'.join(map(escape, text.splitlines()))}</th>" for text in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    below = f"<p><small>{escape(caption)}</small></p>" if caption else ""
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return f"<td{_LEFT}>{escape(value)}</td>"
    if value is None or isnan(value):
        return "<td></td>"
    return f"<td{_RIGHT}>{value:.4g}</td>"
