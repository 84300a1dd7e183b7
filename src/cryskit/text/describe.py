"""Descriptions of crystals in words, each within a time limit, in this process or in several.

A description has two parts, kept apart: the global one (mineral, space group, dimensionality, what the crystal is made up of)
and the local one (sites, bond lengths, angles). A crystal that Robocrystallographer cannot describe, or not in time, gets a
short description by rule.
"""

from __future__ import annotations

import hashlib
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Literal

from cryskit.errors import CryskitError, DescriptionError, ProcessEndedError
from cryskit.parallel import Lost, Pool
from cryskit.text.short import kind_and_text, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from cryskit.text.robocrys import Robocrys
    from cryskit.types import Crystal, Failure

TIMEOUT = 60.0
"""Seconds that describing one crystal may take unless the caller says otherwise."""

_FORM = 1  # goes up when the same crystal and the same Robocrystallographer give another text
_INSISTENCE = 1.0  # seconds after which a time-out that a library swallowed is raised again
_GRACE = 10.0  # seconds after its time-out when a process that did not notice it, in compiled code, is ended


@dataclass(frozen=True)
class Description:
    """The description of one crystal; one per input, in order.

    Attributes:
        id: Name of the crystal in its data set.
        fingerprint: SHA-256 of the crystal's content; "" if there is no crystal.
        overall: The global part, on the whole crystal.
        local: The local part, on the sites; "" in a short description.
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
        crystal: The crystal to describe.
        timeout: Seconds that it may take. Kept where the system has timers, and in the main thread only.

    Raises:
        CryskitError: Robocrystallographer cannot be imported.
    """
    robocrys = ready()
    try:
        with _limit(timeout):
            parts = robocrys.describe(crystal)
    except _LateError:
        return stand_in(crystal, f"Describing it took longer than {timeout:g} s")
    except DescriptionError as error:
        return stand_in(crystal, error.problem)
    return Description(crystal.id, crystal.fingerprint, parts.overall, parts.local)


def stand_in(crystal: Crystal, reason: str) -> Description:
    """Return a short description of a crystal.

    Args:
        crystal: The crystal to describe.
        reason: Why there is no other description of it.
    """
    return Description(crystal.id, crystal.fingerprint, short(crystal), status="short", reason=reason)


def failed(failure: Failure) -> Description:
    """Return the row of what is no crystal."""
    return Description(failure.id, status="failed", reason=" ".join(str(failure.error).split()))


def processes(workers: int, timeout: float = TIMEOUT) -> Pool:
    """Return processes that describe, for `describe_each`; scripts that use them are guarded by `if __name__ == "__main__"`.

    Args:
        workers: Number of processes.
        timeout: Seconds that one crystal may take, preparations not counted.
    """
    return Pool(workers, timeout + _GRACE, ready)


def describe_each(crystals: Iterable[Crystal], pool: Pool, timeout: float = TIMEOUT) -> Iterator[Description]:
    """Describe crystals in several processes, in order; one on which a process ends or fails gets a short description.

    Args:
        crystals: Crystals, taken as they are needed, some for each process.
        pool: Processes that describe, from `processes`.
        timeout: Seconds that one crystal may take.

    Raises:
        CryskitError: Robocrystallographer cannot be imported.
    """
    bare = (replace(crystal, text=None, targets={}, labels={}) for crystal in crystals)  # lighter to send
    for found in pool.map(partial(describe, timeout=timeout), bare):
        yield _stood_in(found) if isinstance(found, Lost) else found


def _stood_in(lost: Lost[Crystal]) -> Description:
    """Return a short description of a crystal that could not be described, unless none can."""
    if isinstance(lost.error, ProcessEndedError):
        return stand_in(lost.item, lost.error.problem)
    if isinstance(lost.error, CryskitError | ImportError):  # so it would be for every crystal
        raise lost.error
    return stand_in(lost.item, kind_and_text(lost.error))


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
