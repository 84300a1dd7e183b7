"""The rows of a benchmark, carried out one after the other; each leaves a card, and what has a card is not done again."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import replacing, write_json
from cryskit.batching import Batcher
from cryskit.benchmark.attempt import Attempt
from cryskit.benchmark.card import (
    Divided,
    GridPoint,
    Place,
    PlanUsed,
    PropertyResult,
    Result,
    RowCard,
    Source,
    read_row,
    row_path,
)
from cryskit.benchmark.draw import Drawn, draw
from cryskit.benchmark.facts import Cost, machine
from cryskit.benchmark.leaks import Reports, file_digest, files_of
from cryskit.errors import DataError, PlanError, shortened
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build_usable
from cryskit.predict.load import load
from cryskit.registry import ENCODERS
from cryskit.text.table import read_texts, with_texts
from cryskit.training.batches import EdgeBatches
from cryskit.training.log import LOG, read_log
from cryskit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryskit.benchmark.draw import DataSet
    from cryskit.benchmark.plan import BenchmarkPlan, Row
    from cryskit.data.splits import Split
    from cryskit.predict.card import Card
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal

RUNS, PREDICTIONS, LEAKAGE, GRAPHS = "runs", "predictions", "leakage", "graphs"
"""Folders of a benchmark: runs with their checkpoints, test predictions, leakage reports, built graphs and vectors."""


class Task(NamedTuple):
    """One row of a benchmark on one split of its data.

    Attributes:
        row: The row.
        split: Split of its data.
        fold: Index of the split, from 0.
        folds: Number of splits of its data.
        labels: Hash of the labels of its properties.
        hash: Hash of all that its result depends on.
        models: Rows before it on the same fold, to their hashes: it may learn from their models.
    """

    row: Row
    split: Split
    fold: int
    folds: int
    labels: str
    hash: str
    models: Mapping[Row, str]


class Share(NamedTuple):
    """The rows that one of several jobs does, which work side by side in one folder; all rows of a draw stay together.

    Attributes:
        number: Number of the job, from 1.
        jobs: Number of jobs.
    """

    number: int = 1
    jobs: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read "3/16", the third of sixteen.

        Raises:
            PlanError: It is something else.
        """
        number, slash, jobs = text.partition("/")
        if slash and number.isdecimal() and jobs.isdecimal() and 1 <= int(number) <= int(jobs):
            return cls(int(number), int(jobs))
        raise PlanError(
            f"{shortened(text)!r} is no share of the rows", "Write the number of the job and how many there are: 3/16"
        )


ALL = Share()


class _Trained(NamedTuple):
    """One point of the grid."""

    plan: Plan
    card: Card
    file: Path
    error: float


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A plan with its data and the folder of its results.

    Attributes:
        plan: Plan with all that is compared.
        data: Name of each data set to its crystals and splits.
        out: Folder of the results.
        corpus: Crystals that pre-trained models may have seen.
        command: Command that was called, for the cards.
    """

    plan: BenchmarkPlan
    data: Mapping[str, DataSet]
    out: Path
    corpus: Sequence[Crystal] = ()
    command: str = ""

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Everything that is to be done, in order.

        Raises:
            PlanError: The plan of a training is not valid.
        """
        before: dict[int, dict[Row, str]] = defaultdict(dict)
        labels: dict[tuple[str, str], str] = {}
        tasks = []
        for row in self.plan.rows():
            data = self.data[row.data]
            if (row.data, row.property) not in labels:
                labels[row.data, row.property] = data.label_hash(self.plan.learned(row))
            for fold, split in enumerate(data.splits):
                known = labels[row.data, row.property]
                digest = self._hash(row, split, known, before[fold])
                tasks.append(Task(row, split, fold, len(data.splits), known, digest, before[fold]))
                before[fold][row] = digest
        return tuple(tasks)

    def run(
        self, report: Callable[[int, Task, RowCard], None], share: Share = ALL, *, progress: bool = False
    ) -> list[RowCard]:
        """Do what is not done yet; a row that was stopped goes on, one that failed is tried again.

        Args:
            report: Function that is given the number (from 1) of every task, and its card as soon as it is there.
            share: Share of the rows that is done here. Of other rows only the card is read, if there is one.
            progress: Show a progress bar for each training.

        Returns:
            The cards of all tasks that have one by now, in order.
        """
        reports = Reports(self.out / LEAKAGE, self.corpus)
        draws: dict[tuple[Any, ...], int] = {}
        for number, task in enumerate(self.tasks, start=1):
            card = self._card(task.hash)
            row = task.row
            place = draws.setdefault((row.data, row.property, row.fraction, row.seed, task.fold), len(draws))
            if place % share.jobs == share.number - 1 and (card is None or card.status != "done"):
                card = self._do(task, reports, progress=progress)
                write_json(card.model_dump(mode="json"), row_path(self.out, task.hash))
            if card is not None:
                report(number, task, card)
        cards = (self._card(task.hash) for task in self.tasks)  # other jobs have gone on meanwhile
        return [card for card in cards if card is not None]

    def _card(self, digest: str) -> RowCard | None:
        """Return the card of a row, or None if it has none."""
        path = row_path(self.out, digest)
        return read_row(path) if path.exists() else None

    def _do(self, task: Task, reports: Reports, *, progress: bool) -> RowCard:
        """Train and judge; the card says what went wrong, and the traceback of a fault of the program is kept."""
        cost, row = Cost(), task.row
        result, leakage = None, None
        with Attempt() as attempt:
            drawn = draw(self._with_texts(row), task.split, row, self.plan)
            trained = self._train(task, drawn, progress=progress)
            judged = self._judge(task, drawn, trained)
            if self.plan.leakage:
                leakage = reports.of(drawn, files_of(trained[0].plan))
            result = judged
        return RowCard(
            status=attempt.status,
            reason=attempt.reason,
            traceback=self._keep(attempt.trace, task),
            benchmark=self.plan.name,
            hash=task.hash,
            row=Place(**row._asdict(), fold=task.fold),
            command=self.command,
            date=cost.date,
            data=Source(
                source=self.plan.data[row.data].source, manifest=self.data[row.data].manifest, labels=task.labels
            ),
            split=Divided(name=task.split.name, hash=task.split.hash),
            machine=machine(),
            seconds=cost.seconds(),
            memory_mib=cost.memory(),
            result=result,
            leakage=leakage,
        )

    def _keep(self, trace: str, task: Task) -> str:
        """Write a traceback into the folder of the card and return the name of its file; remove that of an earlier attempt."""
        path = row_path(self.out, task.hash).with_suffix(".traceback.txt")
        if not trace:
            path.unlink(missing_ok=True)
            return ""
        with replacing(path) as temporary:
            temporary.write_text(trace, encoding="utf-8")
        return path.name

    def _train(self, task: Task, drawn: Drawn, *, progress: bool) -> list[_Trained]:
        """Train every point of the grid and return them, the best on the validation crystals first.

        Raises:
            PlanError: A training has diverged.
        """
        plans = self.plan.training_plans(task.row, self._budget(task, drawn), lambda row: self._model(row, task.models))
        trained = []
        for point, plan in enumerate(plans):
            folder = self.out / RUNS / task.hash / str(point)
            file = folder / "model.safetensors"
            source = self.plan.data[task.row.data].source
            graphs = self.out / GRAPHS
            try:
                card = train(
                    plan,
                    drawn.seen,
                    drawn.split,
                    file,
                    folder,
                    source=source,
                    cache=graphs,
                    judging=False,
                    progress=progress,
                )
            except DataError as error:
                if _diverged(folder / LOG):
                    raise _divergence(task.row) from error
                raise
            trained.append(_Trained(plan, card, file, _validation_error(card, task.row)))
        return sorted(trained, key=lambda one: one.error)

    def _judge(self, task: Task, drawn: Drawn, trained: Sequence[_Trained]) -> Result:
        """Predict the test crystals with the best model, keep the predictions, and return what came out."""
        plan, best, file, _ = trained[0]
        predictor = load(file, self.out / GRAPHS)
        judged = evaluate(predictor, drawn.test)
        predictions = self.out / PREDICTIONS / f"{task.hash}.parquet"
        with replacing(predictions) as temporary:
            judged.table.to_parquet(temporary, index=False)
        logs = [read_log(one.file.parent / LOG) for one in trained]
        return Result(
            properties=_results(best, judged.metrics),
            encoder=best.encoder,
            parameters=sum(parameter.numel() for parameter in predictor.parameters()),
            start=best.start,
            plan=PlanUsed(hash=plan.hash, values=plan.model_dump(mode="json")),
            grid=tuple(GridPoint(hash=one.plan.hash, validation=one.error) for one in trained),
            epoch=best.epoch,
            epochs=len(logs[0]),
            model=str(trained[0].file.relative_to(self.out)),
            crystals=best.rows | {"test": len(drawn.test), "test failed": judged.failed},
            predictions=predictions.name,
            training_seconds=round(sum(entry["seconds"] for log in logs for entry in log), 2),
            versions=best.versions,
        )

    @cached_property
    def _texts(self) -> dict[str, dict[str, str]]:
        """Every table of descriptions that the plan names: crystal id to description."""
        return {table: read_texts(Path(table)) for table in {self.plan.texts(row) for row in self.plan.rows()} - {""}}

    def _with_texts(self, row: Row) -> DataSet:
        """Return the data of a row with the descriptions that its regime names."""
        data, table = self.data[row.data], self.plan.texts(row)
        return replace(data, crystals=list(with_texts(data.crystals, self._texts[table]))) if table else data

    def _budget(self, task: Task, drawn: Drawn) -> dict[str, int]:
        """Return the epochs or steps of a row; who sees more crystals than the labelled ones makes as many steps."""
        budget, row = self.plan.budget, task.row
        if budget.steps is not None:
            return {"steps": budget.steps}
        epochs = budget.epochs[row.fraction] if isinstance(budget.epochs, dict) else budget.epochs or 1
        plan = self.plan.training_plans(row, {"epochs": epochs}, lambda other: self._model(other, task.models))[0]
        if plan.teacher is None or not plan.teacher.unlabelled:
            return {"epochs": epochs}
        training = drawn.split.divide(drawn.seen)[0]
        spec = ENCODERS.needs(self.plan.encoders[row.encoder])
        graph, _ = build_usable(training, spec, cache=self.out / GRAPHS)
        loop = plan.optimisation
        return {"steps": epochs * len(EdgeBatches(Batcher(graph), loop.edges, loop.seed, loop.processes))}

    def _model(self, row: Row, models: Mapping[Row, str]) -> str:
        """Return the model file of another row, or say why there is none."""
        card = self._card(_known(row, models))
        if card is None or card.result is None:
            why = "it failed" if card else "it was not done"
            raise PlanError(f"There is no model of the row {_words(row)} ({why})", "Put it right first")
        return str(self.out / card.result.model)

    def _hash(self, row: Row, split: Split, labels: str, models: Mapping[Row, str]) -> str:
        plans = self.plan.training_plans(row, {"epochs": 1}, lambda other: _known(other, models))
        decisive = {
            "row": row._asdict(),
            "plans": [plan.hash for plan in plans],
            "files": sorted(digest for plan in plans for digest in files_of(plan).values()),
            "budget": self.plan.budget.model_dump(mode="json"),
            "data": self.data[row.data].manifest,
            "labels": labels,
            "split": split.hash,
            **{key: getattr(self.plan, key) for key in ("of", "validation", "least")},
        }
        if table := self.plan.texts(row):
            decisive["texts"] = file_digest(Path(table))
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _known(row: Row, models: Mapping[Row, str]) -> str:
    """Return the hash of a row that another one learns from."""
    if row not in models:
        raise PlanError(
            f"A regime learns from the row {_words(row)}, which does not come before",
            "Name its encoder, and its regime, above the one that learns from it, and do not skip it",
        )
    return models[row]


def _words(row: Row) -> str:
    return " ".join(map(str, row))


def _validation_error(card: Card, row: Row) -> float:
    """Return the error on the validation crystals by which a grid chooses, the geometric mean over properties.

    Raises:
        PlanError: It is not finite.
    """
    errors = [result.validation_error for result in _results(card, {}) if result.validation]
    if not (errors and isfinite(prod(errors))):
        raise _divergence(row)
    return float(prod(errors) ** (1 / len(errors)))


def _diverged(log: Path) -> bool:
    """Tell whether no epoch of a run has a finite loss on the validation crystals."""
    return log.exists() and not any(isfinite(entry["validation_loss"]) for entry in read_log(log))


def _divergence(row: Row) -> PlanError:
    return PlanError(
        f"The training of the row {_words(row)} has diverged: its predictions of the validation crystals are not finite",
        "Train it at a lower rate (optimisation.rate)",
    )


def _results(card: Card, test: Mapping[str, Mapping[str, float]]) -> tuple[PropertyResult, ...]:
    """Return the figures of each property that a model has learned, on validation and test crystals."""
    return tuple(
        PropertyResult(
            name=prop.name,
            symbol=prop.symbol,
            unit=prop.unit,
            transform=prop.transform,
            classes=prop.classes,
            validation=card.metrics.get(prop.name, {}),
            test=dict(test.get(prop.name, {})),
        )
        for prop in card.properties
    )
