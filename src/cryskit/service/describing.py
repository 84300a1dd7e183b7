"""Descriptions in words, made in a process of its own with a limit on time: Robocrystallographer may take long."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cryskit.text.describe import describe_each, failed, processes, version
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from cryskit.parallel import Pool
    from cryskit.text.describe import Description

TIMEOUT = 30.0
"""Seconds that describing one crystal may take."""
_TEXTS = ("id", "formula", "text", "overall", "local", "status", "reason")
DESCRIPTIONS = pa.schema([(name, pa.string()) for name in _TEXTS])
"""One description per crystal."""


class Describer:
    """Describes crystals, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    @staticmethod
    def version() -> str:
        """Return what describes, with its version.

        Raises:
            CryskitError: Robocrystallographer is not installed.
        """
        return version()

    def rows(self, items: list[Crystal | Failure]) -> list[dict[str, Any]]:
        """Return a row per item, in order: id, formula, text, its global and local part, status and reason.

        Args:
            items: Crystals and failures.
        """
        found = iter(self._described([item for item in items if isinstance(item, Crystal)]))
        made = [next(found) if isinstance(item, Crystal) else failed(item) for item in items]
        return [_row(item, description) for item, description in zip(items, made, strict=True)]

    def with_texts(self, items: list[Crystal | Failure]) -> list[Crystal | Failure]:
        """Return the items, crystals without a description with one; where none can be made, a warning says so.

        Args:
            items: Crystals and failures.
        """
        version()
        lacking = [item for item in items if isinstance(item, Crystal) and item.text is None]
        made = iter(self._described(lacking))
        return [_with(item, next(made)) if isinstance(item, Crystal) and item.text is None else item for item in items]

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._pool is not None:
                self._pool.__exit__(None, None, None)

    def _described(self, crystals: list[Crystal]) -> list[Description]:
        if not crystals:
            return []
        with self._lock:
            self._pool = self._pool or processes(1, TIMEOUT)
            return list(describe_each(crystals, self._pool, TIMEOUT))


def _row(item: Crystal | Failure, found: Description) -> dict[str, Any]:
    formula = item.formula if isinstance(item, Crystal) else None
    parts = {"text": found.text, "overall": found.overall, "local": found.local}
    return {"id": found.id, "formula": formula, **parts, "status": found.status, "reason": found.reason}


def _with(crystal: Crystal, found: Description) -> Crystal:
    if found.status == "described":
        return replace(crystal, text=f"{found.overall}\n{found.local}")
    reason = f"Predicted without a description ({found.reason})"
    return replace(crystal, text="", warnings=(*crystal.warnings, reason))
