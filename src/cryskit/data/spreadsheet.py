"""Texts in CSV files that spreadsheets do not run: a cell that begins like a formula gets an apostrophe in front.

An apostrophe that already stands there, before such a beginning, gets another one, so that what is written is read back.
"""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20\x00-\x1f\x7f]")
_WRITTEN = re.compile("'" + _FORMULA.pattern)


def guard(value: Any) -> Any:
    """Return a value as it may stand in a cell of a CSV file; only texts that begin like a formula are changed.

    Args:
        value: Value of the cell. Numbers stay numbers, also negative ones.
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def unguard(value: Any) -> Any:
    """Return the value of a cell that `guard` may have changed.

    Args:
        value: Value that was read.
    """
    return value[1:] if isinstance(value, str) and _WRITTEN.match(value) else value
