"""Fit a scalar: regressors on frozen vectors, fine-tuned networks and their mean, judged by nested cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryskit.evaluate.metrics import metrics
from cryskit.small_data.intervals import intervals_of
from cryskit.small_data.job import Job, Outcome
from cryskit.small_data.judge import FIT, MEAN, Judged, collected, decide, judge_frozen, judge_tuned, outer_folds
from cryskit.small_data.model import assembled
from cryskit.small_data.report import write_report
from cryskit.small_data.search import Choice, choose, fitted
from cryskit.small_data.table import GUESS, Table
from cryskit.small_data.tuning import Tuner, affordable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.predict.predictor import Predictor

_FINISH = 0.9  # share of the budget after which nothing long is begun


def fit_scalar(job: Job, name: str) -> Outcome:
    """Fit the best model of a scalar.

    Args:
        job: The fit.
        name: Name of the model on its card.
    """
    model, judged, choice, notes = _whole(job, name)
    errors = judged.errors(job.table)

    def report(warnings: Sequence[str], path: Path) -> None:
        write_report(job.table, judged, choice, model.card, errors, warnings, path)

    return Outcome(
        model,
        intervals_of(model, job.table, judged, job.seed),
        errors,
        {},
        job.table.unit,
        MEAN,
        FIT,
        _unseen(job.table, judged),
        notes,
        report,
    )


def _unseen(table: Table, judged: Judged) -> pd.DataFrame:
    """Return the labels and the predictions of models that had not seen them."""
    columns = {"label": table.values, "prediction": judged.values[FIT]}
    frame = pd.DataFrame({"id": [crystal.id for crystal in table.crystals], **columns})
    frame.attrs["units"] = dict.fromkeys(columns, table.wanted.unit)
    return frame


def _whole(job: Job, name: str) -> tuple[Predictor, Judged, Choice, list[str]]:
    """Return the predictor, what the outer folds say, what was chosen on all rows, and notes."""
    folds = outer_folds(job.table, job.seed)
    seconds = job.seconds(len(folds))
    choices = judge_frozen(job, folds, seconds)
    every = np.arange(len(job.table))

    def chosen() -> dict[str, Any]:
        return choose(job.table, job.vectors, every, job.seed, seconds, job.clock).to_json()

    choice = Choice.from_json(job.kept.get("choice", "frozen vectors, all rows", chosen))
    tuner = _tuner(job, choice)
    tried, epochs, notes = _plan(job, tuner, choice, len(folds))
    shares: tuple[float, float] = (1.0, 0.0)
    networks: list[Predictor] = []
    start: dict[str, str] = {}
    pools: tuple[str, ...] = ()
    if tuner and tried:
        pools, start = tuner.pools[:tried], {"file": tuner.source.name, "digest": tuner.source.digest}
        judge_tuned(tuner, job.vectors, folds, choices, pools, epochs, job.kept)
        none = np.array([], dtype=int)
        shares, _ = decide(tuner, job.vectors, every, choice, pools, epochs, "all", job.kept, none)
        networks = [tuner.tuned(every, choice.transform, pool, epochs, "all") for pool in pools]
    job.kept.announce("the model of all rows")
    numbers = range(1, len(folds) + 1)
    judged = collected(
        job.table,
        folds,
        [job.kept.get(f"frozen-{number}", "results", dict) for number in numbers],
        [job.kept.get(f"tuned-{number}", "results", dict) for number in numbers] if tried else [],
    )
    parts = fitted(job.table, job.vectors, every, choice)
    settings = {
        **job.settings,
        "epochs": epochs,
        "pools": list(pools),
        "shares": list(shares),
    }
    card = {
        **job.facts(name),
        "plan": {"fit": settings | {"choice": choice.to_json()}},
        "start": start,
        "metrics": {job.table.wanted.name: metrics(judged.values[FIT], job.table.values, job.table.wanted.transform)},
    }
    model = assembled(job.table, job.vectors, parts, networks, shares, choice.transform, card)
    return model, judged, choice, notes


def _tuner(job: Job, choice: Choice) -> Tuner | None:
    """Return what fine-tunings share: they start from the network that is the best frozen; None if there is no network."""
    names = (job.vectors.members(candidate.view)[0] for candidate in choice.candidates)
    sources = (job.vectors.sources[name] for name in names)
    best = next((source for source in sources if source.trainable), None)
    return Tuner(job.table, best, job.kept.folder, job.key, job.seed, job.clock) if best else None


def _plan(job: Job, tuner: Tuner | None, choice: Choice, folds: int) -> tuple[int, int, list[str]]:
    """Return how many poolings are tried, with how many epochs, and what is to be said of it; kept for a fit that goes on."""
    if len(job.table) < GUESS or tuner is None:
        return 0, 0, []

    def made() -> dict[str, Any]:
        if job.left(_FINISH) <= 0:
            return {"tried": 0, "epochs": 0}
        per_epoch = tuner.seconds_per_epoch(np.arange(len(job.table)), choice.transform)
        tried, epochs = affordable(job.left(_FINISH), per_epoch, folds + 1, len(tuner.pools))
        return {"tried": tried, "epochs": epochs}

    found = job.kept.get("plan", "how long fine-tuning takes", made)
    lacking = f"The budget of {job.budget:g} s left no time for fine-tuning, which often lowers the error: give more"
    return found["tried"], found["epochs"], [] if found["tried"] else [lacking]
