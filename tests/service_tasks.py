"""What the processes of the service do in tests; in a module of its own, so that they find it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryskit.service.explaining import explained
from cryskit.service.json_body import parsed
from cryskit.service.parsing import read_task
from cryskit.service.work import Work

if TYPE_CHECKING:
    from cryskit.service.explaining import Question
    from cryskit.service.json_body import Body
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


def gated_body(body: Body) -> dict[str, Any]:
    """Parse a body; where it begins with the name of a folder, wait for that gate first."""
    if found := re.match(rb'\{"model": "(/[^"]+)"', body.data):
        pass_gate(Path(found[1].decode()))
    return parsed(body)


def gated_explanation(asked: Question) -> dict[str, Any]:
    """Explain a crystal; where its id is the name of a folder, wait for that gate first."""
    if asked.item.id.startswith("/"):
        pass_gate(Path(asked.item.id))
    return explained(asked)


def pass_gate(folder: Path) -> None:
    """Say that this process is at a gate, and wait until it is open."""
    (folder / str(os.getpid())).touch()
    while not (folder / "open").exists():
        time.sleep(0.01)


WORK = Work(hostile, gated_body, gated_explanation)
