"""The rows of a benchmark, carried out one after the other; each leaves a card, and what has a card is not done again."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import replacing, write_json
from cryskit.batching import Batcher
from cryskit.benchmark.draw import Drawn, draw
from cryskit.benchmark.facts import Cost, machine
from cryskit.benchmark.leaks import Reports, files_of
from cryskit.errors import CryskitError, PlanError
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build_usable
from cryskit.predict.card import digest
from cryskit.predict.predictor import load
from cryskit.registry import ENCODERS
from cryskit.text.table import read_texts, with_texts
from cryskit.training.batches import EdgeBatches
from cryskit.training.log import LOG, read_log
from cryskit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cryskit.benchmark.draw import DataSet
    from cryskit.benchmark.plan import BenchmarkPlan, Row
    from cryskit.data.splits import Split
    from cryskit.predict.card import Card
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal, Property

ROWS, RUNS, PREDICTIONS, LEAKAGE, GRAPHS = "rows", "runs", "predictions", "leakage", "graphs"
"""Folders of a benchmark: cards, runs with their checkpoints, test predictions, leakage reports, built graphs and vectors."""

_FAILURES = (CryskitError, RuntimeError, ValueError, ArithmeticError, LookupError, MemoryError, OSError)


class Task(NamedTuple):
    """One row of a benchmark on one split of its data.

    Attributes:
        row: The row.
        split: Of its data.
        fold: Which of the splits, from 0.
        folds: How many there are.
        hash: Of all that its result depends on.
        models: The rows before it on the same fold, to their hashes: it may learn from their models.
    """

    row: Row
    split: Split
    fold: int
    folds: int
    hash: str
    models: Mapping[Row, str]


class Share(NamedTuple):
    """The rows that one of several jobs does, which work side by side in one folder; all rows of a draw stay together.

    Attributes:
        number: Of the job, from 1.
        jobs: How many there are.
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
        raise PlanError(f"{text!r} is no share of the rows", "Write the number of the job and how many there are: 3/16")


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
        plan: What is compared.
        data: Name of each data set to its crystals and splits.
        out: The folder.
        corpus: Crystals that pre-trained models may have seen.
        command: What was called, for the cards.
    """

    plan: BenchmarkPlan
    data: Mapping[str, DataSet]
    out: Path
    corpus: Sequence[Crystal] = ()
    command: str = ""

    def tasks(self) -> Iterator[Task]:
        """Yield what is to be done, in order.

        Raises:
            PlanError: The plan of a training is not valid.
        """
        before: dict[int, dict[Row, str]] = defaultdict(dict)
        for row in self.plan.rows():
            splits = self.data[row.data].splits
            for fold, split in enumerate(splits):
                digest = self._hash(row, split, before[fold])
                yield Task(row, split, fold, len(splits), digest, before[fold])
                before[fold][row] = digest

    def run(
        self, told: Callable[[int, Task, dict[str, Any]], None], share: Share = ALL, *, progress: bool = False
    ) -> list[dict[str, Any]]:
        """Do what is not done yet; a row that was stopped goes on, one that failed is tried again.

        Args:
            told: Is given the number (from 1) of every task, and its card as soon as it is there.
            share: What is done here. Of other rows only the card is read, if there is one.
            progress: Show a progress bar for each training.

        Returns:
            The cards of all tasks that have one by now, in order.
        """
        reports = Reports(self.out / LEAKAGE, self.corpus)
        draws: dict[tuple[Any, ...], int] = {}
        tasks = list(self.tasks())
        for number, task in enumerate(tasks, start=1):
            card = read_card(self.out, task.hash)
            row = task.row
            place = draws.setdefault((row.data, row.property, row.fraction, row.seed, task.fold), len(draws))
            if place % share.jobs == share.number - 1 and (card is None or card["status"] != "done"):
                card = self._do(task, reports, progress=progress)
                write_json(card, self.out / ROWS / f"{task.hash}.json")
            if card is not None:
                told(number, task, card)
        cards = (read_card(self.out, task.hash) for task in tasks)  # other jobs have gone on meanwhile
        return [card for card in cards if card is not None]

    def _do(self, task: Task, reports: Reports, *, progress: bool) -> dict[str, Any]:
        """Train and judge; whatever goes wrong is said in the card."""
        cost = Cost()
        data = self._told(task.row)
        card: dict[str, Any] = {
            "status": "done",
            "reason": "",
            "benchmark": self.plan.name,
            "hash": task.hash,
            "row": task.row._asdict() | {"fold": task.fold},
            "command": self.command,
            "date": cost.date,
            "data": {
                "source": self.plan.data[task.row.data].source,
                "manifest": data.manifest,
                "labels": data.labels(task.row.property),
            },
            "split": {"name": task.split.name, "hash": task.split.hash},
            "machine": machine(),
        }
        try:
            drawn = draw(data, task.split, task.row, self.plan)
            trained = self._train(task, drawn, progress=progress)
            card |= self._judge(task, drawn, trained)
            if self.plan.leakage:
                card["leakage"] = reports.of(drawn, files_of(trained[0].plan))
        except _FAILURES as error:
            card |= {"status": "failed", "reason": " ".join(str(error).split()) or type(error).__name__}
        return card | {"seconds": card.get("seconds", {}) | {"row": cost.seconds()}, "memory_mib": cost.memory()}

    def _train(self, task: Task, drawn: Drawn, *, progress: bool) -> list[_Trained]:
        """Train every point of the grid and return them, the best on the validation crystals first."""
        plans = self.plan.training_plans(task.row, self._budget(task, drawn), lambda row: self._model(row, task.models))
        trained = []
        for point, plan in enumerate(plans):
            folder = self.out / RUNS / task.hash / str(point)
            file = folder / "model.safetensors"
            source = self.plan.data[task.row.data].source
            graphs = self.out / GRAPHS
            card = train(plan, drawn.seen, drawn.split, file, folder, source=source, cache=graphs, progress=progress)
            figure = figure_of(card.properties[0])
            trained.append(_Trained(plan, card, file, card.metrics[task.row.property][figure]))
        return sorted(trained, key=lambda one: one.error)

    def _judge(self, task: Task, drawn: Drawn, trained: Sequence[_Trained]) -> dict[str, Any]:
        """Predict the test crystals with the best model, keep the predictions, and return what the card says of them."""
        plan, best, file, _ = trained[0]
        predictor = load(file, self.out / GRAPHS)
        judged = evaluate(predictor, drawn.test)
        predictions = self.out / PREDICTIONS / f"{task.hash}.parquet"
        with replacing(predictions) as temporary:
            judged.table.to_parquet(temporary, index=False)
        prop = best.properties[0]
        logs = [read_log(one.file.parent / LOG) for one in trained]
        return {
            "property": {name: getattr(prop, name) for name in ("name", "symbol", "unit", "transform")},
            "figure": figure_of(prop),
            "encoder": best.encoder,
            "parameters": sum(parameter.numel() for parameter in predictor.parameters()),
            "start": best.start,
            "plan": {"hash": plan.hash, "values": plan.model_dump(mode="json")},
            "grid": [{"hash": one.plan.hash, "validation": one.error} for one in trained],
            "epoch": best.epoch,
            "epochs": len(logs[0]),
            "model": str(trained[0].file.relative_to(self.out)),
            "crystals": best.rows | {"test": len(drawn.test), "test failed": judged.failed},
            "validation": best.metrics[task.row.property],
            "test": judged.metrics[task.row.property],
            "predictions": predictions.name,
            "seconds": {"training": round(sum(entry["seconds"] for log in logs for entry in log), 2)},
            "versions": best.versions,
        }

    @cached_property
    def _texts(self) -> dict[str, dict[str, str]]:
        """Every table of descriptions that the plan names, and what it says of each crystal."""
        return {table: read_texts(Path(table)) for table in {self.plan.texts(row) for row in self.plan.rows()} - {""}}

    def _told(self, row: Row) -> DataSet:
        """Return the data of a row, with the descriptions that its regime names."""
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
        return {"steps": epochs * len(EdgeBatches(Batcher(graph), loop.edges, loop.seed, loop.devices))}

    def _model(self, row: Row, models: Mapping[Row, str]) -> str:
        """Return the model file of another row, or say why there is none."""
        card = read_card(self.out, _known(row, models))
        if card is None or card["status"] != "done":
            why = "it failed" if card else "it was not done"
            raise PlanError(f"There is no model of the row {_words(row)} ({why})", "Put it right first")
        return str(self.out / card["model"])

    def _hash(self, row: Row, split: Split, models: Mapping[Row, str]) -> str:
        plans = self.plan.training_plans(row, {"epochs": 1}, lambda other: _known(other, models))
        with_start_resolved = {key: getattr(self.plan, key) for key in ("of", "validation", "least")}
        decisive = {
            "row": row._asdict(),
            "plans": [plan.hash for plan in plans],
            "files": sorted(digest for plan in plans for digest in files_of(plan).values()),
            "budget": self.plan.budget.model_dump(mode="json"),
            "data": self.data[row.data].manifest,
            "labels": self.data[row.data].labels(row.property),
            "split": split.hash,
            **with_start_resolved,
        }
        if table := self.plan.texts(row):
            decisive["texts"] = digest(Path(table))
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


def read_card(out: Path, digest: str) -> dict[str, Any] | None:
    """Return the card of a row, or None if it has none.

    Args:
        out: The folder of the benchmark.
        digest: The hash of the row.
    """
    path = out / ROWS / f"{digest}.json"
    card: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return card


def figure_of(prop: Property) -> str:
    """Return the figure by which models of a property are compared: of its logarithm where it is learned as one."""
    return "mae_log10" if prop.transform == "log10" else "mae"
