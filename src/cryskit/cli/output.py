"""What the verbs print and write: tables with units, JSON, notes on stderr, files that are whole or absent."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from cryskit.errors import CryskitError
    from cryskit.types import Failure

TABLES = (".csv", ".json", ".parquet")
"""The endings of files that a table can be written to."""

_SHOWN = 10


class Column(NamedTuple):
    """The heading of a column: its name and, under it, its unit."""

    name: str
    unit: str = ""


def note(text: str) -> None:
    """Print a line on stderr, where it does not mix with the output."""
    typer.echo(text, err=True)


def require(path: Path | None, endings: Sequence[str]) -> None:
    """Refuse an output file before any work is done for it.

    Args:
        path: The file, or None.
        endings: That its name may have.

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


def show_frame(table: pd.DataFrame, units: Mapping[str, str]) -> None:
    """Print a data frame; a column `reason` is left out where nothing stands in it."""
    shown = [name for name in table.columns if name != "reason" or table[name].astype(bool).any()]
    columns = [Column(name, units.get(name, "")) for name in shown]
    print_table(columns, zip(*(table[name].tolist() for name in shown), strict=True))


def document(table: pd.DataFrame, units: Mapping[str, str], **further: str) -> dict[str, Any]:
    """Return a table as JSON has it: what is `further`, the units, and the rows."""
    from cryskit.evaluate.records import records

    return {**further, "units": dict(units), "rows": records(table)}


def write_frame(table: pd.DataFrame, path: Path, units: Mapping[str, str], **further: str) -> None:
    """Write a data frame in the format of the file's ending, whole or not at all.

    Args:
        table: Its columns are those of the file.
        path: Ends in one of TABLES; the units are kept in a JSON file and in the metadata of a Parquet file.
        units: Column to unit.
        further: What else a JSON file says.
    """
    from cryskit.atomic_write import replacing

    ending = path.suffix.lower()
    with replacing(path) as temporary:
        if ending == ".json":
            temporary.write_text(json.dumps(document(table, units, **further), indent=1, allow_nan=False), "utf-8")
        elif ending == ".csv":
            table.to_csv(temporary, index=False)
        else:
            kept = table.copy()
            kept.attrs["units"] = dict(units)
            kept.attrs.update(further)
            kept.to_parquet(temporary, index=False)


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all."""
    from cryskit.atomic_write import replacing

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def report(failures: Sequence[Failure], rows: int) -> None:
    """Say on stderr which rows cannot be used and why, the first ten of them.

    Args:
        failures: Of a reader.
        rows: How many rows there were.
    """
    if not failures:
        return
    note(f"{len(failures)} of {rows} rows cannot be used:")
    for failure in failures[:_SHOWN]:
        note(f"  {failure.id}: {one_line(failure.error)}")
    if len(failures) > _SHOWN:
        note(f"  and {len(failures) - _SHOWN} more")


def one_line(error: CryskitError | OSError) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split())


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124 (NaN)
        return ""
    return f"{value:#.4g}".rstrip(".") if isinstance(value, float) else str(value)
