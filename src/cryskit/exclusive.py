"""A folder in which one process works at a time: a second one is refused, and a killed one leaves no claim."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryskit.errors import CryskitError

LOCK = "lock"
"""File of a folder that the process which works in it has locked."""


@contextmanager
def exclusive(folder: Path, otherwise: CryskitError) -> Iterator[None]:
    """Keep other processes out of a folder; on systems without such locks nobody is kept out.

    Args:
        folder: The folder; it is made if it is missing.
        otherwise: Error that is raised if another process is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a", encoding="utf-8") as lock:
        with suppress(ImportError):
            import fcntl  # noqa: PLC0415 - not on every system

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise otherwise from error
        yield
