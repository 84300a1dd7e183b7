"""What the processes that read do in tests of the service; in a module of its own, so that they find it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cryskit.service.parsing import read_task

if TYPE_CHECKING:
    from cryskit.service.parsing import Rows, Task


def hostile(task: Task) -> list[Rows]:
    """Read what was sent, but crash, hang in compiled code or take all memory where a name says so."""
    for each in task.given:
        if each.name.startswith("crash"):
            os._exit(3)
        if each.name.startswith("hang"):
            re.match("(a+)+$", "a" * 60 + "b")
        if each.name.startswith("greedy"):
            len(bytearray(4_000_000_000))
    return read_task(task)
