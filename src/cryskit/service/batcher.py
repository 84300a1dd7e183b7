"""Requests that come together are answered by one run: items of several callers, cut up again behind it."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

Item = TypeVar("Item")


@dataclass
class _Asked(Generic[Item]):
    """Items of one caller that wait for a run."""

    key: Hashable
    items: Sequence[Item]
    cost: int
    answer: Future[list[Any]] = field(default_factory=Future)


class Batcher(Generic[Item]):
    """Runs a function for items of many callers at a time.

    Args:
        run: Function from a key and items to one result per item.
        cost: Function from a key and an item to what it costs, for example its edges.
        most: Cost of a run beyond which no more items are added to it.
        wait: Seconds that a run waits for more items, as long as any are on their way.
        coming: Function that returns how many callers will submit soon.
        threads: Number of threads that run.
        seen: Function that is given the number of callers and of items of each run, for metrics.
    """

    def __init__(
        self,
        run: Callable[[Hashable, list[Item]], list[Any]],
        cost: Callable[[Hashable, Item], int],
        *,
        most: int,
        wait: float,
        coming: Callable[[], int] = lambda: 0,
        threads: int = 1,
        seen: Callable[[int, int], object] = lambda _callers, _items: None,
    ) -> None:
        self._run, self._cost, self._most, self._wait, self._coming, self._seen = run, cost, most, wait, coming, seen
        self._waiting: deque[_Asked[Item]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = threads
        self._executor = ThreadPoolExecutor(2 * threads, "batch")
        self._started = False

    def submit(self, key: Hashable, items: Sequence[Item]) -> Future[list[Any]]:
        """Return what will hold one result per item.

        Args:
            key: What is asked; only items with the same key are run together.
            items: Items, in order.
        """
        asked = _Asked(key, items, sum(self._cost(key, item) for item in items))
        with self._changed:
            if not self._started:
                self._started = True
                for _ in range(self._threads):
                    self._executor.submit(self._loop)
            self._waiting.append(asked)
            self._changed.notify_all()
        return asked.answer

    def close(self) -> None:
        """Finish what waits, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._executor.shutdown()

    def _loop(self) -> None:
        while (batch := self._taken()) is not None:
            asked = [each for each in batch if each.answer.set_running_or_notify_cancel()]
            if asked:
                self._answer(asked)

    def _taken(self) -> list[_Asked[Item]] | None:
        """Return the next callers to answer, all with one key; None once the batcher is closed and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            batch = [self._waiting.popleft()]
            until = time.monotonic() + self._wait
            while True:
                self._add(batch)
                left = until - time.monotonic()
                is_full = sum(each.cost for each in batch) >= self._most
                if is_full or left <= 0 or self._closed or not self._coming():
                    return batch
                self._changed.wait(left)

    def _add(self, batch: list[_Asked[Item]]) -> None:
        """Move callers with the key of a batch into it while there is room."""
        cost, rest = sum(each.cost for each in batch), deque[_Asked[Item]]()
        while self._waiting:
            other = self._waiting.popleft()
            if other.key == batch[0].key and cost + other.cost <= self._most:
                batch.append(other)
                cost += other.cost
            else:
                rest.append(other)
        self._waiting = rest

    def _answer(self, asked: list[_Asked[Item]]) -> None:
        """Run for callers together; where that fails, for each of them alone, so that one does not spoil it for the others."""
        items = [item for each in asked for item in each.items]
        self._seen(len(asked), len(items))
        running = self._executor.submit(self._run, asked[0].key, items)
        error = running.exception()
        if error is None:
            results, start = running.result(), 0
            for each in asked:
                each.answer.set_result(results[start : start + len(each.items)])
                start += len(each.items)
        elif len(asked) == 1:
            asked[0].answer.set_exception(error)
        else:
            for each in asked:
                self._answer([each])
