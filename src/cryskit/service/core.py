"""What the service does, without HTTP: crystals that were sent are read, computed together with those of others, and come out as rows."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.predict.tables import EMBEDDINGS, traced
from cryskit.reliability.intervals import require_level
from cryskit.service.batcher import Batcher
from cryskit.service.compute import EDGES_PER_ATOM, Wanted, computed
from cryskit.service.describing import DESCRIPTIONS, Describer
from cryskit.service.jobs import Job, Jobs
from cryskit.service.metrics import Metrics
from cryskit.service.models import Loaded, Models
from cryskit.service.nearest import ReferenceSets, nearest_schema
from cryskit.service.parsing import Given, Parsers
from cryskit.service.problems import ServiceError
from cryskit.service.screening import Screening
from cryskit.service.structures import structure_row
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from cryskit.service.parsing import Rows, Task
    from cryskit.service.schemas import Describe, Embed, Explain, Predict, Screen, Search, Structures
    from cryskit.service.settings import Settings

PIECE = 128
"""Crystals of one request that are computed at a time, so that others get their turn."""
_GIVEN = 64  # files or structures of one request that are read at a time


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
        work: Function of a module that reads what was sent, in a process of its own; `parsing.read_task` by default.
    """

    def __init__(self, settings: Settings, work: Callable[[Task], list[Rows]] | None = None) -> None:
        limits = settings.limits
        self.settings, self.limits = settings, limits
        self.models = Models(settings)
        self.jobs = Jobs(settings.workers, limits.queue, limits.seconds, limits.kept, limits.held)
        self.metrics = Metrics(lambda: self.jobs.open, lambda: self.models.bytes)
        more = {} if work is None else {"work": work}
        self.parsers = Parsers(settings.processes, limits.parsing, limits.memory, **more)
        self._describer = Describer()
        self._sets = ReferenceSets()
        self._reading: Batcher[Given] = Batcher(
            self._read_together, lambda _key, _given: 1, most=_GIVEN, wait=0.0, threads=settings.processes
        )
        self._computing: Batcher[Crystal | Failure] = Batcher(
            self._compute_together, _edges, most=settings.batch_edges, wait=settings.batch_wait, seen=self.metrics.batch
        )
        self._explaining = threading.Lock()
        self.ready = threading.Event()

    def start(self) -> None:
        """Load the default model and start the processes that read."""
        self.parsers.start()
        salt = Crystal("CsCl", 4.12 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]), np.array([55, 17]))
        list(self.models.get().predictor.stream_embeddings([salt]))  # the first crystal takes a second
        self.ready.set()

    def close(self) -> None:
        """Finish what was begun, and end all threads and processes."""
        self.ready.clear()
        self.jobs.close(self.settings.drain)
        self._reading.close()
        self._computing.close()
        self.parsers.close()
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
        rows = self._computed(Wanted("predict", loaded.name, asked.interval), self._prepared(given, loaded, job), job)
        return Table(schema, facts | {"model": loaded.name}, rows)

    def structures(self, _asked: Structures, given: Sequence[Given], job: Job) -> dict[str, Any]:
        """Return the crystals themselves, in a form that every route takes; the arguments are those of `predict`."""
        return {"rows": [structure_row(item) for item in self._read(given, job)]}

    def embed(self, asked: Embed, given: Sequence[Given], job: Job) -> Table:
        """Return a vector per crystal; the arguments are those of `predict`."""
        loaded = self.models.get(asked.model)
        rows = self._computed(Wanted("embed", loaded.name), self._prepared(given, loaded, job), job)
        return Table(EMBEDDINGS, loaded.facts | {"width": loaded.predictor.encoder.width}, rows)

    def explain(self, asked: Explain, given: Sequence[Given], job: Job) -> dict[str, Any]:
        """Explain predictions; the arguments are those of `predict`."""
        from cryskit.explain.atoms import Explainer  # noqa: PLC0415 - only who asks for it waits
        from cryskit.explain.document import document  # noqa: PLC0415

        loaded = self.models.get(asked.model)
        explainer = Explainer(loaded.predictor, asked.property or None)
        items = self._prepared(given, loaded, job, self.limits.explained)
        job.total, rows = len(items), list[dict[str, Any]]()
        for item in items:
            with self._explaining:  # not with what others wait for: it takes long
                rows += computed(loaded, Wanted("explain", loaded.name, asked.property), [item])
            job.advance(1)
        self._count("explain", rows)
        found = document(explainer, rows, loaded.sha256)
        return loaded.facts | found | {"model": found["model"] | {"name": loaded.name}}

    def describe(self, _asked: Describe, given: Sequence[Given], job: Job) -> Table:
        """Describe crystals in words; the arguments are those of `predict`."""
        version = self._describer.version()
        items, rows = self._read(given, job, self.limits.explained), list[dict[str, Any]]()
        job.total = len(items)
        for item in items:
            rows += self._describer.rows([item])
            job.advance(1)
        self._count("describe", rows)
        return Table(DESCRIPTIONS, {"version": version}, rows)

    def search(self, asked: Search, given: Sequence[Given], job: Job) -> Table:
        """Return the crystals of a set that are nearest to a given one, or fit words; the arguments are those of `predict`."""
        loaded = self.models.get(asked.model)
        candidates = [Given("structure", f"candidate {i}", each) for i, each in enumerate(asked.candidates)]
        names, items = self._sets.items_of(asked.data, lambda: self._read(candidates, job) if candidates else [])
        if asked.words:
            rows = self._sets.by_words(loaded, asked.words, items)
        else:
            wanted = self._read(given, job)
            if len(wanted) != 1:
                raise ServiceError(422, "A search is for one crystal", "Send one", given=f"{len(wanted)} crystals")
            vectors = self._sets.vectors_of(
                (loaded.name, names), lambda: self._vectors(loaded, self._texts(items, loaded), job)
            )
            rows = self._sets.nearest(self._vectors(loaded, self._texts(wanted, loaded), job), items, vectors)
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
        items = self._prepared(given, loaded, job)
        rows = self._computed(Wanted("predict", loaded.name, asked.interval), items, job)
        found = screening.short_list(items, rows)
        failed = [{name: row[name] for name in ("id", "reason")} for row in rows if row["status"] == "failed"]
        return Table(found.schema, facts | {"counts": found.counts, "failed": failed}, found.rows)

    def _vectors(self, loaded: Loaded, items: list[Crystal | Failure], job: Job) -> list[dict[str, Any]]:
        return self._computed(Wanted("embed", loaded.name), items, job)

    def _prepared(
        self, given: Sequence[Given], loaded: Loaded, job: Job, most: int | None = None
    ) -> list[Crystal | Failure]:
        """Return what was sent as crystals and failures, with descriptions if the model reads them."""
        return self._texts(self._read(given, job, most), loaded)

    def _texts(self, items: list[Crystal | Failure], loaded: Loaded) -> list[Crystal | Failure]:
        return self._describer.with_texts(items) if loaded.predictor.text_input is not None else items

    def _read(self, given: Sequence[Given], job: Job, most: int | None = None) -> list[Crystal | Failure]:
        """Return the rows of files and structures.

        Raises:
            ServiceError: They are more than a request may hold, or none.
        """
        most = self.limits.rows if most is None else most
        found: list[Crystal | Failure] = []
        for start in range(0, len(given), _GIVEN):
            piece = given[start : start + _GIVEN]
            found += [row for rows in self._reading.submit(most, piece).result() for row in rows]
            self.limits.require_rows(len(found), most)
            job.advance(0)
        self.limits.require_rows(len(found), most)
        return found

    def _read_together(self, rows: Any, given: list[Given]) -> list[Rows]:
        return self.parsers.read(given, self.limits.atoms, rows)

    def _computed(self, wanted: Wanted, items: list[Crystal | Failure], job: Job) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        job.total += len(items)
        for part in _pieces(items, PIECE):
            rows += self._computing.submit(wanted, part).result()
            job.advance(len(part))
        self._count(wanted.kind, rows)
        return rows

    def _count(self, kind: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.metrics.crystals.labels(kind, row["status"]).inc()

    def _compute_together(self, wanted: Any, items: list[Crystal | Failure]) -> list[Any]:
        return computed(self.models.get(wanted.model), wanted, items)


def _edges(_wanted: Any, item: Crystal | Failure) -> int:
    """Return the number of edges of a crystal, about."""
    return EDGES_PER_ATOM * len(item) if isinstance(item, Crystal) else 1


def _pieces(items: list[Crystal | Failure], size: int) -> Iterator[list[Crystal | Failure]]:
    remaining = iter(items)
    while piece := list(islice(remaining, size)):
        yield piece


def _has_files(given: Sequence[Given]) -> bool:
    return any(each.kind == "file" for each in given)
