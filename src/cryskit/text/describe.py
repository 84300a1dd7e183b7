"""Crystals described in words, one at a time and within a time limit.

A description has two parts, kept apart: the global one (mineral, space group, dimensionality, what the crystal is made up of)
and the local one (sites, bond lengths, angles). A crystal that Robocrystallographer cannot describe, or not in time, gets a
short description by rule.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Literal

from cryskit.errors import CryskitError, DescriptionError
from cryskit.text.short import short

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from cryskit.text.robocrys import Robocrys
    from cryskit.types import Crystal, Failure

TIMEOUT = 60.0
"""Seconds that describing one crystal may take unless the caller says otherwise."""

_FORM = 1  # goes up when the same crystal and the same Robocrystallographer give another text
_INSISTENCE = 1.0  # seconds after which a time-out that went unheard is said again
GRACE = 10.0
"""Seconds after its time-out when a process that does not hear of it is ended."""


@dataclass(frozen=True)
class Description:
    """What is said of one crystal; one per input, in order.

    Attributes:
        id: Of the crystal.
        fingerprint: Of its content; "" if there is no crystal.
        overall: The global part.
        local: The local part; "" in a short description.
        status: "described", "short" (a rule stood in) or "failed" (there is no crystal).
        reason: Why it was not described.
    """

    id: str
    fingerprint: str = ""
    overall: str = ""
    local: str = ""
    status: Literal["described", "short", "failed"] = "described"
    reason: str = ""

    @property
    def text(self) -> str | None:
        """Both parts, one after the other; None if there is no crystal."""
        return None if self.status == "failed" else " ".join(part for part in (self.overall, self.local) if part)

    @property
    def hash(self) -> str | None:
        """SHA-256 of the text; None if there is none."""
        return None if self.text is None else hashlib.sha256(self.text.encode()).hexdigest()


def version() -> str:
    """Return what has to be the same for texts to be the same: the describing programs and their versions.

    Raises:
        CryskitError: Robocrystallographer is not installed.
    """
    try:
        return f"robocrys {installed('robocrys')}, cryskit.text {_FORM}"
    except PackageNotFoundError as error:
        raise CryskitError(
            "Describing crystals needs Robocrystallographer, which is not installed", "pip install 'cryskit[describe]'"
        ) from error


def describe(crystal: Crystal, timeout: float = TIMEOUT) -> Description:
    """Describe a crystal in this process. The first call takes some seconds, for it reads the tables.

    Args:
        crystal: The crystal.
        timeout: Seconds that it may take. Kept where the system has timers, and in the main thread only.

    Raises:
        CryskitError: Robocrystallographer cannot be imported.
    """
    robocrys = ready()
    try:
        with _limit(timeout):
            words = robocrys.words(crystal)
    except _LateError:
        return stand_in(crystal, f"Describing it took longer than {timeout:g} s")
    except DescriptionError as error:
        return stand_in(crystal, error.problem)
    return Description(crystal.id, crystal.fingerprint, words.overall, words.local)


def stand_in(crystal: Crystal, reason: str) -> Description:
    """Return a short description of a crystal.

    Args:
        crystal: The crystal.
        reason: Why there is no other.
    """
    return Description(crystal.id, crystal.fingerprint, short(crystal), status="short", reason=reason)


def failed(failure: Failure) -> Description:
    """Return the row of what is no crystal."""
    return Description(failure.id, status="failed", reason=" ".join(str(failure.error).split()))


class _LateError(BaseException):
    """The time is up. No Exception, so that no library takes it for one of its own."""


@cache
def ready() -> Robocrys:
    """Return what describes, once it is imported and has read its tables.

    Raises:
        CryskitError: Robocrystallographer cannot be imported.
    """
    from cryskit.text.robocrys import Robocrys  # noqa: PLC0415 - takes seconds to import

    return Robocrys()


def _ring(_: int, __: FrameType | None) -> None:
    raise _LateError


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise _LateError in the block once its time is up."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _INSISTENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """End this whole process if the block is not done in time: for what is deaf to its time-out, in compiled code.

    Args:
        seconds: From now on.
    """
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - devnull is no path of ours
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
