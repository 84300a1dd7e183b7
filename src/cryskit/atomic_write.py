"""Atomic writes: a file is either whole or absent.

What is being written has a name of its own, `.NAME.MACHINE-PROCESS-RANDOM.partial`. So what a killed process has left can be recognised
from what a living one is writing, and is removed by the next that writes the same file or claims the same folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTIAL = re.compile(
    r"\.(?P<name>.+)\.(?:(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-)?[0-9a-f]{12,32}\.partial(?:-journal)?", re.DOTALL
)
"""Names of half-written files, and of the journals that SQLite writes next to its own."""
_FORSAKEN = (
    7 * 24 * 3600.0
)  # seconds after which a file of another machine, whose processes are not seen from here, is given up


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; what is written there replaces `path` if the block succeeds.

    A reader sees the old file or the new one, never half of one; a block that fails leaves nothing behind, and what one that
    was killed has left is removed.

    Args:
        path: Path of the file; its folder is made.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_partial(target.parent, target.name)
    temporary = target.with_name(f".{target.name}.{_machine()}-{os.getpid()}-{uuid4().hex[:12]}.partial")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: Path, name: str | None = None) -> None:
    """Remove the half-written files that dead processes have left in a folder; those of living ones stay.

    Args:
        folder: The folder, which need not exist.
        name: Name of the file that was being written; None for any.
    """
    with suppress(OSError):
        for file in list(os.scandir(folder)):
            found = _PARTIAL.fullmatch(file.name) if ".partial" in file.name else None
            if found is not None and name in {None, found["name"]} and _is_forsaken(file, found):
                Path(file.path).unlink(missing_ok=True)


def write_json(value: Any, path: Path | str) -> None:
    """Write a value as JSON, whole or not at all.

    Args:
        value: Value made of mappings, lists, texts and numbers.
        path: Path of the file; its folder is made.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")


def read_json(path: Path | str, cure: str) -> Any:
    """Return the value in a JSON file that the package wrote for itself.

    Args:
        path: Path of the file.
        cure: What to do where it is damaged, as a sentence without its full stop.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is missing or damaged ({error})", cure) from error


def _machine() -> str:
    """Return eight digits for this machine."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_forsaken(file: os.DirEntry[str], found: re.Match[str]) -> bool:
    """Return whether nobody writes a file any more, as far as can be seen."""
    if found["machine"] == _machine() and os.name == "posix":
        return not _lives(int(found["process"]))
    return time.time() - file.stat().st_mtime > _FORSAKEN


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True
