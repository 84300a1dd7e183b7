"""What every fit is given and what it gives, whether a scalar or a class is learned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.data.interchange import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from cryskit.predict.outside import OutsideVectors
    from cryskit.predict.predictor import Predictor
    from cryskit.small_data.judge import Kept
    from cryskit.small_data.sources import Vectors
    from cryskit.small_data.table import Table
    from cryskit.training.calibrate import Calibration

FROZEN_SHARE = 0.45
"""Share of the budget for choosing on frozen vectors."""

Figures = dict[str, dict[str, tuple[float, float | None]]]
"""Name of a model to figure of merit to value and deviation over folds; None where fewer than two folds have the figure."""


@dataclass(frozen=True)
class Job:
    """A fit under way.

    Attributes:
        table: What is learned from.
        vectors: Vectors of all crystals.
        kept: Where results of steps are kept.
        key: Hash of the table, which names files.
        seed: Seed of the folds and of the networks.
        started: Reading of the clock at the start, in seconds.
        budget: Seconds that the fit may take, about.
        clock: Function that gives the seconds that are budgeted.
        outside: Vectors of another program among those that are tried; None if there are none.
    """

    table: Table
    vectors: Vectors
    kept: Kept
    key: str
    seed: int
    started: float
    budget: float
    clock: Callable[[], float] = time.monotonic
    outside: OutsideVectors | None = None

    def left(self, share: float) -> float:
        """Return the seconds that are left of a share of the budget.

        Args:
            share: The share, 1 for all of it.
        """
        return share * self.budget - (self.clock() - self.started)

    def seconds(self, folds: int) -> float:
        """Return the seconds of each search on frozen vectors.

        Args:
            folds: Number of outer folds, besides which all rows are searched once.
        """
        return max(self.left(FROZEN_SHARE), 0) / (folds + 1)

    @property
    def settings(self) -> dict[str, Any]:
        """What the card says of every fit: budget and seed and, where there are vectors of another program, whose."""
        said = {"file": self.outside.path.name, **self.outside.origin} if self.outside else None
        return {"budget": self.budget, "seed": self.seed} | ({"vectors": said} if said else {})

    def facts(self, name: str) -> dict[str, Any]:
        """Return what the card of every fitted model says.

        Args:
            name: Name of the model.
        """
        return {
            "name": name,
            "description": "Fitted by `cryskit fit`; the errors are those of nested cross-validation by formula.",
            "data": {"manifest": manifest(self.table.crystals)},
            "rows": {"training": len(self.table), "unusable": len(self.table.left_out)},
        }


class Outcome(NamedTuple):
    """What was fitted.

    Attributes:
        model: The predictor.
        calibration: The parts by which it judges its predictions.
        errors: Name of each candidate to its error on rows that it has not seen, and the deviation over folds.
        figures: Further figures of the candidates of a class; empty for a scalar.
        unit: Unit of the errors.
        guess: Name of the guess among the errors.
        fit: Name of what the model file holds among the errors.
        predictions: Table of the labels and the out-of-fold predictions.
        notes: What is to be said of the fit.
        report: Function that writes the report, from warnings and the path.
    """

    model: Predictor
    calibration: Calibration
    errors: dict[str, tuple[float, float]]
    figures: Figures
    unit: str
    guess: str
    fit: str
    predictions: pd.DataFrame
    notes: list[str]
    report: Callable[[Sequence[str], Path], None]
