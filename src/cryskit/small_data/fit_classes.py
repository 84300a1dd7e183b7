"""Fit a class: logistic regression on the vectors of frozen encoders, judged by nested cross-validation by formula.

Vectors and penalty are chosen by the log loss within the training rows of an outer fold. The logits of rows that a model has not seen
calibrate the temperature and the prediction sets; the figures of a fold are those with a calibration on the other folds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from cryskit.predict.classes import SEPARATOR, calibrate
from cryskit.small_data.classifier import Labelled, chosen, logarithms, logistic_predictor
from cryskit.small_data.folds import some, without
from cryskit.small_data.intervals import ORIGIN, domain_of
from cryskit.small_data.job import Job, Outcome
from cryskit.small_data.judge import FIT, outer_folds
from cryskit.small_data.judge_classes import GUESS_CLASS, JudgedClasses, judged_classes
from cryskit.small_data.report_classes import write_class_report
from cryskit.small_data.search import SEARCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryskit.predict.predictor import Predictor
    from cryskit.small_data.sources import Vectors
    from cryskit.small_data.table import Table

FEW = 9
"""Labels of a class that its prediction sets need: with fewer it is in every set."""


class Candidate(NamedTuple):
    """Logistic regression on the vectors of frozen encoders.

    Attributes:
        view: Name of the encoder, or of several joined.
        penalty: Inverse penalty C that the inner folds chose.
        loss: Log loss of the inner folds, in nats.
    """

    view: str
    penalty: float
    loss: float

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.view}, logistic regression"


def fit_class(job: Job, name: str) -> Outcome:
    """Fit the best model of a class.

    Args:
        job: The fit.
        name: Name of the model on its card.
    """
    folds = outer_folds(job.table, job.seed)
    seconds = job.seconds(len(folds))
    judged = judged_classes(job.table, folds, _judge(job, folds, seconds))
    figures = judged.figures()
    candidates = _candidates(job, seconds)
    job.kept.announce("the model of all rows")
    model = _model(job, name, candidates, judged)

    def report(warnings: Sequence[str], path: Path) -> None:
        write_class_report(judged, candidates[0].name, model.card, figures, warnings, path)

    return Outcome(
        model,
        domain_of(model, job.table, job.seed),
        {key: (found["log_loss"][0], found["log_loss"][1] or 0.0) for key, found in figures.items()},
        figures,
        "",
        GUESS_CLASS,
        FIT,
        _unseen(job.table, judged),
        _few(job.table),
        report,
    )


def choose(
    table: Table,
    vectors: Vectors,
    rows: np.ndarray,
    seed: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[Candidate]:
    """Choose vectors and penalty by cross-validation within some rows; the best candidate is the first.

    Args:
        table: The table.
        vectors: Vectors of all its crystals.
        rows: The training rows; no other label is looked at.
        seed: Seed of the inner folds.
        seconds: Time after which no further vectors are tried.
        clock: Function that gives the seconds that are budgeted.
    """
    end = clock() + seconds
    found: list[Candidate] = []
    rows = some(rows, table.groups, SEARCHED, seed)
    for view in vectors.views:
        if found and clock() > end:
            break
        classes = len(table.wanted.classes)
        best = chosen(vectors[view][rows], table.numbers[rows], table.groups[rows], classes, seed)
        found.append(Candidate(view, best.penalty, best.loss))
    return sorted(found, key=lambda candidate: candidate.loss)


def _judge(job: Job, folds: Sequence[np.ndarray], seconds: float) -> list[dict[str, np.ndarray]]:
    """Return the logits of the rows of each fold, by name of a candidate; "fit" is what the training rows chose."""
    found = []
    for number, fold in enumerate(folds):
        rows = without(np.arange(len(job.table)), fold)

        def made(rows: np.ndarray = rows, fold: np.ndarray = fold) -> dict[str, Any]:
            candidates = choose(job.table, job.vectors, rows, job.seed, seconds, job.clock)
            values = {one.name: _logits(job, one, rows, fold).tolist() for one in candidates}
            return {"candidates": [list(one) for one in candidates], "values": values}

        what = f"frozen vectors, fold {number + 1} of {len(folds)}"
        kept = job.kept.get(f"frozen-{number + 1}", what, made)
        values = {key: np.array(each) for key, each in kept["values"].items()}
        found.append(values | {FIT: values[Candidate(*kept["candidates"][0]).name]})
    return found


def _logits(job: Job, candidate: Candidate, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the logits of some rows by a candidate that was fitted to others, (n, classes)."""
    vectors, labels = job.vectors[candidate.view], job.table.numbers
    classes = len(job.table.wanted.classes)
    return logarithms(candidate.penalty, vectors[rows], labels[rows], vectors[others], classes)


def _candidates(job: Job, seconds: float) -> list[Candidate]:
    """Return what is chosen on all rows."""

    def made() -> dict[str, Any]:
        every = np.arange(len(job.table))
        return {
            "candidates": [list(one) for one in choose(job.table, job.vectors, every, job.seed, seconds, job.clock)]
        }

    kept = job.kept.get("choice", "frozen vectors, all rows", made)
    return [Candidate(*one) for one in kept["candidates"]]


def _model(job: Job, name: str, candidates: Sequence[Candidate], judged: JudgedClasses) -> Predictor:
    """Return the model of all rows."""
    table, best = job.table, candidates[0]
    settings = {**job.settings, "candidates": [list(one) for one in candidates]}
    facts = {
        **job.facts(name),
        "plan": {"fit": settings},
        "metrics": {table.wanted.name: judged.metrics()},
        "class_calibration": {table.wanted.name: calibrate(judged.logits[FIT], judged.labels, ORIGIN)},
    }
    given = Labelled(table.crystals, table.graph, table.numbers, table.wanted)
    sources = [job.vectors.sources[each] for each in job.vectors.members(best.view)]
    return logistic_predictor(given, sources, job.vectors[best.view], best.penalty, facts)


def _unseen(table: Table, judged: JudgedClasses) -> pd.DataFrame:
    """Return the labels and the predictions of models that had not seen them."""
    found, classes = judged.predictions, table.wanted.classes
    columns = {
        "id": [crystal.id for crystal in table.crystals],
        "label": [classes[label] for label in judged.labels],
        "prediction": [one.name for one in found],
        "probability": [one.probability for one in found],
        "set": [SEPARATOR.join(one.members) for one in found],
    }
    each = {f"probability of {name}": [one.probabilities[k] for one in found] for k, name in enumerate(classes)}
    return pd.DataFrame(columns | each)


def _few(table: Table) -> list[str]:
    """Return a sentence on classes with few labels, if there are any."""
    counts = np.bincount(table.numbers, minlength=len(table.wanted.classes))
    few = [f"{name} ({count})" for name, count in zip(table.wanted.classes, counts, strict=True) if count < FEW]
    return (
        [f"Few labels of {', '.join(few)}: nothing sure can be said of it, and it is in every prediction set"]
        if few
        else []
    )
