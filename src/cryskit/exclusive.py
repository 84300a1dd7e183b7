"""A folder in which one run works at a time: a second one is refused, and a killed one leaves no claim."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryskit.errors import CryskitError

LOCK = "lock"
"""File of a folder that the process which works in it has locked."""


def is_main_process() -> bool:
    """Return whether this process is the one that reports: of several, one for each device of each computer, the first."""
    ranks = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(rank, "0") == "0" for rank in ranks)


@contextmanager
def exclusive(folder: Path, otherwise: CryskitError) -> Iterator[None]:
    """Keep other runs out of a folder; on systems without such locks nobody is kept out.

    Of the processes of a run on several devices the first keeps it for all.

    Args:
        folder: The folder; it is made if it is missing.
        otherwise: Error that is raised if another process is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not is_main_process():
        yield
        return
    with (folder / LOCK).open("a", encoding="utf-8") as lock:
        with suppress(ImportError):
            import fcntl  # noqa: PLC0415 - not on every system

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise otherwise from error
        yield
