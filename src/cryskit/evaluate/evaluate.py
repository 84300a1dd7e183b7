"""Compare the predictions of a model with known properties: figures of merit and a table of both."""

from __future__ import annotations

from dataclasses import dataclass, fields
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cryskit.data.classes import label_of, labelled_rows
from cryskit.data.interchange import manifest
from cryskit.data.targets import one_or_many, property_name
from cryskit.data.tensors import target_row
from cryskit.errors import DataError, UnknownNameError
from cryskit.evaluate.class_metrics import class_metrics
from cryskit.evaluate.coverage import coverage
from cryskit.evaluate.likeness import likeness
from cryskit.evaluate.metrics import metrics
from cryskit.evaluate.tensors import followed, following, mandel, tensor_coverage, tensor_metrics
from cryskit.predict.predictor import LEVEL
from cryskit.predict.tables import frame, prediction_row, records
from cryskit.predict.tensors import ERROR
from cryskit.predict.writers import json_rows
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Failure, Prediction, Property


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures of merit of a model on a data set, and what they are computed from.

    Attributes:
        model: Name and version of the model.
        digest: SHA-256 of its file, "" if it was not given.
        data: Manifest hash of the crystals it was evaluated on.
        units: Property name to unit.
        metrics: Property to figure to value (see `metrics`, `class_metrics` and `tensor_metrics`), for the properties that have labels, and for the scalars
            that follow from tensors (`tensors.following`), from whose labels theirs follow, too.
        coverage: Property to kind of crystals to figures of its intervals (see `coverage.coverage`), for those that have any.
        likeness: Property to kind of crystals to figures of merit: apart for those that trained the model, other cells of their
            formulas, and new formulas (see `likeness.likeness`); empty if the model carries no record of its training.
        interval: Level of the intervals: the share of labels that they should cover.
        rows: Crystals and failures.
        failed: Rows without a prediction.
        table: One row per item in order: id, for each property its prediction and `<property>_true`, status, reason.
    """

    model: str
    digest: str
    data: str
    units: dict[str, str]
    metrics: dict[str, dict[str, float]]
    coverage: dict[str, dict[str, dict[str, float]]]
    likeness: dict[str, dict[str, dict[str, float]]]
    interval: float
    rows: int
    failed: int
    table: pd.DataFrame

    def to_json(self) -> str:
        """Return all of it as JSON, the table as a list of rows."""
        facts = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "table"}
        written = StringIO()
        with json_rows(written, [str(name) for name in self.table], facts, key="table") as write:
            for row in records(self.table):
                write(row)
        return written.getvalue()


def evaluate(
    predictor: Predictor,
    items: Iterable[Crystal | Failure],
    properties: str | Sequence[str] | None = None,
    *,
    interval: float = LEVEL,
    digest: str = "",
) -> Evaluation:
    """Predict for crystals whose properties are known, and compare.

    Args:
        predictor: The model to evaluate.
        items: Crystals with targets; failures keep their place and have no prediction.
        properties: Names or aliases to evaluate, one or many, each of which needs labels; by default all that the model predicts, of which
            one needs labels.
        interval: Level of the intervals, from 0.5 to 0.99.
        digest: SHA-256 of the model file, to be kept with the result.

    Raises:
        DataError: There are no labels.
        UnknownNameError: The model does not predict one of the properties.
    """
    chosen = _chosen(predictor, properties)
    every = chosen | following(chosen.values())
    seen: list[Crystal | Failure] = []
    predictions = list(predictor.stream(_remembered(items, seen), interval))
    seen = labelled_rows(seen, chosen.values())
    rows = (prediction_row(p) | _truth(item, every) for p, item in zip(predictions, seen, strict=True))
    schema = predictor.schema(list(chosen), derive=len(every) > len(chosen))
    columns = [column for one in every.values() for column in one.columns]
    table = frame(rows, with_truth(schema, columns), predictor.facts(schema, interval))
    labelled = [name for name, one in every.items() if table[f"{one.columns[0]}_true"].notna().any()]
    missing = sorted(set(chosen) - set(labelled))
    if not labelled or (properties is not None and missing):
        raise DataError(f"No crystal has a label of {', '.join(missing)}", "Give data with these columns")
    return Evaluation(
        model=predictor.card.full_name,
        digest=digest,
        data=manifest(item for item in seen if isinstance(item, Crystal)),
        units={name: p.unit for name, p in every.items() if not p.classes},
        metrics={name: _metrics(every[name], table, predictions, seen) for name in labelled},
        coverage=_coverage(table, [every[name] for name in labelled], seen),
        likeness=_likeness(table, [every[name] for name in labelled], predictions, seen, predictor),
        interval=interval,
        rows=len(seen),
        failed=sum(p.status == "failed" for p in predictions),
        table=table,
    )


def _chosen(predictor: Predictor, properties: str | Sequence[str] | None) -> dict[str, Property]:
    known = {p.name: p for p in predictor.card.properties}
    if properties is None:
        return known
    names = [property_name(name) for name in one_or_many(properties)]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"property of the model {predictor.card.name}", name, known)
    return {name: known[name] for name in names}


def _coverage(
    table: pd.DataFrame, wanted: Sequence[Property], items: Sequence[Crystal | Failure]
) -> dict[str, dict[str, dict[str, float]]]:
    found = {}
    for p in wanted:
        if p.tensor and (error := f"{p.name}_{ERROR}") in table:
            found[error] = tensor_coverage(table, p, items)
        elif f"{p.name}_lo" in table:
            found[p.name] = coverage(table, p, items)
    return {name: kinds for name, kinds in found.items() if kinds}


def _likeness(
    table: pd.DataFrame,
    wanted: Sequence[Property],
    predictions: Sequence[Prediction],
    items: Sequence[Crystal | Failure],
    predictor: Predictor,
) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, chosen in likeness(predictor, items).items():
        rows = [row for row in np.flatnonzero(chosen).tolist() if predictions[row].status != "failed"]
        some = table.iloc[rows]
        for each in wanted:
            if some[f"{each.columns[0]}_true"].notna().any():
                figures = _metrics(each, some, [predictions[row] for row in rows], [items[row] for row in rows])
                found.setdefault(each.name, {})[kind] = figures
    return found


def _remembered(items: Iterable[Crystal | Failure], seen: list[Crystal | Failure]) -> Iterator[Crystal | Failure]:
    for item in items:
        seen.append(item)
        yield item


def with_truth(schema: pa.Schema, properties: Iterable[str]) -> pa.Schema:
    """Return the columns of predictions with a column `<property>_true` behind each property, or component of a tensor."""
    names = set(properties)
    truth = {field.name: [field.with_name(f"{field.name}_true")] for field in schema if field.name in names}
    return pa.schema([each for field in schema for each in (field, *truth.get(field.name, []))])


def _truth(item: Crystal | Failure, chosen: Mapping[str, Property]) -> dict[str, float | str | None]:
    if not isinstance(item, Crystal):
        return {}
    tensors = [one for one in chosen.values() if one.tensor]
    columns = [f"{column}_true" for one in tensors for column in one.columns]
    components: dict[str, float | str | None] = dict(zip(columns, target_row(item, tensors), strict=True))
    known = {name: value for name, value in {**followed(item, tensors), **item.targets}.items() if name in chosen}
    return components | {f"{name}_true": label_of(chosen[name], value) for name, value in known.items()}


def _metrics(
    wanted: Property, table: pd.DataFrame, predictions: Sequence[Prediction], seen: Sequence[Crystal | Failure]
) -> dict[str, float]:
    """Return the figures of merit of a scalar, a class or a tensor."""
    name = wanted.name
    if wanted.tensor:
        return tensor_metrics(mandel(table, wanted), mandel(table, wanted, "_true"))
    if not wanted.classes:
        return metrics(table[name], table[f"{name}_true"], wanted.transform)
    labels = [item.targets.get(name) if isinstance(item, Crystal) else None for item in seen]
    return class_metrics([one.classes.get(name) for one in predictions], labels, wanted)
