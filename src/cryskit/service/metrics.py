"""What the service counts and measures, in the text format of Prometheus. Nothing that a client sent is a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The figures of a service.

    Args:
        queue: Function that returns the number of pieces of work that run or wait.
        model_bytes: Function that returns the bytes of models in memory.
    """

    def __init__(self, queue: Callable[[], float], model_bytes: Callable[[], float]) -> None:
        self._registry = kept = CollectorRegistry()
        self.requests = Counter("cryskit_requests", "Requests answered", ["route", "method", "status"], registry=kept)
        self.seconds = Histogram("cryskit_request_seconds", "Seconds until an answer", ["route"], registry=kept)
        self.crystals = Counter("cryskit_crystals", "Crystals in answers", ["kind", "status"], registry=kept)
        self.batched = Histogram("cryskit_batch_requests", "Requests computed together", buckets=_SIZES, registry=kept)
        self.batch_crystals = Histogram(
            "cryskit_batch_crystals", "Crystals computed together", buckets=_SIZES, registry=kept
        )
        Gauge("cryskit_queue", "Pieces of work that run or wait", registry=kept).set_function(queue)
        Gauge("cryskit_model_bytes", "Bytes of models in memory", registry=kept).set_function(model_bytes)

    def batch(self, callers: int, items: int) -> None:
        """Count a run of a network.

        Args:
            callers: Number of requests in it.
            items: Number of crystals in it.
        """
        self.batched.observe(callers)
        self.batch_crystals.observe(items)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)
