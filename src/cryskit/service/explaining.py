"""Explanations are computed by a process of their own: one takes as long as many predictions, which would wait for it."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.parallel import Lost, cores
from cryskit.predict.device import device_of
from cryskit.predict.load import load
from cryskit.predict.outcome import failed
from cryskit.predict.tables import prediction_row
from cryskit.service.compute import Wanted, computed
from cryskit.service.graphs import Ready
from cryskit.service.processes import settle_process
from cryskit.service.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryskit.predict.predictor import Predictor
    from cryskit.service.jobs import Job
    from cryskit.service.models import Loaded
    from cryskit.service.settings import Settings
    from cryskit.types import Crystal, Failure

TIMEOUT = 120.0
"""Seconds that explaining one crystal may take."""


class Question(NamedTuple):
    """What a process is to explain.

    Attributes:
        item: The crystal, with its description if the model reads one; a failure stays one.
        wanted: The property.
        model: File of the model.
        edges: Edges that are computed at a time.
        accelerator: Hardware to compute on.
    """

    item: Crystal | Failure
    wanted: Wanted
    model: Path
    edges: int
    accelerator: str


def explained(asked: Question) -> dict[str, Any]:
    """Return the explanation of a crystal as a row, or why there is none.

    Args:
        asked: What to explain.
    """
    (row,) = computed(_model(asked.model, asked.edges, asked.accelerator), asked.wanted, [Ready(asked.item)])
    return row


@lru_cache(2)
def _model(path: Path, edges: int, accelerator: str) -> Predictor:
    return load(path, batch_edges=edges).to(device_of(accelerator)).requires_grad_(requires_grad=False)


class Explaining:
    """Explains for any number of callers, one crystal at a time.

    Args:
        settings: How the service is set up.
        work: Function of a module that explains, in a process of its own.
    """

    def __init__(self, settings: Settings, work: Callable[[Question], dict[str, Any]] = explained) -> None:
        self._settings = settings
        threads = max(1, cores() // 2)  # the others are for predictions
        self._worker = Worker(work, TIMEOUT, partial(settle_process, threads))

    def row(self, loaded: Loaded, name: str, item: Crystal | Failure, job: Job) -> dict[str, Any]:
        """Return the explanation of a crystal as a row, or why there is none.

        Args:
            loaded: The model.
            name: Name of the property; "" for the model's first.
            item: The crystal, with its description if the model reads one.
            job: The piece of work, which ends here if it is cancelled.
        """
        wanted = Wanted("explain", loaded.name, name)
        asked = Question(item, wanted, loaded.path, self._settings.batch_edges, self._settings.accelerator)
        (found,) = job.awaited(self._worker.submit(asked))
        if not isinstance(found, Lost):
            return found
        return prediction_row(failed(item, f"Explaining it took longer than {TIMEOUT:g} s, or failed"))

    def close(self) -> None:
        """Finish what was begun, and end the process."""
        self._worker.close()
