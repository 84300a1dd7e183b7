"""Many crystals described by several processes, in order, whatever becomes of one of the processes."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Self

from cryskit.errors import CryskitError
from cryskit.text.describe import GRACE, Description, describe, ended_after, ready, stand_in
from cryskit.text.short import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from types import TracebackType

    from cryskit.types import Crystal

    Task = Callable[[Crystal, float], Description]

_AHEAD = 16  # crystals per process that are given out before they are asked for


class Pool:
    """Processes that describe; scripts that use them have to be guarded by `if __name__ == "__main__"`.

    Args:
        workers: How many.
        timeout: Seconds that one crystal may take.
        task: What a process does with a crystal and the seconds that it may take; a function of a module.
    """

    def __init__(self, workers: int, timeout: float, task: Task | None = None) -> None:
        self._workers = workers
        self._timeout = timeout
        self._task = task or _describe
        self._processes = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.shutdown(wait=kind is None, cancel_futures=True)

    def describe(self, crystals: Iterable[Crystal]) -> Iterator[Description]:
        """Describe crystals.

        A process that dies takes with it what the others were about to do. Their crystals are then described one at a time,
        so that it shows which of them it was.

        Args:
            crystals: Taken as they are needed, some for each process.

        Yields:
            One description per crystal, in order.

        Raises:
            CryskitError: Robocrystallographer cannot be imported.
        """
        remaining = iter(crystals)
        waiting: deque[tuple[Crystal, Future[Description] | None]] = deque()
        while True:
            one_by_one = bool(waiting) and waiting[-1][1] is None
            room = 0 if one_by_one else _AHEAD * self._workers - len(waiting)
            waiting.extend((crystal, self._submitted(crystal)) for crystal in islice(remaining, room))
            if not waiting:
                return
            crystal, future = waiting.popleft()
            if future is not None and isinstance(future.exception(), BrokenExecutor):
                self._restart()
                waiting = deque([(other, None) for other, _ in waiting])
                future = None
            yield self._result(crystal, future or self._alone(crystal))

    def _result(self, crystal: Crystal, future: Future[Description]) -> Description:
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, BrokenExecutor):
            self._restart()
            return stand_in(crystal, "The process that described it ended")
        if isinstance(error, CryskitError):
            raise error
        return stand_in(crystal, told(error))

    def _alone(self, crystal: Crystal) -> Future[Description]:
        while (future := self._submitted(crystal)) is None:
            self._restart()
        return future

    def _submitted(self, crystal: Crystal) -> Future[Description] | None:
        bare = replace(crystal, text=None, targets={})  # lighter to send
        try:
            return self._processes.submit(self._task, bare, self._timeout)
        except BrokenExecutor:
            return None

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"), initializer=_follow)

    def _restart(self) -> None:
        self._processes.shutdown(cancel_futures=True)
        self._processes = self._started()


def _follow() -> None:
    """See to it that this process ends when the one that started it is killed, and does not wait for ever."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _describe(crystal: Crystal, timeout: float) -> Description:
    ready()  # which is not on the time of the crystal
    with ended_after(timeout + GRACE):
        return describe(crystal, timeout)
