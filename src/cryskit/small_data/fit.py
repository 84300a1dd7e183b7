"""Fit the best model that a small table gives: audit, nested cross-validation over candidates, one model file, a report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.validate import LIMIT
from cryskit.errors import PlanError
from cryskit.evaluate.metrics import metrics
from cryskit.small_data.intervals import ORIGIN, intervals_of
from cryskit.small_data.joined import with_structures
from cryskit.small_data.judge import FIT, Judged, Kept, collected, decide, judge_frozen, judge_tuned, outer_folds
from cryskit.small_data.model import assembled
from cryskit.small_data.report import write_report
from cryskit.small_data.search import Choice, choose, fitted
from cryskit.small_data.sources import JOINED, PUBLISHED, Vectors, usable_sources
from cryskit.small_data.table import GUESS, Table, table_of
from cryskit.small_data.tuning import Tuner, affordable
from cryskit.small_data.warnings import warnings_of
from cryskit.training.calibrate import calibrated
from cryskit.training.identity import Identity, claim, digest_of
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryskit.predict.predictor import Predictor

BUDGET = 600.0
"""Seconds of a fit unless the caller says otherwise."""
REPORT, PREDICTIONS = "report.html", "out-of-fold.csv"
"""Files of a fit: the report; every label with the prediction of a model that has not seen it."""

_FROZEN = 0.45  # share of the budget for choosing on frozen vectors
_FINISH = 0.9  # share of the budget after which nothing long is begun


@dataclass(frozen=True)
class Fitted:
    """What a fit gives.

    Attributes:
        model: The predictor, as the model file gives it.
        path: The model file.
        folder: Folder with the report, the out-of-fold predictions and what a stopped fit needs to go on.
        errors: Name of each candidate to its mean absolute error on rows it has not seen, and the deviation over folds.
        unit: Unit of the errors.
        predictions: Table of the labels and the out-of-fold predictions.
        warnings: What a reader of the errors has to know.
    """

    model: Predictor = field(repr=False)
    path: Path
    folder: Path
    errors: dict[str, tuple[float, float]]
    unit: str
    predictions: pd.DataFrame = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def report(self) -> Path:
        """The report, one page that needs no network."""
        return self.folder / REPORT


def fit_table(
    table: Any,
    target: str,
    out: Path | str = "model.safetensors",
    *,
    structures: Path | str | None = None,
    budget: float = BUDGET,
    folder: Path | str | None = None,
    encoders: Sequence[str] = PUBLISHED,
    seed: int = 0,
    limit: int = LIMIT,
    announce: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Fit the best model that a table of labelled crystals gives.

    Vectors of published encoders with regressors of scikit-learn, fine-tuned networks and their mean are compared by nested
    cross-validation: formulas are never divided, settings are chosen within the training rows, and errors are those of rows that nothing
    was chosen by. A fit that was stopped goes on when it is called again.

    Args:
        table: Whatever `read` takes: a path, a data frame, a list of crystals; with `structures`, a table of ids and numbers.
        target: Name of the property to learn, an alias, or the column.
        out: The model file to write.
        structures: Folder or file of the crystals, which are named as in the table; None if the table holds them.
        budget: Seconds that the fit may take, about.
        folder: Folder of the fit; the name of the model file with ".fit" behind it by default.
        encoders: Published models or model files whose encoders are tried. Those that have learned the target itself are left out.
        seed: Seed of the folds and of the networks.
        limit: Atoms that a cell may have.
        announce: Function that is called with the name of each step.

    Raises:
        DataError: The table cannot be read or has too few labels of the target.
        PlanError: The folder holds another fit, or no encoder is left.

    Example:
        Sixty crystals that come with the package, in the least time:

        >>> from itertools import islice
        >>> from tempfile import mkdtemp
        >>> import cryskit
        >>> crystals = list(islice(cryskit.read("elastic_tensor"), 60))
        >>> found = cryskit.fit_table(crystals, "bulk_modulus", mkdtemp() + "/bulk.safetensors", budget=1, encoders=["crysae"])
        >>> found.model.properties, found.errors["fit"][0] < found.errors["mean of the labels"][0]
        (['bulk_modulus'], True)
    """
    started, path = time.monotonic(), Path(out)
    place = Path(folder) if folder else path.with_name(f"{path.name}.fit")
    announce("reading")
    items = list(with_structures(table, structures, limit) if structures else read(table, limit=limit))
    crystals = [item for item in items if isinstance(item, Crystal)]
    rows = table_of(crystals, target)
    rows.left_out.update({item.id: str(item.error) for item in items if isinstance(item, Failure)})
    sources, excluded = usable_sources(encoders, rows.wanted.name)
    if not sources:
        raise PlanError(
            f"Every encoder has learned {rows.wanted.name} itself", "Name others, such as crysae, with `encoders`"
        )
    sources.sort(key=lambda source: bool(source.learned))
    key = digest_of(manifest(rows.crystals), rows.values.tolist(), rows.wanted, seed)
    claim(place, Identity({"data": key, "budget": budget, **{f"encoder {s.name}": s.digest for s in sources}}))
    announce("vectors")
    run = _Run(rows, Vectors(rows, sources, place, key), Kept(place, announce), key, seed, started, budget)
    model, judged, choice, notes = run.whole(path.stem)
    calibrated(model, intervals_of(model, rows, judged, seed), ORIGIN)
    model.save(path)
    warnings = (*warnings_of(rows, crystals, sources, excluded, judged), *notes)
    found = Fitted(model, path, place, judged.errors(rows), rows.unit, _unseen(rows, judged), warnings)
    found.predictions.to_csv(place / PREDICTIONS, index=False)
    write_report(rows, judged, choice, model.card, found.errors, warnings, found.report)
    return found


def _unseen(table: Table, judged: Judged) -> pd.DataFrame:
    """Return the labels and the predictions of models that had not seen them."""
    columns = {"label": table.values, "prediction": judged.values[FIT]}
    frame = pd.DataFrame({"id": [crystal.id for crystal in table.crystals], **columns})
    frame.attrs["units"] = dict.fromkeys(columns, table.wanted.unit)
    return frame


@dataclass(frozen=True)
class _Run:
    """A fit under way."""

    table: Table
    vectors: Vectors
    kept: Kept
    key: str
    seed: int
    started: float
    budget: float

    def left(self, share: float) -> float:
        """Return the seconds that are left of a share of the budget."""
        return share * self.budget - (time.monotonic() - self.started)

    def whole(self, name: str) -> tuple[Predictor, Judged, Choice, list[str]]:
        """Return the predictor, what the outer folds say, what was chosen on all rows, and notes."""
        folds = outer_folds(self.table, self.seed)
        seconds = max(self.left(_FROZEN), 0) / (len(folds) + 1)
        choices = judge_frozen(self.table, self.vectors, folds, self.kept, self.seed, seconds)
        every = np.arange(len(self.table))

        def chosen() -> dict[str, Any]:
            return choose(self.table, self.vectors, every, self.seed, seconds).to_json()

        choice = Choice.from_json(self.kept.get("choice", "frozen vectors, all rows", chosen))
        tuner = self._tuner(choice)
        tried, epochs, notes = self._plan(tuner, choice, len(folds))
        pools = tuner.pools[:tried]
        shares, networks = (1.0, 0.0), []
        if tried:
            judge_tuned(tuner, self.vectors, folds, choices, pools, epochs, self.kept)
            none = np.array([], dtype=int)
            shares, _ = decide(tuner, self.vectors, every, choice, pools, epochs, "all", self.kept, none)
            networks = [tuner.tuned(every, choice.transform, pool, epochs, "all") for pool in pools]
        self.kept.announce("the model of all rows")
        numbers = range(1, len(folds) + 1)
        judged = collected(
            self.table,
            folds,
            [self.kept.get(f"frozen-{number}", "results", dict) for number in numbers],
            [self.kept.get(f"tuned-{number}", "results", dict) for number in numbers] if tried else [],
        )
        parts = fitted(self.table, self.vectors, every, choice)
        settings = {
            "budget": self.budget,
            "seed": self.seed,
            "epochs": epochs,
            "pools": list(pools),
            "shares": list(shares),
        }
        card = {
            "name": name,
            "description": "Fitted by `cryskit fit`; the errors are those of nested cross-validation by formula.",
            "plan": {"fit": settings | {"choice": choice.to_json()}},
            "start": {"file": self.vectors.sources[tuner.source.name].name, "digest": tuner.source.digest}
            if tried
            else {},
            "data": {"manifest": manifest(self.table.crystals)},
            "rows": {"training": len(self.table), "unusable": len(self.table.left_out)},
            "metrics": {
                self.table.wanted.name: metrics(judged.values[FIT], self.table.values, self.table.wanted.transform)
            },
        }
        model = assembled(self.table, self.vectors, parts, networks, shares, choice.transform, card)
        return model, judged, choice, notes

    def _tuner(self, choice: Choice) -> Tuner:
        """Return what fine-tunings share: they start from the encoder that is the best frozen."""
        best = choice.candidates[0].view.split(JOINED)[0]
        return Tuner(self.table, self.vectors.sources[best], self.kept.folder, self.key, self.seed)

    def _plan(self, tuner: Tuner, choice: Choice, folds: int) -> tuple[int, int, list[str]]:
        """Return how many poolings are tried, with how many epochs, and what is to be said of it; kept for a fit that goes on."""
        if len(self.table) < GUESS:
            return 0, 0, []

        def made() -> dict[str, Any]:
            if self.left(_FINISH) <= 0:
                return {"tried": 0, "epochs": 0}
            per_epoch = tuner.seconds_per_epoch(np.arange(len(self.table)), choice.transform)
            tried, epochs = affordable(self.left(_FINISH), per_epoch, folds + 1, len(tuner.pools))
            return {"tried": tried, "epochs": epochs}

        found = self.kept.get("plan", "how long fine-tuning takes", made)
        lacking = (
            f"The budget of {self.budget:g} s left no time for fine-tuning, which often lowers the error: give more"
        )
        return found["tried"], found["epochs"], [] if found["tried"] else [lacking]
