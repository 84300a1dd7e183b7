"""From prepared pieces to rows of the table: the networks compute in this process."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from cryskit.errors import PlanError
from cryskit.predict.compute import compute
from cryskit.predict.outcome import failed, predictions_of
from cryskit.predict.tables import prediction_row
from cryskit.predict.units import units_of
from cryskit.reliability.intervals import require_level
from cryskit.screen.prepare import Recipe
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.screen.prepare import Built, Prepared
    from cryskit.types import Graph

VECTOR = "vector"
"""Column of the vectors of crystals."""
STRUCTURE = "structure"
"""Column of the hashes of structures."""

_FIRST = [
    ("id", pa.string()),
    ("path", pa.string()),
    ("formula", pa.string()),
    ("nsites", pa.int32()),
    ("spacegroup", pa.int16()),
    ("elements", pa.string()),
    ("status", pa.string()),
    ("reason", pa.string()),
]
_STATUS = ("ok", "warned", "failed")
_DOMAIN = ("in", "edge", "out")
_SHARED = ("domain", "status", "reason")


class Networks:
    """The models that crystals are screened with.

    Args:
        predictors: Models, none of which predicts what another does.
        properties: Names or aliases of the properties that are written; all that the models know by default.
        interval: Share of crystals whose labels the intervals should cover.
        vectors: Whether the vectors of crystals by the first model are written.

    Attributes:
        schema: Columns of the table.

    Raises:
        ModelError: A model predicts nothing.
        PlanError: Two models predict one property, or there are no intervals of this level.
        UnknownNameError: No model predicts a property.
    """

    def __init__(
        self,
        predictors: Sequence[Predictor],
        properties: Sequence[str] | None = None,
        interval: float = 0.9,
        *,
        vectors: bool = False,
    ) -> None:
        require_level(interval)
        self.predictors, self._interval, self._vectors = predictors, interval, vectors
        self._specs = list(dict.fromkeys(replace(each.card.spec, text="") for each in predictors))
        self._columns = _wanted(predictors, properties)
        self.schema = self._schema()

    def recipe(self, limit: int) -> Recipe:
        """Return how pieces have to be prepared.

        Args:
            limit: Number of atoms that a cell may have.
        """
        return Recipe(limit, tuple(self._specs), texts=any(each.text_input for each in self.predictors))

    @property
    def facts(self) -> dict[str, Any]:
        """What holds for the whole table."""
        models = ", ".join(each.card.full_name for each in self.predictors)
        level = {"interval": self._interval} if any(each.reliability for each in self.predictors) else {}
        return {"model": models, "units": units_of(self.schema), **level}

    def rows(self, prepared: Prepared) -> list[dict[str, Any]]:
        """Return the rows of a piece, column to value, in order.

        Args:
            prepared: The piece.
        """
        rows = [_first_row(prepared, place) for place in range(len(prepared.items))]
        for predictor in self.predictors:
            built = prepared.built[self._specs.index(replace(predictor.card.spec, text=""))]
            found = self._predicted(
                predictor, prepared, built, vectors=self._vectors and predictor is self.predictors[0]
            )
            for place, (row, more) in enumerate(zip(rows, found, strict=True)):
                rows[place] = _merged(row, more)
        return rows

    def _predicted(
        self, predictor: Predictor, prepared: Prepared, built: Built, *, vectors: bool
    ) -> list[dict[str, Any]]:
        """Return what one model says of each row."""
        places = [i for i, item in enumerate(prepared.items) if isinstance(item, Crystal) and i not in built.errors]
        crystals = [item for i in places if isinstance(item := prepared.items[i], Crystal)]
        graph, remarks = predictor.complete(built.graph, crystals)
        what = partial(_read_out, predictor, self._interval, vectors)
        values, failures = compute(graph, what, predictor.batch_edges, predictor.device)
        good = [i for i in range(len(places)) if i not in failures]
        width = predictor.encoder.width if vectors else 0
        numbers, kept = np.split(values, [values.shape[1] - width], axis=1)
        domain = predictor.reliability.domain if predictor.reliability else None
        predictions = predictions_of(
            predictor.card, [crystals[i] for i in good], numbers, [remarks[i] for i in good], domain
        )
        found: dict[int, dict[str, Any]] = {}
        for i, prediction, vector in zip(good, predictions, kept, strict=True):
            found[places[i]] = prediction_row(prediction) | ({VECTOR: vector.astype(np.float16)} if vectors else {})
        reasons = {place: str(error) for place, error in built.errors.items()}
        reasons |= {places[i]: reason for i, reason in failures.items()}
        return [
            found[place] if place in found else prediction_row(failed(item, reasons.get(place) or str(_error(item))))
            for place, item in enumerate(prepared.items)
        ]

    def _schema(self) -> pa.Schema:
        properties = [field for schema in self._columns for field in schema if field.name not in ("id", *_SHARED)]
        judged = any("domain" in schema.names for schema in self._columns)
        more = [("domain", pa.string())] * judged + [(STRUCTURE, pa.uint64())]
        more += [(VECTOR, pa.list_(pa.float16()))] * self._vectors
        return pa.schema([*_FIRST, *properties, *more])


def _wanted(predictors: Sequence[Predictor], properties: Sequence[str] | None) -> list[pa.Schema]:
    """Return the columns of each model."""
    known: dict[str, str] = {}
    for predictor in predictors:
        predictor.require_heads()
        for name in predictor.properties:
            if name in known and (properties is None or name in properties):
                raise PlanError(
                    f"Both {known[name]} and {predictor.card.full_name} predict {name}",
                    "Screen with one of them, or with each into a folder of its own, or choose other properties",
                )
            known[name] = predictor.card.full_name
    if properties is None:
        return [predictor.schema() for predictor in predictors]
    of = [[name for name in properties if _knows(predictor, name)] for predictor in predictors]
    for name in set(properties) - {each for names in of for each in names}:
        predictors[0].schema([name])  # raises what names are like it
    return [predictor.schema(names) for predictor, names in zip(predictors, of, strict=True) if names]


def _knows(predictor: Predictor, name: str) -> bool:
    return any(name in {each.name, *each.aliases} for each in predictor.card.properties)


def _read_out(predictor: Predictor, interval: float, vectors: bool, graph: Graph) -> torch.Tensor:  # noqa: FBT001
    encoding = predictor.encoder(graph)
    judged = predictor.judged(graph, interval, encoding)
    return torch.cat([judged, encoding.crystals], dim=1) if vectors else judged


def _first_row(prepared: Prepared, place: int) -> dict[str, Any]:
    facts = prepared.facts[place]
    return {} if facts is None else facts._asdict()


def _error(item: object) -> object:
    return getattr(item, "error", "It has no graph")


def _merged(row: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with what a further model says: the worst status and domain of both, all reasons."""
    both = {**row, **more}
    if "status" in row:
        both["status"] = max(row["status"], more["status"], key=_STATUS.index)
        both["reason"] = ". ".join(dict.fromkeys(filter(None, [row["reason"], more["reason"]])))
        known = [each["domain"] for each in (row, more) if each.get("domain")]
        both["domain"] = max(known, key=_DOMAIN.index) if known else None
    return both
