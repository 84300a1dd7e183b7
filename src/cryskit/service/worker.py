"""A process that works for whoever comes, on one thing after another: what takes long there keeps nobody here waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from cryskit.parallel import Pool
from cryskit.service.batcher import Batcher
from cryskit.service.processes import PRELOADED

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cryskit.parallel import Lost

Item = TypeVar("Item")
Result = TypeVar("Result")


class Worker(Generic[Item, Result]):
    """A process, which is started when there is something to do.

    Args:
        work: Function of a module from an item to its result.
        seconds: Seconds that an item may take before the process is ended, and another takes its place.
        prepare: Function of a module that the process calls before each item.
    """

    def __init__(self, work: Callable[[Item], Result], seconds: float, prepare: Callable[[], object]) -> None:
        self._work = work
        self._pool = Pool(1, seconds, prepare, PRELOADED)
        self._queue: Batcher[Item] = Batcher(self._done, lambda _key, _item: 1, most=1, wait=0.0)

    def submit(self, item: Item) -> Future[list[Result | Lost[Item]]]:
        """Return what will hold one result, or what stands in its place where the process raised an error or was ended.

        Args:
            item: What to work on; those of all callers take turns.
        """
        return self._queue.submit(None, [item])

    def close(self) -> None:
        """Finish what waits, and end the process."""
        self._queue.close()
        self._pool.__exit__(None, None, None)

    def _done(self, _key: object, items: list[Item]) -> list[Result | Lost[Item]]:
        return list(self._pool.map(self._work, items))
