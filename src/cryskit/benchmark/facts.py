"""The circumstances of a result: the machine, the time and the memory."""

from __future__ import annotations

import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from cryskit.benchmark.card import Machine

_RESET = "5"  # what proc(5) takes to forget the peak of the resident memory
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def machine() -> Machine:
    """Return the machine that this process runs on."""
    return Machine(
        cpu=processor(),
        cores=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        threads=torch.get_num_threads(),
        accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    )


def processor() -> str:
    """Return the model of the processor."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Cost:
    """Seconds since it was made and the peak memory of the process, where Linux counts that.

    Attributes:
        date: When it was made, UTC.
    """

    def __init__(self) -> None:
        self.date = datetime.now(UTC).isoformat(timespec="seconds")
        self._start = time.monotonic()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        if sys.platform == "linux":
            try:
                _CLEAR.write_text(_RESET, encoding="ascii")
            except OSError:
                return  # the peak is then that of the whole process

    def seconds(self) -> float:
        """Return the seconds that have gone by."""
        return round(time.monotonic() - self._start, 2)

    def memory(self) -> dict[str, float]:
        """Return the peaks of the memory in MiB: of the process, and of an accelerator if there is one."""
        peaks = {}
        if _STATUS.exists():
            status = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
            peaks["process"] = round(int(status["VmHWM"].split()[0]) / 1024, 1)
        if torch.cuda.is_available():
            peaks["accelerator"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
        return peaks
