"""A short list of the crystals of one request: a condition and an order on their predictions, as `cryskit screen` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from cryskit.goals import Goal
from cryskit.predict.tables import arrow_table
from cryskit.screen.prepare import facts_of
from cryskit.screen.probability import probability
from cryskit.screen.rank import order
from cryskit.screen.select import FRONT, PROBABILITY, RANK, kinds_of, values_of
from cryskit.screen.values import NUMBER
from cryskit.screen.where import Condition
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Failure

_FACTS = [("nsites", pa.int32()), ("spacegroup", pa.int16()), ("elements", pa.string())]
_BEHIND = 2  # columns of a prediction that say of which crystal it is: id and formula


class ShortList(NamedTuple):
    """Crystals that satisfy a condition, the best first.

    Attributes:
        schema: Columns of the rows.
        rows: Column to value.
        counts: Number of crystals that were given, predicted, satisfy the condition, and are listed.
    """

    schema: pa.Schema
    rows: list[dict[str, Any]]
    counts: dict[str, int]


class Screening:
    """A condition on predictions and an order of them.

    Args:
        where: Condition on the columns; "" for none.
        rank: Quantities to rank by, "max band_gap"; several give Pareto fronts.
        top: Number of crystals that are listed.
        predicted: Columns of the predictions, `id` and `formula` first.

    Raises:
        ExpressionError: The condition, or what to rank by, cannot be read.
        UnknownNameError: There is no such column.
    """

    def __init__(self, where: str, rank: Sequence[str], top: int, predicted: pa.Schema) -> None:
        columns = list(predicted)
        self._top, self._schema = top, pa.schema([*columns[:_BEHIND], *_FACTS, *columns[_BEHIND:]])
        self._kinds = kinds_of(self._schema, hull=False)
        self._condition = Condition(where, self._kinds) if where else None
        self._goals = [
            Goal.parse(text, [name for name, kind in self._kinds.items() if kind == NUMBER]) for text in rank
        ]

    def short_list(self, items: Sequence[Crystal | Failure], rows: Sequence[dict[str, Any]]) -> ShortList:
        """Return the crystals that satisfy the condition, the best first.

        Args:
            items: Crystals and failures.
            rows: Prediction of each.
        """
        known = [row | _facts(item) for item, row in zip(items, rows, strict=True)]
        good = [row for row in known if row["status"] != "failed"]
        values = values_of(self._batch(good))
        held = np.flatnonzero(self._condition.holds(values)) if self._condition else np.arange(len(good))
        scores = np.array([goal.worth(values[goal.name].array[held]) for goal in self._goals], float)
        positions, fronts = order(scores.reshape(len(self._goals), len(held)).T, self._top)
        best = positions[: self._top].tolist()
        listed = [good[held[place]] for place in best]
        more = [{RANK: rank, FRONT: int(fronts[place])} for rank, place in enumerate(best, 1)]
        counts = {"given": len(rows), "predicted": len(good), "where": len(held), "listed": len(listed)}
        return self._with_chances([one | other for one, other in zip(more, listed, strict=True)], counts)

    def _with_chances(self, rows: list[dict[str, Any]], counts: dict[str, int]) -> ShortList:
        """Return the rows with the probability that the condition holds, if a property in it has a deviation."""
        first = [(RANK, pa.int64()), *([(FRONT, pa.int64())] if len(self._goals) > 1 else [])]
        fields = [*map(pa.field, *zip(*first, strict=True)), *list(self._schema)]
        uncertain = [n for n in sorted(self._condition.names) if f"{n}_std" in self._kinds] if self._condition else []
        if self._condition is None or not uncertain:
            return ShortList(pa.schema(fields), rows, counts)
        found = probability(self._condition, values_of(self._batch(rows)), uncertain, len(rows)).tolist()
        more = [row | {PROBABILITY: chance} for row, chance in zip(rows, found, strict=True)]
        return ShortList(pa.schema([*fields, (PROBABILITY, pa.float64())]), more, counts)

    def _batch(self, rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
        table = arrow_table(rows, self._schema)
        return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=self._schema)


def _facts(item: Crystal | Failure) -> dict[str, Any]:
    return facts_of(item)._asdict() if isinstance(item, Crystal) else {}
