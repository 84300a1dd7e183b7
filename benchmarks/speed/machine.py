"""The machine a measurement was taken on: what it is, what it can do at best, and what else it was doing."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.clock import interleave
from cryskit.benchmark.facts import processor

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
"""Folder of the result cards."""

_PACKAGES = ("cryskit", "torch", "numpy", "pymatgen-core", "gemmi", "moyopy", "pyarrow", "lightning")


def facts(threads: int) -> dict[str, Any]:
    """Return what has to be known to repeat a measurement.

    Args:
        threads: Number of threads that torch uses.
    """
    return {
        "command": shlex.join(["python", "-m", _program(), *map(_plain, sys.argv[1:])]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=12", "HEAD") or "unknown",
        "changed_since_commit": bool(_git("status", "--porcelain", "src", "benchmarks")),
        "cpu": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "threads": threads,
        "load_before": os.getloadavg()[0],
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def host_class() -> str:
    """Return a name for machines like this one, for the card's file name."""
    words = "".join(c if c.isalnum() else " " for c in processor().lower()).split()
    return "-".join([*words[:3], f"{os.cpu_count()}c"])


def peaks(clock: str, repeats: int = 7) -> dict[str, float]:
    """Measure the best that this machine does with torch's threads: products of matrices, and copies.

    Args:
        clock: "wall", or "cpu" for one thread on a machine that does other things too.
        repeats: Number of repeats, of which the best counts.

    Returns:
        `gflops`, GFLOP/s of a float32 product of 2048 x 2048 matrices; `gbytes`, GB/s read and written by a copy of
        256 MiB, which no cache holds.
    """
    side = 2048
    left, right = torch.rand(side, side), torch.rand(side, side)
    source = torch.rand(2**26)
    target = torch.empty_like(source)
    turns = interleave({"product": lambda: torch.mm(left, right), "copy": lambda: target.copy_(source)}, repeats)
    product, copy = (min(getattr(times, clock)) for times in turns.values())
    return {"gflops": 2 * side**3 / product / 1e9, "gbytes": 2 * 4 * len(source) / copy / 1e9}


class Others:
    """How many cores other processes kept busy since this was made."""

    def __init__(self) -> None:
        self._start = self._now()

    def cores(self) -> float:
        """Return the mean number of cores that others used."""
        (busy, own, wall), (busy_before, own_before, wall_before) = self._now(), self._start
        return max(0.0, (busy - busy_before - own + own_before) / (wall - wall_before))

    @staticmethod
    def _now() -> tuple[float, float, float]:
        statistics = Path("/proc/stat")
        ticks = os.sysconf("SC_CLK_TCK")
        fields = (
            statistics.read_text(encoding="utf-8").split("\n", 1)[0].split()[1:] if statistics.exists() else ["0"] * 8
        )
        idle = int(fields[3]) + int(fields[4])
        mine = os.times()
        return (
            (sum(map(int, fields[:8])) - idle) / ticks,
            mine.user + mine.system + mine.children_user + mine.children_system,
            time.monotonic(),
        )


def page_faults() -> int:
    """Return how many pages this process has been given so far (minor faults), as /proc/self/stat counts them."""
    statistics = Path("/proc/self/stat")
    return int(statistics.read_text(encoding="utf-8").rpartition(")")[2].split()[7]) if statistics.exists() else 0


def _program() -> str:
    """Return the name under which Python was given the program with -m."""
    spec = sys.modules["__main__"].__spec__
    return spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem


def _plain(argument: str) -> str:
    """Return an argument with the path of this machine taken off."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
