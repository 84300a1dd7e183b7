"""What every process of the service obeys: it leaves signals to the service, computes with few threads, and may take so much memory."""

from __future__ import annotations

import signal
from functools import cache

import torch

_READERS = ("csv_records", "frames", "from_ase", "from_pymatgen", "parquet", "poscar")
PRELOADED = (
    "cryskit.service.parsing",
    "cryskit.service.explaining",
    "ase.io.extxyz",
    "pyarrow.parquet",
    "spglib",
    *(f"cryskit.data.readers.{name}" for name in _READERS),
)
"""Modules that all processes share, as they are copies of one that has loaded them."""


@cache
def settle_process(threads: int = 1) -> None:
    """Leave signals that are meant for the service to it, and limit the threads that PyTorch computes with.

    Args:
        threads: Number of threads.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(threads)


@cache
def limit_process(memory: int) -> None:
    """Settle this process and limit its memory.

    Args:
        memory: Bytes that it may take on top of what it has now, when its libraries are loaded.
    """
    settle_process()
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = _taken(resource.getpagesize()) + memory
    resource.setrlimit(resource.RLIMIT_AS, (wanted if most < 0 else min(wanted, most), most))


def _taken(page: int) -> int:
    """Return the bytes of the address space of this process, or a guess where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
            return int(file.read().split()[0]) * page
    except OSError:
        return 2_000_000_000
