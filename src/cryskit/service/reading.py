"""What was sent becomes crystals, and crystals get their graphs: in processes, together with what others sent."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from cryskit.service.batcher import Batcher
from cryskit.service.parsing import PIECE, Given, Parsers, read_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from cryskit.service.graphs import Ready
    from cryskit.service.jobs import Job
    from cryskit.service.parsing import Rows, Task
    from cryskit.service.settings import Settings
    from cryskit.types import GraphSpec

_AHEAD = 8  # pieces of a request that wait for a process at a time
Item = TypeVar("Item")


class Reading:
    """Reads for any number of callers at a time.

    Args:
        settings: How the service is set up.
        work: Function of a module that reads what was sent, in a process of its own.
    """

    def __init__(self, settings: Settings, work: Callable[[Task], list[Rows]] = read_task) -> None:
        self._limits = settings.limits
        self.parsers = Parsers(settings.processes, self._limits.parsing, self._limits.memory, work)
        self._batcher: Batcher[Given] = Batcher(
            self._together, lambda _key, _given: 1, most=PIECE, wait=0.0, threads=settings.processes
        )
        self._lock = threading.Lock()
        self._callers = 0

    @property
    def callers(self) -> int:
        """Number of callers for whom it reads."""
        return self._callers

    def start(self) -> None:
        """Start the processes."""
        self.parsers.start()

    def close(self) -> None:
        """Finish what was begun, and end the processes."""
        self._batcher.close()
        self.parsers.close()

    def read(
        self, given: Sequence[Given], job: Job, spec: GraphSpec | None = None, most: int | None = None
    ) -> list[Ready]:
        """Return the rows of files and structures in order, those of a few structures with their graphs.

        Args:
            given: Files and structures.
            job: The piece of work, which ends here if it was cancelled.
            spec: Which graph; None for none.
            most: Rows that are accepted; those of the limits by default.

        Raises:
            ServiceError: There are more rows than a request may hold, or none.
        """
        most = self._limits.rows if most is None else most
        with self._counted():
            return self._read(given, job, spec, most)

    def _read(self, given: Sequence[Given], job: Job, spec: GraphSpec | None, most: int) -> list[Ready]:
        key = (most, spec if len(given) <= PIECE else None)
        found: list[Ready] = []
        for piece in _ahead(self._batcher.submit(key, piece) for piece in pieces(given, PIECE)):
            found += [row for rows in piece for row in rows]
            self._limits.require_rows(len(found), most)
            job.advance(0)
        self._limits.require_rows(len(found), most)
        return found

    def with_graphs(self, items: Sequence[Ready], spec: GraphSpec) -> Iterator[Ready]:
        """Yield crystals with their graphs, which are built where they lack, a few ahead of who takes them.

        Args:
            items: Crystals and failures.
            spec: Which graph.
        """
        lacking = (Given("crystal", each.item.id, each.item) for each in items if each.lacks_graph)
        asked = (self._batcher.submit((1, spec), piece) for piece in pieces(lacking, PIECE))
        built = (row for piece in _ahead(asked) for rows in piece for row in rows)
        yield from (next(built) if each.lacks_graph else each for each in items)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a caller for the time of a block."""
        with self._lock:
            self._callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1

    def _together(self, key: Any, given: list[Given]) -> list[Rows]:
        rows, spec = key
        return self.parsers.read(given, self._limits.atoms, rows, spec)


def pieces(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items some at a time.

    Args:
        items: The items, taken as they are needed.
        size: Items of a piece; the last may have fewer.
    """
    remaining = iter(items)
    while piece := list(islice(remaining, size)):
        yield piece


def _ahead(futures: Iterable[Future[Item]]) -> Iterator[Item]:
    """Yield the results of what is begun, some ahead of who takes them."""
    waiting: deque[Future[Item]] = deque()
    for each in futures:
        waiting.append(each)
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
