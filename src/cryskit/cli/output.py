"""What the verbs print and write: tables with units, JSON, notes on stderr, files that are whole or absent."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

from cryskit.errors import counted, one_line
from cryskit.exclusive import is_main_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    import pyarrow as pa

    from cryskit.types import Failure

TABLES = (".csv", ".json", ".parquet", ".xlsx")
"""The endings of files that a table can be written to."""

_SHOWN = 10
_ORIGIN = ("path", "formula")  # columns for files, in a terminal too wide beside predictions
_NESTED = (".json", ".parquet")  # files whose cells can be lists


class Column(NamedTuple):
    """The heading of a column: its name and, under it, its unit."""

    name: str
    unit: str = ""


def note(text: str) -> None:
    """Print a line on stderr, where it does not mix with the output."""
    typer.echo(text, err=True)


@contextmanager
def as_notes(kind: type[Warning]) -> Iterator[None]:
    """Print warnings of a kind as notes, each text once; others are shown as they were."""
    with warnings.catch_warnings():
        others, noted = warnings.showwarning, set[str]()

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, kind):
                others(message, category, filename, lineno, file, line)
            elif str(message) not in noted and is_main_process():
                noted.add(str(message))
                note(str(message))

        warnings.showwarning = show
        warnings.simplefilter("always", kind)
        yield


@contextmanager
def log_shown() -> Iterator[None]:
    """Print on stderr, inside the block, what the log "cryskit" says at the level DEBUG: tracebacks of unforeseen errors."""
    log, handler = logging.getLogger("cryskit"), logging.StreamHandler()
    level = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def connections_forbidden() -> Iterator[None]:
    """Forbid every connection to another computer inside the block, in this process and those that it starts."""
    from cryskit.data.remote.addresses import OFFLINE

    before = os.environ.get(OFFLINE)
    os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[OFFLINE]
        else:
            os.environ[OFFLINE] = before


def require(path: Path | None, endings: Sequence[str]) -> None:
    """Refuse an output file before any work is done for it.

    Args:
        path: The file, or None.
        endings: Endings that the name of the file may have.

    Raises:
        BadParameter: It has another ending, is a folder, or its folder cannot be written to.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings or path.is_dir():
        raise typer.BadParameter(f"{path} should be a file that ends in {' or '.join(endings)}", param_hint="'--out'")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise typer.BadParameter(f"{folder} is no folder that you may write to", param_hint="'--out'")


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False))


def print_table(columns: Sequence[Column | str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with aligned columns, numbers to the right with four significant digits.

    Args:
        columns: The headings; the units make a second line if there are any.
        rows: One value per column; None and NaN are left blank.
    """
    headings = [Column(c) if isinstance(c, str) else c for c in columns]
    body = [list(row) for row in rows]
    numeric = [bool(h.unit) or any(isinstance(row[i], int | float) for row in body) for i, h in enumerate(headings)]
    units = [[h.unit for h in headings]] if any(h.unit for h in headings) else []
    lines = [[h.name for h in headings], *units, *([_cell(value) for value in row] for row in body)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        cells = (t.rjust(w) if right else t.ljust(w) for t, w, right in zip(line, widths, numeric, strict=True))
        typer.echo("  ".join(cells).rstrip())


class Counts(NamedTuple):
    """How many rows a table has, and how many of them failed."""

    rows: int
    failed: int


def output_rows(
    rows: Iterable[Mapping[str, Any]], schema: pa.Schema, facts: Mapping[str, Any], out: Path | None, *, as_json: bool
) -> Counts:
    """Write rows as they come, to a file, as JSON to stdout, or to both; print them as a table if neither is asked for.

    Only the printed table holds its rows in memory, to align them. Matrices are nested lists in JSON, lists in Parquet, and elsewhere
    columns of their components.

    Args:
        rows: Column to value; each has a status.
        schema: Columns of the table.
        facts: Values that hold for the whole table: `model`, `units`.
        out: File that ends in one of TABLES, or in .npy for rows with a vector, or None.
        as_json: Whether to print JSON.
    """
    from cryskit.predict.units import units_of, with_matrices
    from cryskit.predict.writers import json_rows, table_writer, vector_writer

    shown: list[Mapping[str, Any]] = []
    count, failed = 0, 0
    whole = with_matrices(schema)
    of_whole = {**facts, "units": units_of(whole)}
    with ExitStack() as stack:
        stack.enter_context(exit_on_sigterm())
        writers = []
        if out is not None:
            ending = out.suffix.lower()
            columns = (whole, of_whole) if ending in _NESTED else (schema, facts)
            opened = vector_writer(out, schema) if ending == ".npy" else table_writer(out, *columns)
            writers.append(stack.enter_context(opened))
        writers += [stack.enter_context(json_rows(sys.stdout, whole.names, of_whole))] if as_json else []
        for row in rows:
            count, failed = count + 1, failed + (row["status"] == "failed")
            for write in writers or [shown.append]:
                write(row)
    if not writers:
        _show(shown, schema, facts)
    place = f", written to {out}" if out else ""
    level = f", intervals of {100 * facts['interval']:g} %" if "interval" in facts else ""
    note(f"{counted(count, 'row')}, {failed} failed, by {facts['model']}{level}{place}")
    return Counts(count, failed)


def _show(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, facts: Mapping[str, Any]) -> None:
    """Print rows: both ends of an interval in one column, without standard deviations, path and formula, `reason` only where there is one.

    Tensors are printed as matrices behind the table, those of the first ten rows.

    Args:
        rows: Column to value.
        schema: Columns of the rows.
        facts: Values that hold for the whole table: `units`, and `interval`, the level of the intervals if there are any.
    """
    from cryskit.predict.units import with_matrices

    matrices = [field for field in with_matrices(schema) if field.name not in schema.names]
    names, units = schema.names, facts["units"]
    headings = dict.fromkeys((*(_ORIGIN if units else ()), *(set(names) - set(with_matrices(schema).names))), "")
    for name in [name.removesuffix("_lo") for name in names if "interval" in facts and name.endswith("_lo")]:
        headings |= {f"{name}_std": "", f"{name}_lo": f"{100 * facts['interval']:g} %", f"{name}_hi": ""}
        rows = [{**row, f"{name}_lo": _bracket(row.get(f"{name}_lo"), row.get(f"{name}_hi"))} for row in rows]
    shown = [name for name in names if headings.get(name, name) and (name != "reason" or any(r[name] for r in rows))]
    columns = [Column(headings.get(name, name), units.get(name, "")) for name in shown]
    print_table(columns, ([row.get(name) for name in shown] for row in rows))
    _show_matrices(rows, matrices)


def _show_matrices(rows: Sequence[Mapping[str, Any]], fields: Sequence[pa.Field]) -> None:
    """Print the tensors of the first ten rows, without the rotation to the standard frame."""
    from cryskit.predict.tensors import ROTATION
    from cryskit.predict.units import UNIT

    for row in rows[:_SHOWN]:
        for field in fields:
            matrix, unit = row.get(field.name), field.metadata[UNIT.encode()].decode()
            if matrix is None or field.name == ROTATION:
                continue
            typer.echo(f"\n{row['id']}: {field.name}{f' in {unit}' if unit else ''}, {row['frame']} frame")
            for line in matrix.tolist():
                typer.echo("".join(f"{value:>10.4g}" for value in line))
    if fields and len(rows) > _SHOWN:
        typer.echo(f"\nand {len(rows) - _SHOWN} more rows (all with --out or --json)")


def _bracket(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_cell(low)} to {_cell(high)}"


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let a request to end (SIGTERM) raise SystemExit inside the block, so that no half of a file is left behind.

    Compiled code that is interrupted turns it into an error of its own; the block ends with SystemExit all the same.
    """
    if threading.current_thread() is not threading.main_thread():  # where Python sets no signal handlers
        yield
        return

    asked: list[SystemExit] = []

    def end(number: int, _frame: FrameType | None) -> None:
        asked.append(SystemExit(128 + number))
        raise asked[-1]

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if asked:
            raise asked[-1]


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all."""
    from cryskit.atomic_write import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def report(failures: Sequence[Failure], rows: int) -> None:
    """Say on stderr which rows cannot be used and why, the first ten of them.

    Args:
        failures: Rows that a reader could not use.
        rows: Number of all rows.
    """
    if not failures:
        return
    note(f"{len(failures)} of {counted(rows, 'row')} cannot be used:")
    for failure in failures[:_SHOWN]:
        note(f"  {failure.id}: {one_line(failure.error)}")
    if len(failures) > _SHOWN:
        note(f"  and {len(failures) - _SHOWN} more")


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124 (NaN)
        return ""
    return f"{value:#.4g}".rstrip(".") if isinstance(value, float) else str(value)
