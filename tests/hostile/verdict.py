"""What became of a hostile request: answered or closed; or, which must not be, an error of the service, a hang, or a leak."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hostile.exchange import Answer

FAULTS = ("crash", "error", "hang", "leak", "next")
"""Verdicts that must not be: the process ended, the service met an error of its own, no answer, internals in it, the next good request not answered."""
_FOLDERS = (
    sys.prefix,
    sys.base_prefix,
    str(Path.home()),
    str(Path(__file__).parents[2]),
    f"{gettempdir()}/",
    "/proc/",
    "/usr/",
    "/etc/",
)
_MODULES = "cryskit|asyncio|starlette|fastapi|uvicorn|pydantic|pydantic_core|anyio|numpy|torch|pandas|pyarrow|pymatgen|monty|ase|gemmi|moyopy|h11|json|gzip|zlib|sqlite3|builtins|concurrent|multiprocessing"
_MARKS = (
    r"Traceback|(?:site|dist)-packages|\.py\b|File \"|\bline \d+, in | at 0x[0-9a-f]{6,}|<(?:class|module|function|bound|built-in|frozen)",
    rf"\b(?:{_MODULES})\.[a-z_]+(?:\.[A-Za-z_]+|[A-Z(])",
    r"\b[A-Z]\w*(?:Error|Exception|Interrupt)\b",
    *map(re.escape, sorted(set(_FOLDERS))),
)
_LEAKS = re.compile("|".join(_MARKS).encode())


class Verdict(NamedTuple):
    """What became of a request.

    Attributes:
        outcome: "answered", "refused", "closed", or one of FAULTS.
        detail: Status, or what must not be.
    """

    outcome: str
    detail: str


def judge(answer: Answer, sent: bytes) -> Verdict:
    """Say what became of a request.

    Args:
        answer: What came back.
        sent: What was sent: what an answer repeats of it is no leak.
    """
    leaks = [found[0] for found in _LEAKS.finditer(answer.raw) if found[0] not in sent]
    if leaks:
        start = max(0, answer.raw.find(leaks[0]) - 80)
        return Verdict("leak", answer.raw[start : start + 200].decode("latin-1"))
    if answer.hung:
        return Verdict("hang", f"after {answer.seconds:.0f} s")
    if answer.status >= 500 and answer.status != 503:
        return Verdict("error", str(answer.status))
    if answer.status == 0:
        return Verdict("closed", "without an answer")
    return Verdict("answered" if answer.status < 400 else "refused", str(answer.status))
