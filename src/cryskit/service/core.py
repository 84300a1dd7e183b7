"""What the service does, without HTTP: crystals that were sent are read, computed together with those of others, and come out as rows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.predict.published import SEARCHING
from cryskit.predict.search import compares_words
from cryskit.predict.tables import EMBEDDINGS, traced
from cryskit.reliability.intervals import require_level
from cryskit.service.batcher import Batcher
from cryskit.service.bodies import Bodies
from cryskit.service.compute import Wanted, computed
from cryskit.service.describing import DESCRIPTIONS, Describer
from cryskit.service.explaining import Explaining
from cryskit.service.graphs import Ready
from cryskit.service.jobs import Job, Jobs
from cryskit.service.metrics import Metrics
from cryskit.service.models import Loaded, Models
from cryskit.service.nearest import ReferenceSets, nearest_schema
from cryskit.service.parsing import Given
from cryskit.service.problems import ServiceError
from cryskit.service.reading import Reading, pieces
from cryskit.service.screening import Screening
from cryskit.service.structures import structure_row
from cryskit.service.work import Work
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from cryskit.service.schemas import Describe, Embed, Explain, Predict, Screen, Search, Structures
    from cryskit.service.settings import Settings
    from cryskit.types import Failure

PIECE = 128
"""Crystals of one request that are computed at a time, so that others get their turn."""


class Table(NamedTuple):
    """Rows as an answer.

    Attributes:
        schema: Columns of the rows.
        facts: What holds for the whole: model with version, SHA-256, units.
        rows: Column to value, one row per crystal in order.
    """

    schema: pa.Schema
    facts: dict[str, Any]
    rows: list[dict[str, Any]]


class Service:
    """Models that answer, for any number of callers at a time.

    Args:
        settings: How the service is set up.
        work: What its processes do.
    """

    def __init__(self, settings: Settings, work: Work = Work()) -> None:  # noqa: B008 - it is immutable
        limits = settings.limits
        self.settings, self.limits = settings, limits
        self.models = Models(settings)
        self.jobs = Jobs(settings.workers, limits.queue, limits.seconds, limits.kept, limits.held)
        self.metrics = Metrics(lambda: self.jobs.open, lambda: self.models.bytes)
        self.bodies = Bodies(limits, work.parse)
        self.reading = Reading(settings, work.read)
        self._explaining = Explaining(settings, work.explain)
        self._describer = Describer()
        self._sets = ReferenceSets()
        self._computing: Batcher[Ready] = Batcher(
            self._compute_together,
            lambda _wanted, ready: ready.edges,
            most=settings.batch_edges,
            wait=settings.batch_wait,
            coming=lambda: self.reading.callers,
            seen=self.metrics.batch,
        )
        self.ready = threading.Event()

    def start(self) -> None:
        """Load the default model and start the processes that read."""
        salt = Crystal("CsCl", 4.12 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]), np.array([55, 17]))
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(self.reading.start)  # in another process, which imports for seconds
            list(self.models.get().predictor.stream_embeddings([salt]))  # the first crystal takes a second
            reading.result()
        self.ready.set()

    def close(self) -> None:
        """Finish what was begun, and end all threads and processes."""
        self.ready.clear()
        self.jobs.close(self.settings.drain)
        self.bodies.close()
        self.reading.close()
        self._computing.close()
        self._explaining.close()
        self._describer.close()

    def predict(self, asked: Predict, given: Sequence[Given], job: Job) -> Table:
        """Predict properties.

        Args:
            asked: What is asked.
            given: Files and structures.
            job: The piece of work, which is advanced.
        """
        require_level(asked.interval)
        loaded = self.models.get(asked.model)
        schema = traced(loaded.predictor.schema(asked.properties or None), path=_has_files(given))
        facts = loaded.facts | loaded.predictor.facts(schema, asked.interval)
        wanted = Wanted("predict", loaded.name, asked.interval)
        rows = self._computed(wanted, loaded, self._ready(given, loaded, job), job)
        return Table(schema, facts | {"model": loaded.name}, rows)

    def structures(self, _asked: Structures, given: Sequence[Given], job: Job) -> dict[str, Any]:
        """Return the crystals themselves, in a form that every route takes; the arguments are those of `predict`."""
        return {"rows": [structure_row(item) for item in self._items(given, job)]}

    def embed(self, asked: Embed, given: Sequence[Given], job: Job) -> Table:
        """Return a vector per crystal; the arguments are those of `predict`."""
        loaded = self.models.get(asked.model)
        rows = self._vectors(loaded, self._ready(given, loaded, job), job)
        return Table(EMBEDDINGS, loaded.facts | {"width": loaded.predictor.encoder.width}, rows)

    def explain(self, asked: Explain, given: Sequence[Given], job: Job) -> dict[str, Any]:
        """Explain predictions; the arguments are those of `predict`."""
        from cryskit.explain.atoms import Explainer  # noqa: PLC0415 - only who asks for it waits
        from cryskit.explain.document import document  # noqa: PLC0415

        loaded = self.models.get(asked.model)
        explainer = Explainer(loaded.predictor, asked.property or None)
        items = self._texts([Ready(item) for item in self._items(given, job, self.limits.explained)], loaded)
        job.total, rows = len(items), list[dict[str, Any]]()
        for each in items:
            rows.append(self._explaining.row(loaded, asked.property, each.item, job))
            job.advance(1)
        self._count("explain", rows)
        found = document(explainer, rows, loaded.sha256)
        return loaded.facts | found | {"model": found["model"] | {"name": loaded.name}}

    def describe(self, _asked: Describe, given: Sequence[Given], job: Job) -> Table:
        """Describe crystals in words; the arguments are those of `predict`."""
        version = self._describer.version()
        items, rows = self._items(given, job, self.limits.explained), list[dict[str, Any]]()
        job.total = len(items)
        for item in items:
            rows += self._describer.rows([item])
            job.advance(1)
        self._count("describe", rows)
        return Table(DESCRIPTIONS, {"version": version}, rows)

    def search(self, asked: Search, given: Sequence[Given], job: Job) -> Table:
        """Return the crystals of a set that are nearest to a given one, or fit words; the arguments are those of `predict`.

        Words for which no model is named are compared by the default model if it can, or by the published one that can.
        """
        loaded = self.models.get(asked.model)
        if asked.words and not asked.model and not compares_words(loaded.predictor):
            loaded = self.models.get(SEARCHING)
        candidates = [Given("structure", f"candidate {i}", each) for i, each in enumerate(asked.candidates)]
        names, items = self._sets.items_of(asked.data, lambda: self._items(candidates, job) if candidates else [])
        if asked.words:
            rows = self._sets.by_words(loaded, asked.words, items)
        else:
            wanted = self._ready(given, loaded, job)
            if len(wanted) != 1:
                raise ServiceError(422, "A search is for one crystal", "Send one", given=f"{len(wanted)} crystals")
            known = (Ready(item) for item in items)
            vectors = self._sets.vectors_of(
                (loaded.name, names), lambda: self._vectors(loaded, self._texts(list(known), loaded), job)
            )
            rows = self._sets.nearest(self._vectors(loaded, wanted, job), items, vectors)
        chosen = rows[: asked.top]
        schema = nearest_schema(chosen)
        return Table(schema, loaded.facts | {"data": asked.data or "given", "crystals": len(items)}, chosen)

    def screen(self, asked: Screen, given: Sequence[Given], job: Job) -> Table:
        """Return the crystals that satisfy a condition, the best first; the arguments are those of `predict`."""
        require_level(asked.interval)
        loaded = self.models.get(asked.model)
        schema = traced(loaded.predictor.schema(asked.properties or None), path=False)
        screening = Screening(asked.where, asked.rank, asked.top, schema)
        facts = loaded.facts | loaded.predictor.facts(schema, asked.interval) | {"model": loaded.name}
        items = self._ready(given, loaded, job)
        rows = self._computed(Wanted("predict", loaded.name, asked.interval), loaded, items, job)
        found = screening.short_list([each.item for each in items], rows)
        failed = [{name: row[name] for name in ("id", "reason")} for row in rows if row["status"] == "failed"]
        return Table(found.schema, facts | {"counts": found.counts, "failed": failed}, found.rows)

    def _vectors(self, loaded: Loaded, items: list[Ready], job: Job) -> list[dict[str, Any]]:
        return self._computed(Wanted("embed", loaded.name), loaded, items, job)

    def _items(self, given: Sequence[Given], job: Job, most: int | None = None) -> list[Crystal | Failure]:
        """Return what was sent as crystals and failures."""
        return [each.item for each in self.reading.read(given, job, most=most)]

    def _ready(self, given: Sequence[Given], loaded: Loaded, job: Job) -> list[Ready]:
        """Return what was sent as a model reads it: with descriptions if it does, and with graphs where those are built already."""
        return self._texts(self.reading.read(given, job, loaded.spec), loaded)

    def _texts(self, items: list[Ready], loaded: Loaded) -> list[Ready]:
        if loaded.predictor.text_input is None:
            return items
        described = self._describer.with_texts([each.item for each in items])
        return [each._replace(item=item) for each, item in zip(items, described, strict=True)]

    def _computed(self, wanted: Wanted, loaded: Loaded, items: list[Ready], job: Job) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        job.total += len(items)
        for part in pieces(self.reading.with_graphs(items, loaded.spec), PIECE):
            found: list[dict[str, Any]] = job.awaited(self._computing.submit(wanted, part))
            rows += found
            job.advance(len(part))
        self._count(wanted.kind, rows)
        return rows

    def _count(self, kind: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.metrics.crystals.labels(kind, row["status"]).inc()

    def _compute_together(self, wanted: Any, items: list[Ready]) -> list[Any]:
        return computed(self.models.get(wanted.model).predictor, wanted, items)


def _has_files(given: Sequence[Given]) -> bool:
    return any(each.kind == "file" for each in given)
