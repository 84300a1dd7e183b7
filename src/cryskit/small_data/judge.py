"""Nested cross-validation: every choice is made within the training rows of an outer fold and judged on the rows left out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.atomic_write import write_json
from cryskit.errors import DataError
from cryskit.small_data.folds import folds_of, some, without
from cryskit.small_data.search import Choice, choose, error_of, errors_of, fitted, mean_of
from cryskit.small_data.table import GUESS, physical
from cryskit.small_data.tuning import predicted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryskit.small_data.job import Job
    from cryskit.small_data.sources import Vectors
    from cryskit.small_data.table import Table
    from cryskit.small_data.tuning import Tuner

OUTER = 5
"""Number of outer folds."""
SHARES = (0.5, 0.75, 0.25, 1.0, 0.0)
"""Shares of the frozen in the mean of frozen and fine-tuned that are tried, the first of equally good ones taken."""
SIZES = (0.25, 0.5, 0.75)
"""Shares of the training rows of the learning curve, besides all of them."""
MEAN, FROZEN, TUNED, BOTH, FIT = "mean of the labels", "frozen", "fine-tuned", "mean of both", "fit"
"""Names of what is judged besides the candidates: the guess, the mean of the best on frozen vectors, fine-tuned networks, the mean of these
two, and what `fit` decides for in each fold."""
SAID = {
    MEAN: "always guessing the mean of the labels",
    FROZEN: "mean of the best on frozen vectors",
    TUNED: "fine-tuned networks",
    BOTH: "mean of frozen and fine-tuned",
    FIT: "what `fit` decides for, which the model file holds",
}
"""What these names stand for, in words."""


@dataclass(frozen=True)
class Judged:
    """What the outer folds say.

    Attributes:
        folds: The rows of each outer fold.
        values: Name of what is judged to its (n,) predictions of rows it has not seen, in the unit of the property; NaN where it was not
            tried in the fold of the row.
        decisions: What was decided for in each fold: shares of frozen and fine-tuned.
        curve: Number of training rows and mean absolute error of the best on frozen vectors, for parts of the training rows.
    """

    folds: list[np.ndarray]
    values: dict[str, np.ndarray]
    decisions: list[tuple[float, float]]
    curve: list[tuple[float, float]]

    def errors(self, table: Table) -> dict[str, tuple[float, float]]:
        """Return mean absolute error and its standard deviation over folds, for everything that was tried in every fold."""
        found = {}
        for name, values in self.values.items():
            if np.isfinite(values).all():
                errors = errors_of(table, np.arange(len(table)), values)
                spread = [errors[fold].mean() for fold in self.folds]
                found[name] = float(errors.mean()), float(np.std(spread))
        return found


@dataclass
class Kept:
    """Results of steps in a folder, so that a fit that was stopped repeats none.

    Attributes:
        folder: The folder.
        announce: Function that is called with the name of each step.
    """

    folder: Path
    announce: Callable[[str], None] = field(default=lambda _: None)

    def get(self, name: str, what: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of a step, made if it is not there.

        Args:
            name: Name of the step, as part of a file name.
            what: What the step does, in words.
            make: Function that returns the result, plain values.
        """
        self.announce(what)
        path = self.folder / f"step-{name}.json"
        if not path.exists():
            write_json(make(), path)
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} is damaged ({error})", "Delete it and give the same command again") from error
        return found


def outer_folds(table: Table, seed: int) -> list[np.ndarray]:
    """Return the rows of the outer folds: formulas kept together, and each alone where there are few rows."""
    count = OUTER if len(table) >= GUESS else len(table)
    return folds_of(table.groups, count, seed, table.numbers if table.wanted.classes else None)


def judge_frozen(job: Job, folds: Sequence[np.ndarray], seconds: float) -> list[Choice]:
    """Return what each outer fold chooses on frozen vectors; predictions of the rows left out are kept with it.

    Args:
        job: The fit.
        folds: Rows of the outer folds.
        seconds: Time of each search after which no further candidate is begun.
    """
    table, vectors, seed = job.table, job.vectors, job.seed
    choices = []
    for number, fold in enumerate(folds):
        rows = without(np.arange(len(table)), fold)

        def made(rows: np.ndarray = rows, fold: np.ndarray = fold) -> dict[str, Any]:
            choice = choose(table, vectors, rows, seed, seconds, job.clock)
            parts = fitted(table, vectors, rows, choice, every=True)
            named = {part.candidate.name: part.predict(vectors, fold) for part in parts} | {
                FROZEN: mean_of(parts, vectors, fold)
            }
            values = {name: physical(learned, choice.transform).tolist() for name, learned in named.items()}
            values[MEAN] = [float(table.values[rows].mean())] * len(fold)
            if table.wanted.transform == "log10":
                values[MEAN] = [float(10 ** np.log10(table.values[rows]).mean())] * len(fold)
            return {
                "choice": choice.to_json(),
                "values": values,
                "curve": _curve(table, vectors, rows, fold, choice, seed),
            }

        what = f"frozen vectors, fold {number + 1} of {len(folds)}"
        choices.append(Choice.from_json(job.kept.get(f"frozen-{number + 1}", what, made)["choice"]))
    return choices


def _curve(
    table: Table, vectors: Vectors, rows: np.ndarray, fold: np.ndarray, choice: Choice, seed: int
) -> list[tuple[int, float]]:
    """Return numbers of training rows, and the sum of the errors of the rows left out after training on these."""
    if len(table) < GUESS:
        return []
    found = []
    for size in (*SIZES, 1.0):
        part = some(rows, table.groups, round(size * len(rows)), seed) if size < 1 else rows
        values = physical(mean_of(fitted(table, vectors, part, choice), vectors, fold), choice.transform)
        found.append((len(part), float(errors_of(table, fold, values).sum())))
    return found


def judge_tuned(
    tuner: Tuner,
    vectors: Vectors,
    folds: Sequence[np.ndarray],
    choices: Sequence[Choice],
    pools: Sequence[str],
    epochs: int,
    kept: Kept,
) -> None:
    """Fine-tune within each outer fold, decide there between frozen and fine-tuned, and keep predictions of the rows left out.

    Args:
        tuner: What the fine-tunings share.
        vectors: Vectors of all crystals.
        folds: Rows of the outer folds.
        choices: What each fold chose on frozen vectors.
        pools: Poolings that are tried.
        epochs: Passes over the training rows.
        kept: Where results are kept.
    """
    for number, (fold, choice) in enumerate(zip(folds, choices, strict=True)):
        rows = without(np.arange(len(tuner.table)), fold)

        def made(
            rows: np.ndarray = rows, fold: np.ndarray = fold, choice: Choice = choice, number: int = number
        ) -> dict[str, Any]:
            shares, values = decide(tuner, vectors, rows, choice, pools, epochs, f"fold{number + 1}", kept, fold)
            return {"shares": shares, "values": values}

        kept.get(f"tuned-{number + 1}", f"fine-tuning, fold {number + 1} of {len(folds)}", made)


def decide(
    tuner: Tuner,
    vectors: Vectors,
    rows: np.ndarray,
    choice: Choice,
    pools: Sequence[str],
    epochs: int,
    name: str,
    kept: Kept,
    left_out: np.ndarray,
) -> tuple[tuple[float, float], dict[str, list[float]]]:
    """Fine-tune on some rows and decide on the rows that chose the epoch how frozen and fine-tuned are to be mixed.

    The shares of their mean (`SHARES`) are those with the smallest error there.

    Args:
        tuner: What the fine-tunings share.
        vectors: Vectors of all crystals.
        rows: The rows that train and decide.
        choice: What was chosen on frozen vectors within these rows.
        pools: Poolings that are tried; the mean of their networks is what "fine-tuned" means.
        epochs: Passes over the training rows.
        name: Name of the runs.
        kept: Where results are kept, and steps announced.
        left_out: Rows whose predictions are returned.

    Returns:
        The shares of frozen and fine-tuned, and the predictions of the rows left out by name, in the unit of the property.
    """
    table, transform = tuner.table, choice.transform
    training, chooses = tuner.divided(rows)
    asked = np.concatenate([chooses, left_out])
    found = []
    for pool in pools:
        kept.announce(f"fine-tuning with pooling {pool or 'of its own'}, {name}")
        found.append(predicted(tuner.tuned(rows, transform, pool, epochs, name), table, asked))
    networks = np.mean(found, axis=0)
    frozen = mean_of(fitted(table, vectors, training, choice), vectors, chooses)
    shares = mixed(table, chooses, frozen, networks[: len(chooses)], transform)
    values = {
        f"{TUNED}, {pool or 'own'} pooling": each[len(chooses) :] for pool, each in zip(pools, found, strict=True)
    }
    values[TUNED] = networks[len(chooses) :]
    return shares, {key: physical(each, transform).tolist() for key, each in values.items()}


def mixed(table: Table, rows: np.ndarray, frozen: np.ndarray, tuned: np.ndarray, transform: str) -> tuple[float, float]:
    """Return the shares of frozen and fine-tuned that rows which trained neither decide for.

    Args:
        table: The table.
        rows: The rows that decide.
        frozen: Predictions on frozen vectors, as they are learned.
        tuned: Predictions of fine-tuned networks, as they are learned.
        transform: Transform under which they are learned.
    """
    errors = [error_of(table, rows, share * frozen + (1 - share) * tuned, transform) for share in SHARES]
    share = SHARES[int(np.argmin(errors))]
    return share, 1 - share


def collected(
    table: Table, folds: Sequence[np.ndarray], frozen: list[dict[str, Any]], tuned: list[dict[str, Any]]
) -> Judged:
    """Return what the outer folds say, from the results that are kept.

    Args:
        table: The table.
        folds: Rows of the outer folds.
        frozen: Result of each fold on frozen vectors.
        tuned: Result of each fold with fine-tuning; empty if there was none.
    """
    values: dict[str, np.ndarray] = {}
    decisions = []
    for number, fold in enumerate(folds):
        found = {name: np.array(each) for name, each in frozen[number]["values"].items()}
        shares = (1.0, 0.0)
        if tuned:
            found |= {name: np.array(each) for name, each in tuned[number]["values"].items()}
            shares = tuple(tuned[number]["shares"])
            transform = frozen[number]["choice"]["transform"]
            found[BOTH] = _mean(found[FROZEN], found[TUNED], (0.5, 0.5), transform)
            found[FIT] = _mean(found[FROZEN], found[TUNED], shares, transform)
        else:
            found[FIT] = found[FROZEN]
        decisions.append(shares)
        for name, each in found.items():
            values.setdefault(name, np.full(len(table), np.nan))[fold] = each
    points = [found["curve"] for found in frozen]
    sizes = range(min(map(len, points), default=0))
    curve = [
        (float(np.mean([each[size][0] for each in points])), sum(each[size][1] for each in points) / len(table))
        for size in sizes
    ]
    return Judged(list(folds), values, decisions, curve)


def _mean(frozen: np.ndarray, tuned: np.ndarray, shares: tuple[float, float], transform: str) -> np.ndarray:
    """Return a weighted mean, taken as the property is learned."""
    learned = [np.log10(each) if transform == "log10" else each for each in (frozen, tuned)]
    return physical(shares[0] * learned[0] + shares[1] * learned[1], transform)
