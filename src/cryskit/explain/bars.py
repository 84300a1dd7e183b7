"""Pieces of HTML: bars to the left and right of zero, and tables. Every text that is given is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Bar(NamedTuple):
    """One line of a bar chart."""

    name: str
    value: float


def number(value: float, *, signed: bool = False) -> str:
    """Return a number with four significant digits and a true minus sign."""
    return f"{value:{'+' if signed else ''}.4g}".replace("-", "\N{MINUS SIGN}")


def signed_bars(bars: Sequence[Bar], caption: str) -> str:
    """Return a chart of values around zero: negative ones blue, positive ones red.

    Args:
        bars: Bars in order from the top.
        caption: Sentence below the chart that says what the values are, with their unit.
    """
    low, high = min([0.0, *(b.value for b in bars)]), max([0.0, *(b.value for b in bars)])
    width = (high - low) or 1.0
    lines = [
        _line(
            bar.name,
            number(bar.value, signed=True),
            (min(bar.value, 0.0) - low) / width,
            abs(bar.value) / width,
            "less" if bar.value < 0 else "more",
            zero=-low / width,
        )
        for bar in bars
    ]
    return _figure(lines, caption)


def size_bars(bars: Sequence[Bar], caption: str) -> str:
    """Return a chart of values that are not negative.

    Args:
        bars: Bars in order from the top.
        caption: Sentence below the chart that says what the values are, with their unit.
    """
    most = max([0.0, *(b.value for b in bars)]) or 1.0
    return _figure([_line(b.name, number(b.value), 0.0, b.value / most, "use", zero=0.0) for b in bars], caption)


def table(headings: Sequence[str], rows: Iterable[Sequence[str | float | int]]) -> str:
    """Return a table; numbers stand to the right.

    Args:
        headings: Heading of each column.
        rows: Rows of the table, each with a text or number per column.
    """
    body = [list(row) for row in rows]
    numeric = [all(not isinstance(row[i], str) for row in body) for i in range(len(headings))]
    head = "".join(_cell("th", text, right) for text, right in zip(headings, numeric, strict=True))
    lines = ["".join(_cell("td", value, right) for value, right in zip(row, numeric, strict=True)) for row in body]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(tag: str, value: str | float, right: bool) -> str:  # noqa: FBT001
    text = number(value) if isinstance(value, float) else str(value)
    return f"<{tag}{' class=n' if right else ''}>{escape(text)}</{tag}>"


def _line(name: str, text: str, left: float, width: float, kind: str, *, zero: float) -> str:
    return (
        f'<div class="bar"><span>{escape(name)}</span>'
        f'<span class="track" style="--zero: {zero:.2%}">'
        f'<span class="fill {kind}" style="left: {left:.2%}; width: {width:.2%}"></span></span>'
        f'<span class="number">{text}</span></div>'
    )


def _figure(lines: Sequence[str], caption: str) -> str:
    return f"<figure>{''.join(lines)}<figcaption>{escape(caption)}</figcaption></figure>"
