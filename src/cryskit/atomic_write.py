"""Atomic writes: a file is either whole or absent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; what is written there replaces `path` if the block succeeds.

    A reader sees the old file or the new one, never half of one; a block that fails leaves nothing behind.

    Args:
        path: Path of the file; its folder is made.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(value: Any, path: Path | str) -> None:
    """Write a value as JSON, whole or not at all.

    Args:
        value: Value made of mappings, lists, texts and numbers.
        path: Path of the file; its folder is made.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
