"""Work spread over processes: results come in order, and a process that dies or hangs costs its own item only.

The executor of the standard library does the work; what is added is what it lacks: after a crash the others go on, an item has
a time limit that holds in compiled code, too, and the processes end with the one that started them, even if that is killed
(one in compiled code that does not let Python run, at its time limit). `Pool` applies a function to items; `streamed` runs one
generator in a process of its own.
Pebble's `ProcessPool` (5.2) promises the first two. It was tried: where a process ends right after taking an item, once in some
hundred times, pebble takes its whole pool for broken, and items that wait are then never answered; and its processes outlive a
parent that is killed for as long as their item takes.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing import get_all_start_methods, get_context, parent_process
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TextIO, TypeVar

from cryskit.errors import CryskitError, ProcessEndedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from types import TracebackType

AHEAD = 16
"""Items per process that are given out before their results are asked for."""

_LOOK = 1.0  # seconds between two looks at whether the processes live
_TRIES = 3  # of an item alone whose process is killed from outside, as where memory runs out

Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Lost(NamedTuple, Generic[Item]):
    """What stands in the place of a result that there is none of.

    Attributes:
        item: The item.
        error: What was raised; a ProcessEndedError if the process crashed or did not end in time.
    """

    item: Item
    error: BaseException


class Divided(NamedTuple, Generic[Result, Item]):
    """What stands in the place of the result of an item that was given out in pieces, since a process had ended with it.

    Attributes:
        results: Result of each piece, in order.
    """

    results: list[Result | Lost[Item]]


class Pool:
    """Processes that work; scripts that use them have to be guarded by `if __name__ == "__main__"`.

    They are started when there is something to do.

    Args:
        processes: Number of processes.
        timeout: Seconds that an item may take before its process is ended; None for no limit.
        prepare: Function of a module that a process calls before each item, outside the time limit; the first call may take long.
        preload: Modules that are imported once, by a process of which the others are copies, so that one that dies is replaced at once.
            Where the system makes no copies, each process imports what it needs.
    """

    def __init__(
        self,
        processes: int,
        timeout: float | None = None,
        prepare: Callable[[], object] | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        self._count = processes
        self._timeout = timeout
        self._prepare = prepare
        self._preload = preload
        self._executor = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=kind is None, cancel_futures=True)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int | None = AHEAD
    ) -> Iterator[Result | Lost[Item]]:
        """Apply a function to items.

        A process that dies takes with it what the others were about to do. Those items are then given out one at a time, so
        that it shows which of them it was.

        Args:
            function: A function of a module, or a partial one.
            items: Taken as they are needed; the first are given out at once.
            ahead: Number of items per process that are given out before their results are asked for; None for all.

        Returns:
            One result per item, in order.
        """
        return self._begin(function, items, ahead, self._alone)

    def map_divisible(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        divide: Callable[[Item], Sequence[Item]],
        *,
        ahead: int | None = AHEAD,
    ) -> Iterator[Result | Lost[Item] | Divided[Result, Item]]:
        """Apply a function to items that consist of pieces: a process that dies costs a piece, not an item.

        The items that a process has ended with, or for which the function raised, are given out again piece by piece. A function that calls `restart_clock` between
        pieces gives each of them the whole time limit.

        Args:
            function: A function of a module, or a partial one.
            items: Taken as they are needed; the first are given out at once.
            divide: Function from an item to its pieces.
            ahead: Number of items per process that are given out before their results are asked for; None for all.

        Returns:
            One result per item, in order.
        """

        def in_pieces(task: Callable[[Item], Result], item: Item) -> Result | Lost[Item] | Divided[Result, Item]:
            pieces = divide(item)
            if len(pieces) <= 1:
                return self._alone(task, item)
            return Divided([self._alone(task, piece) for piece in pieces])

        return self._begin(function, items, ahead, in_pieces, in_pieces)

    def _begin(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        ahead: int | None,
        again: Callable[[Callable[[Item], Result], Item], Other],
        raised: Callable[[Callable[[Item], Result], Item], Other] | None = None,
    ) -> Iterator[Result | Lost[Item] | Other]:
        """Give out the first items; `again` gets the function and the items that a process has ended with, `raised` those with an error."""
        task = partial(_work, function, self._prepare, self._timeout)
        remaining = iter(items)
        room = None if ahead is None else ahead * self._count
        waiting = deque((item, self._submit(task, item)) for item in islice(remaining, room))
        return self._results(task, remaining, waiting, again, raised)

    def _results(
        self,
        task: Callable[[Item], Result],
        remaining: Iterator[Item],
        waiting: deque[tuple[Item, Future[Result] | None]],
        again: Callable[[Callable[[Item], Result], Item], Other],
        raised: Callable[[Callable[[Item], Result], Item], Other] | None,
    ) -> Iterator[Result | Lost[Item] | Other]:
        room = len(waiting)
        while waiting:
            item, future = waiting.popleft()
            error = None if future is None else self._error(future)
            if future is None or isinstance(error, BrokenExecutor):
                waiting = deque((other, _kept(pending)) for other, pending in waiting)
                yield again(task, item)
            elif error is None:
                yield future.result()
            else:
                yield Lost(item, error) if raised is None else raised(task, item)
            if all(pending is not None for _, pending in waiting):
                more = islice(remaining, room - len(waiting))
                waiting.extend((another, self._submit(task, another)) for another in more)

    def _alone(self, task: Callable[[Item], Result], item: Item) -> Result | Lost[Item]:
        """Work on an item while nothing else is worked on; again where its process was killed, which need not be the item's fault."""
        for _ in range(_TRIES):
            while (future := self._submit(task, item)) is None:
                self._restart()
            processes = _processes(self._executor)
            error = self._error(future)
            if not isinstance(error, BrokenExecutor):
                return future.result() if error is None else Lost(item, error)
            self._restart()
            if all(process.exitcode != -signal.SIGKILL for process in processes):
                break
        late = "" if self._timeout is None else f", or it took longer than {self._timeout:g} s"
        return Lost(
            item,
            ProcessEndedError(
                f"The process that worked on it crashed{late}", "Leave it out, or give it more time and memory"
            ),
        )

    def _submit(self, task: Callable[[Item], Result], item: Item) -> Future[Result] | None:
        try:
            return self._executor.submit(task, item)
        except BrokenExecutor:
            return None

    def _error(self, future: Future[Result]) -> BaseException | None:
        """Wait for an item, and return what was raised; a BrokenExecutor if a process has ended with it."""
        while True:
            try:
                return future.exception(_LOOK)
            except TimeoutError:
                _release(self._executor)

    def _restart(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        self._executor = self._started()

    def _started(self) -> ProcessPoolExecutor:
        is_copied = bool(self._preload) and "forkserver" in get_all_start_methods()
        context = get_context("forkserver" if is_copied else "spawn")
        if is_copied:
            context.set_forkserver_preload(list(self._preload))
        return ProcessPoolExecutor(self._count, mp_context=context, initializer=_follow)


def _release(executor: ProcessPoolExecutor) -> None:
    """Let an executor notice that one of its processes was killed while it was sending a result.

    For the rest of the result the executor waits for ever: it reads from a pipe whose other end it has open itself.
    """
    processes = _processes(executor)
    if any(not process.is_alive() for process in processes):
        for process in processes:
            process.kill()
        executor._result_queue._writer.close()  # type: ignore[attr-defined] # noqa: SLF001


def _processes(executor: ProcessPoolExecutor) -> list[BaseProcess]:
    return list((executor._processes or {}).values())  # noqa: SLF001 - no public way


def _kept(future: Future[Result] | None) -> Future[Result] | None:
    """Return what an item has come to before a process died; None if it has to be given out again."""
    finished = future is not None and future.done() and not isinstance(future.exception(), BrokenExecutor)
    return future if finished else None


def _follow() -> None:
    """See to it that this process ends when the one that started it is killed, and does not wait for ever."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(
    function: Callable[[Item], Result], prepare: Callable[[], object] | None, timeout: float | None, item: Item
) -> Result:
    if prepare is not None:
        prepare()
    with _ended_after(timeout):
        return function(item)


class _Clock:
    """The time limit that this process is under.

    Attributes:
        seconds: The limit; None where there is none.
        begun: When it began to count.
    """

    seconds: float | None = None
    begun = 0.0

    def start(self, seconds: float | None, nowhere: TextIO) -> None:
        """Begin to count."""
        self.seconds, self.nowhere = seconds, nowhere
        self._arm()

    def again(self) -> None:
        """Begin anew, unless hardly anything has passed: to set the timer takes longer than to ask for the time."""
        if self.seconds is not None and time.monotonic() - self.begun > self.seconds / _TOLERANCE:
            self._arm()

    def stop(self) -> None:
        """Count no more."""
        self.seconds = None
        faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        if self.seconds is not None:
            self.begun = time.monotonic()
            faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.nowhere)


_CLOCK = _Clock()
_TOLERANCE = 20  # a time limit may be this part of itself shorter


def restart_clock() -> None:
    """Give this process its whole time limit again, to be called between the pieces of an item; without a limit it does nothing."""
    _CLOCK.again()


@contextmanager
def _ended_after(seconds: float | None) -> Iterator[None]:
    """End this whole process if the block is not done in time, in compiled code, too."""
    if seconds is None:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - devnull is no path of ours
        _CLOCK.start(seconds, nowhere)
        try:
            yield
        finally:
            _CLOCK.stop()


def streamed(
    function: Callable[[], Iterator[Result]], timeout: float | None = None, first: float | None = None
) -> Iterator[Result]:
    """Run a generator in a process of its own, which is never more than one result ahead.

    Args:
        function: A function of a module, or a partial one, that returns an iterator.
        timeout: Seconds that a result may take before the process is ended, unless `restart_clock` is called; None for no limit.
        first: Seconds that the first result may take, before which there may be much to do; `timeout` by default.

    Yields:
        Results, in order.

    Raises:
        ProcessEndedError: The process crashed, or a result took too long.
    """
    context = get_context("spawn")
    mine, its = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(its, function, timeout, first or timeout), daemon=True)
    process.start()
    its.close()
    try:
        while True:
            try:
                found = mine.recv()
            except (EOFError, OSError) as error:
                late = "" if timeout is None else f", or took longer than {timeout:g} s"
                raise ProcessEndedError(
                    f"The process that read it crashed{late}", "Leave it out, or mend it"
                ) from error
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found[0]
    finally:
        mine.close()
        process.kill()
        process.join()


def _send(
    connection: Connection, function: Callable[[], Iterator[Result]], timeout: float | None, first: float | None
) -> None:
    _follow()
    with suppress(BrokenPipeError):
        try:
            results, limit = function(), first
            while True:
                with _ended_after(limit):
                    found = next(results, connection)  # which no function gives
                if found is connection:
                    break
                connection.send((found,))
                limit = timeout
        except (CryskitError, OSError, ImportError) as error:
            connection.send(error)
        connection.send(None)
