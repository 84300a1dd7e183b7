"""The log of a run: one line of JSON per epoch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cryskit.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

LOG = "log.jsonl"
"""File of a run with a line per epoch."""


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the epochs of a run in order; of an epoch that was repeated, the last line.

    Args:
        path: The `log.jsonl` of a run. A last line that was cut off is passed over.

    Raises:
        DataError: It cannot be read, or holds no epoch.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", "Give the log.jsonl of a run") from error
    entries = [entry for line in lines if (entry := _entry(line))]
    epochs = {int(entry["epoch"]): entry for entry in entries}
    if not epochs:
        raise DataError(f"{path} holds no epoch", "Wait for the first epoch of the run to end")
    return [epochs[number] for number in sorted(epochs)]


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(entry, dict) and "validation_loss" in entry and isinstance(entry.get("epoch"), int)
    return entry if whole else None
