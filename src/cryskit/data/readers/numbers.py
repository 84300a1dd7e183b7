"""Numbers as files write them: what Python reads in addition ("5_6" for 56, digits of other scripts) is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def to_float(text: str) -> float:
    """Return the number that a word in a file is.

    Args:
        text: Such as "5.64", "-1e-3" or "nan".

    Raises:
        ValueError: It is no number.
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)


def to_floats(texts: Sequence[str]) -> list[float]:
    """Return the numbers that the words of a column are.

    Args:
        texts: Words as for `to_float`.

    Raises:
        ValueError: One of them is no number.
    """
    joined = "".join(texts)
    return [*map(float if joined.isascii() and "_" not in joined else to_float, texts)]


def is_number(text: str) -> bool:
    """Return whether a word in a file is a number."""
    try:
        to_float(text)
    except ValueError:
        return False
    return True
