"""Pieces of work: so many at a time, so many that wait, each with its progress, its end and, for a while, its result."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cryskit.service.logs import log_error
from cryskit.service.problems import ServiceError, busy

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Found = TypeVar("Found")
_LOOK = 0.2  # seconds between two looks at whether a job that waits was cancelled


@dataclass(eq=False)
class Job:
    """A piece of work.

    Attributes:
        kind: What is done: "predict", "explain", ...
        id: Name that cannot be guessed.
        until: When it has to be done, by the clock of `time.monotonic`.
        done: Crystals that are finished.
        total: Crystals in all; 0 as long as that is not known.
        kept: Whether its result is kept for somebody who asks later.
        ended: When it ended; None as long as it has not.
        size: Bytes of its result, about.
    """

    kind: str
    until: float
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    done: int = 0
    total: int = 0
    kept: bool = False
    ended: float | None = None
    size: int = 0
    future: Future[Any] = field(default_factory=Future)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> State:
        """Where it is."""
        if self.future.cancelled():
            return "cancelled"
        if not self.future.done():
            return "running" if self.future.running() else "waiting"
        error = self.future.exception()
        if isinstance(error, CancelledError):
            return "cancelled"
        return "failed" if error is not None else "done"

    def advance(self, crystals: int) -> None:
        """Count crystals that are finished, and end here if the job was cancelled or its time is up.

        Args:
            crystals: Number of crystals.

        Raises:
            CancelledError: Somebody cancelled it.
            ServiceError: It takes too long.
        """
        self.done += crystals
        if self.stop.is_set():
            raise CancelledError
        if time.monotonic() > self.until:
            raise ServiceError(503, "The work took too long", "Send fewer crystals at a time")

    def awaited(self, future: Future[Found]) -> Found:
        """Return a result that the job needs, and end here if it is cancelled or its time is up before.

        Args:
            future: What will hold the result; it is given up if the job ends.

        Raises:
            CancelledError: Somebody cancelled the job.
            ServiceError: It takes too long.
        """
        try:
            while not wait([future], _LOOK).done:
                self.advance(0)
            return future.result()
        finally:
            future.cancel()

    def cancel(self) -> None:
        """End the work at the next crystal, or while it waits for one that is explained."""
        self.stop.set()
        self.future.cancel()

    def about(self) -> dict[str, Any]:
        """Return where the job is, in plain values."""
        return {"id": self.id, "kind": self.kind, "state": self.state, "done": self.done, "total": self.total}


class Jobs:
    """The pieces of work of a service.

    Args:
        workers: Number of pieces that are done at a time.
        queue: Number of pieces that run or wait.
        seconds: Seconds that a piece may take.
        kept: Seconds that a result is kept.
        held: Bytes of results that are kept.
    """

    def __init__(self, workers: int, queue: int, seconds: float, kept: float, held: int) -> None:
        self._executor = ThreadPoolExecutor(workers, "job")
        self._queue, self._seconds, self._kept, self._held = queue, seconds, kept, held
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self.draining = False

    @property
    def open(self) -> int:
        """Number of pieces that run or wait."""
        with self._lock:
            return sum(job.ended is None for job in self._jobs.values())

    def start(self, kind: str, work: Callable[[Job], Any]) -> Job:
        """Begin a piece of work.

        Args:
            kind: What is done.
            work: Function from the job, which it advances, to the result.

        Raises:
            ServiceError: There is too much to do, or the service is about to end.
        """
        if self.draining:
            raise busy("The service is about to end", 10, 503)
        job = Job(kind, time.monotonic() + self._seconds)
        with self._lock:
            self._forget()
            if sum(each.ended is None for each in self._jobs.values()) >= self._queue:
                raise busy("The service has too much to do")
            self._jobs[job.id] = job
        job.future = self._executor.submit(work, job)
        job.future.add_done_callback(partial(self._end, job.id))  # not the job: it would hold itself and its result
        return job

    def keep(self, job: Job) -> None:
        """Keep the result of a job for somebody who asks later."""
        job.kept = True

    def discard(self, job: Job) -> None:
        """Let go of a job whose result was given to who asked."""
        with self._lock:
            self._jobs.pop(job.id, None)

    def get(self, name: str) -> Job:
        """Return a job whose result is kept.

        Args:
            name: Id of the job.

        Raises:
            ServiceError: There is none, or not any more.
        """
        with self._lock:
            self._forget()
            job = self._jobs.get(name)
        if job is None or not job.kept:
            raise ServiceError(404, "There is no such job", f"Results are kept for {self._kept:g} s: send it again")
        return job

    def close(self, seconds: float) -> None:
        """Take no more work, let what runs finish, and cancel what is not done in time.

        Args:
            seconds: Seconds that the work may take.
        """
        self.draining = True
        until = time.monotonic() + seconds
        while self.open and time.monotonic() < until:
            time.sleep(0.02)
        for job in tuple(self._jobs.values()):
            job.cancel()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _end(self, name: str, future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        with self._lock:
            asked_later = name in self._jobs and self._jobs[name].kept
            kind = self._jobs[name].kind if asked_later else ""
        if asked_later and error is not None and not isinstance(error, CancelledError):
            log_error(error, job=kind)
        while error is not None:
            clear_frames(error.__traceback__)  # they hold what was sent
            if asked_later:  # or else it is raised, and logged, where the answer is awaited
                error.__traceback__ = None
            error = error.__cause__ or error.__context__
        with self._lock:
            if name in self._jobs:
                self._jobs[name].ended = time.monotonic()
            self._forget()

    def _forget(self) -> None:
        """Let go of results that are too old, or too large together; the oldest first."""
        now = time.monotonic()
        ended = [job for job in self._jobs.values() if job.ended is not None]
        size = sum(job.size for job in ended)
        for job in ended:
            if now - (job.ended or now) > self._kept or size > self._held:
                del self._jobs[job.id]
                size -= job.size
