"""Fit the best model that a small table gives: audit, nested cross-validation over candidates, one model file, a report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cryskit.data.classes import find, said
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.validate import LIMIT
from cryskit.errors import PlanError
from cryskit.exclusive import exclusive
from cryskit.predict.outside import OutsideVectors, leakage_of
from cryskit.predict.tables import records
from cryskit.predict.writers import table_writer
from cryskit.small_data.fit_classes import fit_class
from cryskit.small_data.fit_scalars import fit_scalar
from cryskit.small_data.intervals import ORIGIN
from cryskit.small_data.job import Figures, Job
from cryskit.small_data.joined import with_structures
from cryskit.small_data.judge import Kept
from cryskit.small_data.sources import Vectors, origins_of, outside_source, tried_by_default, usable_sources
from cryskit.small_data.table import class_table_of, table_of, with_outside
from cryskit.small_data.warnings import warnings_of
from cryskit.training.calibrate import calibrated
from cryskit.training.identity import Identity, claim, digest_of
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from cryskit.data.classes import Kind
    from cryskit.predict.predictor import Predictor
    from cryskit.small_data.sources import Source
    from cryskit.small_data.table import Table

BUDGET = 600.0
"""Seconds of a fit unless the caller says otherwise."""
_BUSY = "Wait for it, or choose another --out or --folder"
REPORT, PREDICTIONS = "report.html", "out-of-fold.csv"
"""Files of a fit: the report; every label with the prediction of a model that has not seen it."""


@dataclass(frozen=True)
class Fitted:
    """What a fit gives.

    Attributes:
        model: The predictor, as the model file gives it.
        path: The model file.
        folder: Folder with the report, the out-of-fold predictions and what a stopped fit needs to go on.
        errors: Name of each candidate to its error on rows it has not seen, and the deviation over folds: the mean absolute error of a
            scalar, the log loss of a class.
        unit: Unit of the errors.
        predictions: Table of the labels and the out-of-fold predictions.
        warnings: What a reader of the errors has to know.
        figures: Name of each candidate for a class to balanced accuracy, area under the ROC curve (roc_auc), log loss and other figures
            (`evaluate.class_metrics`), with the deviation over folds; empty for a scalar.
    """

    model: Predictor = field(repr=False)
    path: Path
    folder: Path
    errors: dict[str, tuple[float, float]]
    unit: str
    predictions: pd.DataFrame = field(repr=False)
    warnings: tuple[str, ...]
    figures: Figures = field(default_factory=dict, repr=False)

    @property
    def report(self) -> Path:
        """The report, one page that needs no network."""
        return self.folder / REPORT


def fit_table(
    table: Any,
    target: str,
    out: Path | str = "model.safetensors",
    *,
    kind: Kind | None = None,
    structures: Path | str | None = None,
    budget: float = BUDGET,
    folder: Path | str | None = None,
    encoders: Sequence[str] | None = None,
    vectors: Path | str | None = None,
    seed: int = 0,
    limit: int = LIMIT,
    announce: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Fitted:
    """Fit the best model that a table of labelled crystals gives.

    Vectors of published encoders with regressors of scikit-learn, fine-tuned networks and their mean are compared by nested
    cross-validation: formulas are never divided, settings are chosen within the training rows, and errors are those of rows that nothing
    was chosen by. Of a class it is logistic regression on the vectors. A fit that was stopped goes on when it is called again.

    Args:
        table: Whatever `read` takes: a path, a data frame, a list of crystals; with `structures`, a table of ids and numbers.
        target: Name of the property to learn, an alias, or the column.
        out: The model file to write.
        kind: Whether the target is learned as a "class" or a "scalar"; by default as the registry says, and a column that the registry does
            not know as a class if it holds words, truth values, or 0 and 1 alone.
        structures: Folder or file of the crystals, which are named as in the table; None if the table holds them.
        budget: Seconds that the fit may take, about.
        folder: Folder of the fit; the name of the model file with ".fit" behind it by default.
        encoders: Published models or model files whose encoders are tried, and "magpie" for statistics over the composition; by default
            `sources.PUBLISHED` and, where matminer is installed, "magpie". Those that have learned the target itself are left out.
        vectors: Table of vectors of the crystals that another program wrote (tools/extract), which are tried, too; a model that takes them predicts
            crystals of such a table only (`Predictor.with_vectors`).
        seed: Seed of the folds and of the networks.
        limit: Atoms that a cell may have.
        announce: Function that is called with the name of each step.
        clock: Function that gives the seconds that are budgeted; `time.process_time` on a computer that others use, too.

    Raises:
        DataError: The table cannot be read or has too few labels of the target, or of one of its classes.
        ModelError: An encoder cannot be loaded, or needs a package that is missing.
        PlanError: The folder holds another fit, another process works in it, or no encoder is left.

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
    started, path = clock(), Path(out)
    place = Path(folder) if folder else path.with_name(f"{path.name}.fit")
    announce("reading")
    rows, crystals, note = _rows(table, target, kind, structures, limit)
    sources, excluded = _sources(encoders or tried_by_default(), rows)
    outside = OutsideVectors(Path(vectors)) if vectors else None
    if outside:
        rows, sources = with_outside(rows, outside), [*sources, outside_source(outside)]
    key = digest_of(manifest(rows.crystals), rows.values.tolist(), rows.wanted, seed)
    with exclusive(place, PlanError(f"Another process fits in {place}", _BUSY)):
        claim(place, Identity({"data": key, "budget": budget, **{f"encoder {s.name}": s.digest for s in sources}}))
        announce("vectors")
        tried = Vectors(rows, sources, place, key)
        job = Job(rows, tried, Kept(place, announce), key, seed, started, budget, clock, outside)
        return _finished(job, path, crystals, (sources, excluded), note)


def _finished(
    job: Job, path: Path, crystals: Sequence[Crystal], encoders: tuple[Sequence[Source], dict[str, str]], note: str
) -> Fitted:
    """Fit, write the model file, the predictions and the report, and return them.

    Args:
        job: The fit.
        path: The model file.
        crystals: All crystals that were read.
        encoders: The sources that are tried, and what those that are not have learned.
        note: What is to be said of how the target is learned; "" if nothing.
    """
    rows, place, outside = job.table, job.kept.folder, job.outside
    found = (fit_class if rows.wanted.classes else fit_scalar)(job, path.stem)
    calibrated(found.model, found.calibration, ORIGIN)
    found.model.save(path)
    share = found.errors[found.fit][0] / (found.errors[found.guess][0] or 1.0)
    known = warnings_of(rows, crystals, *encoders, found.guess, share)
    leakage = leakage_of(outside.path.name, outside.origin) if outside else ""
    warnings = (*filter(None, [note, leakage]), *known, *found.notes)
    _write(found.predictions, place / PREDICTIONS)
    found.report(warnings, place / REPORT)
    return Fitted(found.model, path, place, found.errors, found.unit, found.predictions, warnings, found.figures)


def _rows(
    table: Any, target: str, kind: Kind | None, structures: Path | str | None, limit: int
) -> tuple[Table, list[Crystal], str]:
    """Return the rows that can be learned from, all crystals that were read, and what is to be said of how the target is learned."""
    items = list(with_structures(table, structures, limit) if structures else read(table, limit=limit))
    crystals = [item for item in items if isinstance(item, Crystal)]
    wanted = find(target, crystals, kind)
    rows = (class_table_of if wanted.property.classes else table_of)(crystals, wanted.property)
    rows.left_out.update({item.id: str(item.error) for item in items if isinstance(item, Failure)})
    return rows, crystals, said(wanted, crystals)


def _write(table: pd.DataFrame, path: Path) -> None:
    columns = pa.Schema.from_pandas(table, preserve_index=False).remove_metadata()
    with table_writer(path, columns, {}) as write_row:
        for row in records(table):
            write_row(row)


def _sources(encoders: Sequence[str], table: Table) -> tuple[list[Source], dict[str, str]]:
    """Return the encoders that may be tried, those without labels first, and what the others have learned."""
    sources, excluded = usable_sources(encoders, table.wanted.name, origins_of(table))
    if not sources:
        name = table.wanted.name
        raise PlanError(f"Every encoder has learned {name} itself", "Name others, such as crysae, with `encoders`")
    return sorted(sources, key=lambda source: bool(source.learned)), excluded
