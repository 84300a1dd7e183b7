"""From the table of a screening to a short list: conditions, duplicates, known crystals, hull, rank, the most diverse."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.data.interchange import write
from cryskit.errors import DataError, PlanError
from cryskit.goals import Goal
from cryskit.graphs.duplicates import near_duplicates
from cryskit.predict.writers import table_writer
from cryskit.screen.hull import HULL, Hull
from cryskit.screen.merge import batches_of
from cryskit.screen.network import STRUCTURE, VECTOR
from cryskit.screen.probability import probability
from cryskit.screen.rank import diverse, order
from cryskit.screen.reread import crystals_of
from cryskit.screen.values import NUMBER, SET, TEXT, Value
from cryskit.screen.where import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.screen.folder import Folder, Part
    from cryskit.screen.known import Known
    from cryskit.types import Crystal

ENERGY = "formation_energy_per_atom"
"""Property that the hull is made of unless the caller says otherwise."""
KNOWN, PROBABILITY, RANK, FRONT = "known", "probability", "rank", "front"
"""Columns of a short list that the table of a screening has not."""

CRYSTALS = "top-crystals.parquet"
"""File of the crystals of a short list."""

_SPARE = 1.25  # of the wanted rows are read once more, since some are near-duplicates


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a short list.

    Attributes:
        where: Condition on the columns; "" for none.
        rank: Goals to rank by, such as "max band_gap"; several give Pareto fronts.
        top: Number of crystals; None for all.
        diverse: Number of crystals that are chosen among these to be unlike one another; None to keep all.
        hull: Property whose values make the convex hull; "" for none.
        keep_known: Whether known crystals stay in the list.
    """

    where: str = ""
    rank: tuple[str, ...] = ()
    top: int | None = 100
    diverse: int | None = None
    hull: str = ""
    keep_known: bool = False


@dataclass
class Chosen:
    """A short list.

    Attributes:
        table: Its rows, from the best to the worst.
        crystals: The crystals, in the same order.
        funnel: What was counted to the number of crystals that were left, in order.
        goals: Quantities that it is ranked by.
        sample: Column to the values of the rows that satisfy the condition, for figures: ranked quantities.
    """

    table: pa.Table
    crystals: list[Crystal]
    funnel: dict[str, int]
    goals: list[Goal]
    sample: dict[str, np.ndarray] = field(default_factory=dict)


class _Found(NamedTuple):
    """Rows that satisfy a condition.

    Attributes:
        rows: Numbers of the rows.
        columns: Column to their values.
    """

    rows: np.ndarray
    columns: dict[str, np.ndarray]

    def of(self, which: np.ndarray) -> _Found:
        """Return some of them."""
        return _Found(self.rows[which], {name: values[which] for name, values in self.columns.items()})


def kinds_of(schema: pa.Schema, *, hull: bool) -> dict[str, str]:
    """Return what each column holds for conditions.

    Args:
        schema: Columns of a screening.
        hull: Whether there is the energy above the hull, too.
    """
    kinds = {
        each.name: SET if each.name == "elements" else TEXT if pa.types.is_string(each.type) else NUMBER
        for each in schema
        if each.name not in (STRUCTURE, VECTOR)
    }
    return kinds | {"nelements": NUMBER} | ({HULL: NUMBER} if hull else {})


def require_possible(folder: Folder, wanted: Wanted) -> None:
    """Refuse what a screening cannot give, before any work is done for it.

    Args:
        folder: Folder of the screening.
        wanted: What is wanted.

    Raises:
        DataError: Parts are missing.
        ExpressionError: The condition cannot be read.
        PlanError: What to rank by cannot be read, or something is wanted that the screening does not have.
        UnknownNameError: There is no such column.
    """
    _asked(folder.whole(), wanted)


def write_chosen(folder: Folder, chosen: Chosen) -> None:
    """Write a short list into the folder of its screening: top.parquet, top.csv and its crystals.

    Args:
        folder: Folder of the screening.
        chosen: The short list.
    """
    facts = {name.decode(): value.decode() for name, value in (chosen.table.schema.metadata or {}).items()}
    kept = {name: facts[name] for name in ("model", "interval") if name in facts}
    for ending in ("parquet", "csv"):
        with table_writer(folder.path / f"top.{ending}", chosen.table.schema.remove_metadata(), kept) as write_row:
            for row in chosen.table.to_pylist():
                write_row(row)
    write(
        folder.path / CRYSTALS, (replace(crystal, targets={}, labels={}, tensors={}) for crystal in chosen.crystals), []
    )


def _asked(parts: Sequence[Part], wanted: Wanted) -> tuple[pa.Schema, dict[str, str], Condition | None, list[Goal]]:
    """Return the columns of a screening, what they hold, the condition and the goals."""
    if not parts:
        raise DataError("The screening has no rows", "Give sources that hold some")
    schema = pq.read_schema(parts[0].path)
    kinds = kinds_of(schema, hull=bool(wanted.hull))
    if wanted.hull and wanted.hull not in kinds:
        raise PlanError(
            f"A hull needs formation energies, and no model predicted {wanted.hull}", "Screen with one that does"
        )
    if wanted.diverse and VECTOR not in schema.names:
        raise PlanError("The most diverse are chosen by vectors, which were not kept", "Screen with --vectors")
    condition = Condition(wanted.where, kinds) if wanted.where else None
    goals = [Goal.parse(text, [name for name, kind in kinds.items() if kind == NUMBER]) for text in wanted.rank]
    return schema, kinds, condition, goals


def select(folder: Folder, wanted: Wanted, known: Known | None = None) -> Chosen:
    """Make the short list of a complete screening.

    Args:
        folder: Folder of the screening.
        wanted: What is wanted.
        known: Crystals that are known; None if there are none.

    Raises:
        DataError: Parts are missing, or a source does not exist any more.
        ExpressionError: The condition cannot be read.
        PlanError: What to rank by cannot be read, or something is wanted that the screening does not have.
        UnknownNameError: There is no such column.
    """
    parts = folder.whole()
    schema, kinds, condition, goals = _asked(parts, wanted)
    funnel = dict.fromkeys(("rows", "read", "ok", "in domain"), 0)
    found = _passing(parts, condition, goals, wanted.hull, funnel)
    if wanted.hull:
        found = _with_hull(parts, found, wanted.hull, known, condition)
    funnel["where"] = len(found.rows)
    sample = {goal.name: found.columns[goal.name] for goal in goals}
    found = found.of(np.sort(np.unique(found.columns[STRUCTURE], return_index=True)[1]))
    funnel["unique"] = len(found.rows)
    names = np.array([known.ids.get(int(s)) if known else None for s in found.columns[STRUCTURE]], object)
    if known is not None:
        unknown = np.array([name is None for name in names], bool)
        funnel["unknown"] = int(unknown.sum())
        which = np.arange(len(names)) if wanted.keep_known else np.flatnonzero(unknown)
        found, names = found.of(which), names[which]
    positions, of_front, crystals = _best(folder, parts, found, goals, wanted)
    funnel["top"] = len(positions)
    more: dict[str, Any] = {RANK: pa.array(range(1, len(positions) + 1), pa.int64())}
    more |= {FRONT: pa.array(of_front[positions], pa.int64())} if len(goals) > 1 else {}
    more |= {KNOWN: pa.array(names[positions].tolist(), pa.string())} if known is not None else {}
    more |= {HULL: pa.array(found.columns[HULL][positions])} if wanted.hull else {}
    table = _table(parts, schema, found.rows[positions], more)
    if condition is not None:
        table = _with_probability(table, condition, kinds)
    return Chosen(table, crystals, funnel, goals, sample)


def _passing(
    parts: Sequence[Part], condition: Condition | None, goals: Sequence[Goal], hull: str, funnel: dict[str, int]
) -> _Found:
    """Return the rows that are no failures and satisfy a condition, but for what it says of the hull; count into the funnel."""
    late = condition.together_with(HULL) if condition else set()
    plain = {"nelements", "elements", "formula", HULL}
    kept = sorted({*(goal.name for goal in goals), *late, *[hull] * bool(hull)} - plain)
    needed = {"status", "nsites", "elements", "formula", STRUCTURE, *kept, *(condition.names if condition else ())}
    columns = [name for name in pq.read_schema(parts[0].path).names if name in needed or name == "domain"]
    start, rows, values = 0, list[np.ndarray](), list[dict[str, np.ndarray]]()
    for batch in batches_of(parts, columns):
        known = values_of(batch)
        status = known["status"].array
        good = status != "failed"
        funnel["rows"] += len(status)
        funnel["read"] += int((~np.isnan(known["nsites"].array)).sum())
        funnel["ok"] += int(good.sum())
        domain = known["domain"].array if "domain" in known else np.full(len(status), "in", object)
        funnel["in domain"] += int((good & (domain == "in")).sum())
        passing = good & condition.holds(known, without=HULL) if condition is not None else good
        which = np.flatnonzero(passing)
        rows.append(start + which)
        taken = {name: known[name].array[which] for name in [*kept, "nelements"]}
        taken |= {name: np.array(batch[name].to_pylist(), object)[which] for name in ("elements", "formula", STRUCTURE)}
        values.append(taken)
        start += len(status)
    return _Found(np.concatenate(rows), {name: np.concatenate([v[name] for v in values]) for name in values[0]})


def values_of(batch: pa.RecordBatch) -> dict[str, Value]:
    """Return the columns of a batch for conditions; with the elements comes their number.

    Args:
        batch: Rows of a screening.
    """
    found: dict[str, Value] = {}
    for name in batch.schema.names:
        column = batch[name]
        if name == "elements":
            sets = np.empty(len(column), object)
            sets[:] = [None if text is None else frozenset(text.split("-")) for text in column.to_pylist()]
            found[name] = Value(SET, sets)
            found["nelements"] = Value(NUMBER, np.array([np.nan if s is None else len(s) for s in sets], float))
        elif pa.types.is_string(column.type):
            texts = np.empty(len(column), object)
            texts[:] = column.to_pylist()
            found[name] = Value(TEXT, texts)
        elif not pa.types.is_list(column.type) and name != STRUCTURE:
            found[name] = Value(NUMBER, column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    return found


def _with_hull(
    parts: Sequence[Part], found: _Found, energy: str, known: Known | None, condition: Condition | None
) -> _Found:
    """Return the rows with their energies above the hull, without those for which it is not what the condition wants."""
    hull = Hull()
    for batch in batches_of(parts, ["elements", "formula", "status", energy]):
        energies = np.array([np.nan if v is None else v for v in batch[energy].to_pylist()], float)
        hull.add(batch["elements"].to_pylist(), batch["formula"].to_pylist(), energies)
    if known is not None:
        hull.add(known.systems, known.formulas, known.energies)
    rows = zip(found.columns["elements"], found.columns["formula"], found.columns[energy], strict=True)
    found.columns[HULL] = np.array([hull.above(*row) for row in rows], float)
    if condition is None or HULL not in condition.names:
        return found
    named = {name: _value(name, found.columns[name]) for name in condition.together_with(HULL)}
    return found.of(np.flatnonzero(condition.holds(named, only=HULL)))


def _value(name: str, column: np.ndarray) -> Value:
    """Return a column of found rows for conditions."""
    if name != "elements":
        return Value(NUMBER if column.dtype == float else TEXT, column)
    sets = np.empty(len(column), object)
    sets[:] = [frozenset(text.split("-")) for text in column]
    return Value(SET, sets)


def _best(
    folder: Folder, parts: Sequence[Part], found: _Found, goals: Sequence[Goal], wanted: Wanted
) -> tuple[np.ndarray, np.ndarray, list[Crystal]]:
    """Return the positions of the best, the front of each row, and the crystals of the best."""
    scores = np.zeros((len(found.rows), len(goals)))
    for place, goal in enumerate(goals):
        scores[:, place] = goal.worth(found.columns[goal.name])
    top = len(found.rows) if wanted.top is None else wanted.top
    spare = int(top * _SPARE) + 10
    positions, of_front = order(scores, spare)
    positions = positions[:spare]
    rows = found.rows[positions].tolist()
    crystals = crystals_of(folder, parts, rows)
    if len(crystals) < len(rows):
        raise DataError(f"{len(rows) - len(crystals)} crystals are not in the sources any more", "Screen these anew")
    listed = [replace(crystals[row], id=str(place)) for place, row in enumerate(rows)]
    doubles = near_duplicates(listed, listed)
    kept = [i for i in range(len(listed)) if min(map(int, doubles.get(i, ())), default=i) >= i][:top]
    if wanted.diverse is not None:
        vectors = _vectors(parts, found.rows[positions[kept]])
        kept = [kept[i] for i in sorted(diverse(vectors, wanted.diverse).tolist())]
    return positions[kept], of_front, [crystals[rows[i]] for i in kept]


def _vectors(parts: Sequence[Part], rows: np.ndarray) -> np.ndarray:
    column = _table(parts, pa.schema([pq.read_schema(parts[0].path).field(VECTOR)]), rows, {}).column(VECTOR)
    return np.array(column.to_pylist(), float)


def _table(parts: Sequence[Part], schema: pa.Schema, rows: np.ndarray, more: Mapping[str, Any]) -> pa.Table:
    """Return some rows of the table, in the order that is given, with further columns in front."""
    names = [name for name in schema.names if name != VECTOR or len(schema) == 1]
    start, taken, places = 0, [], []
    for part in parts:
        here = np.flatnonzero((rows >= start) & (rows < start + part.rows))
        if len(here):
            taken.append(pq.read_table(part.path, columns=names).take(pa.array(rows[here] - start)))
            places.append(here)
        start += part.rows
    fields = [schema.field(name) for name in names]
    empty = pa.schema(fields, schema.metadata).empty_table()
    table = pa.concat_tables(taken) if taken else empty
    table = table.take(pa.array(np.argsort(np.concatenate(places)))) if taken else table
    for name in reversed(list(more)):
        table = table.add_column(0, name, more[name])
    return table


def _with_probability(table: pa.Table, condition: Condition, kinds: Mapping[str, str]) -> pa.Table:
    """Return the table with the probability that the condition holds, if any property in it has a deviation."""
    uncertain = [name for name in sorted(condition.names) if f"{name}_std" in kinds]
    if not uncertain:
        return table
    names = {*condition.names, *(f"{name}_std" for name in uncertain), "elements"}
    batches = table.select([name for name in table.column_names if name in names]).combine_chunks().to_batches()
    found = [probability(condition, values_of(batch), uncertain, len(batch)) for batch in batches]
    return table.append_column(PROBABILITY, pa.array(np.concatenate(found) if found else np.zeros(0)))
