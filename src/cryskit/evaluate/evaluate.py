"""A model judged on crystals whose properties are known."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryskit.data.interchange import manifest
from cryskit.data.targets import property_name
from cryskit.errors import DataError, UnknownNameError
from cryskit.evaluate.metrics import metrics
from cryskit.evaluate.records import records
from cryskit.predict.tables import prediction_table
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Failure, Property


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out when a model was judged.

    Attributes:
        model: Name of the model.
        digest: SHA-256 of its file, "" if it was not given.
        data: Manifest hash of the crystals it was judged on.
        units: Property name to unit.
        metrics: Property to figure to value (see `metrics`), for the properties that have labels.
        rows: Crystals and failures.
        failed: Rows without a prediction.
        table: One row per item in order: id, for each property its prediction and `<property>_true`, status, reason.
    """

    model: str
    digest: str
    data: str
    units: dict[str, str]
    metrics: dict[str, dict[str, float]]
    rows: int
    failed: int
    table: pd.DataFrame

    def to_json(self) -> str:
        """Return all of it as JSON, the table as a list of rows."""
        names = [field.name for field in fields(self) if field.name != "table"]
        values = {name: getattr(self, name) for name in names} | {"table": records(self.table)}
        return json.dumps(values, indent=1, allow_nan=False)


def evaluate(
    predictor: Predictor,
    items: Iterable[Crystal | Failure],
    properties: Sequence[str] | None = None,
    *,
    digest: str = "",
) -> Evaluation:
    """Predict for crystals whose properties are known, and compare.

    Args:
        predictor: The model.
        items: Crystals with targets; failures keep their place and have no prediction.
        properties: Names or aliases to judge, each of which needs labels; by default all that the model predicts, of which
            one needs labels.
        digest: SHA-256 of the model file, to be kept with the result.

    Raises:
        DataError: There are no labels.
        UnknownNameError: The model does not predict one of the properties.
    """
    chosen = _chosen(predictor, properties)
    seen: list[Crystal | Failure] = []
    predictions = list(predictor.stream(_remembered(items, seen)))
    table = _with_truth(prediction_table(predictions, list(chosen), predictor.units), seen, list(chosen))
    labelled = [name for name in chosen if table[f"{name}_true"].notna().any()]
    missing = sorted(set(chosen) - set(labelled))
    if not labelled or (properties is not None and missing):
        raise DataError(f"No crystal has a label of {', '.join(missing)}", "Give data with these columns")
    return Evaluation(
        model=predictor.card.name,
        digest=digest,
        data=manifest(item for item in seen if isinstance(item, Crystal)),
        units={name: p.unit for name, p in chosen.items()},
        metrics={name: metrics(table[name], table[f"{name}_true"], chosen[name].transform) for name in labelled},
        rows=len(seen),
        failed=sum(p.status == "failed" for p in predictions),
        table=table,
    )


def _chosen(predictor: Predictor, properties: Sequence[str] | None) -> dict[str, Property]:
    known = {p.name: p for p in predictor.card.properties}
    if properties is None:
        return known
    names = [property_name(name) for name in properties]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"property of the model {predictor.card.name}", name, known)
    return {name: known[name] for name in names}


def _remembered(items: Iterable[Crystal | Failure], seen: list[Crystal | Failure]) -> Iterator[Crystal | Failure]:
    for item in items:
        seen.append(item)
        yield item


def _with_truth(table: pd.DataFrame, items: Sequence[Crystal | Failure], properties: Sequence[str]) -> pd.DataFrame:
    columns: dict[str, pd.Series[Any]] = {}
    for column in table.columns:
        columns[column] = table[column]
        if column in properties:
            labels = [item.targets.get(column) if isinstance(item, Crystal) else None for item in items]
            columns[f"{column}_true"] = pd.Series(labels, table.index, dtype=float)
    return pd.DataFrame(columns)
