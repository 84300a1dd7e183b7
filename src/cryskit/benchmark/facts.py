"""What has to be known beside a result: on which machine, at what cost."""

from __future__ import annotations

import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

_RESET = "5"  # what proc(5) takes to forget the peak of the resident memory
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def machine() -> dict[str, Any]:
    """Return what a machine is: processor, cores, system, threads of torch, accelerator."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    }


class Cost:
    """Time and memory from when this was made; the peak of the memory is that of the process, where Linux tells it."""

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


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
