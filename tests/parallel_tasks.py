"""What the processes of the tests do; in a module of its own, so that they find it."""

from __future__ import annotations

import os
import re
import signal
import struct
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryskit.errors import CryskitError
from cryskit.parallel import restart_clock

if TYPE_CHECKING:
    from collections.abc import Iterator


def work(item: str) -> str:
    """Return the item in capitals, unless it says what goes wrong."""
    if item.startswith("die while sending"):
        die_while_sending()
    if item.startswith("die"):
        os._exit(3)
    if item.startswith("killed"):
        be_killed(Path(item.split(maxsplit=2)[1]), int(item.split(maxsplit=2)[2]))
    if item.startswith("late"):
        time.sleep(60)
    if item.startswith("deaf"):
        re.match("(a+)+$", "a" * 60 + "b")  # years in compiled code, which hears of no signal
    if item == "odd":
        raise KeyboardInterrupt("nobody expects this")
    if item == "missing":
        raise CryskitError("It is not installed", "Install it")
    return item.upper()


def die_while_sending() -> None:
    """Send the beginning of a result, as a process does that is killed while it sends one."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        frame = frame.f_back
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 100) + b"some of it")
    os.kill(os.getpid(), signal.SIGKILL)


def be_killed(marks: Path, times: int) -> None:
    """Be killed, as from outside, unless that has happened so many times; each leaves a mark in a folder."""
    before = len(list(marks.iterdir()))
    if before < times:
        (marks / str(before)).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def preloaded(module: str) -> bool:
    """Return whether a module is imported; but end this process where it is to die."""
    if module == "die":
        os._exit(3)
    return module in sys.modules


@cache
def slow_start() -> None:
    """Take longer than the items may."""
    time.sleep(0.5)


def prepared(item: str) -> str:
    """Return the item if this process was prepared before."""
    return item if slow_start.cache_info().currsize else ""


def work_each(items: tuple[str, ...]) -> list[str]:
    """Return items in capitals, each within the time limit."""
    found = []
    for item in items:
        restart_clock()
        if item.startswith("slow"):
            time.sleep(0.3)
        found.append(work(item))
    return found


def numbers(end: int, last: str = "") -> Iterator[int]:
    """Yield numbers from 0, then do what `work` does with a word."""
    for number in range(end):
        if number % 10 == 0:
            restart_clock()
        yield number
    if last:
        work(last)


def late_numbers() -> Iterator[int]:
    """Yield three numbers, the first after a while."""
    time.sleep(1)
    yield from range(3)
