"""Numbers as files write them: what Python reads in addition ("5_6" for 56, digits of other scripts) is none."""

from __future__ import annotations


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
