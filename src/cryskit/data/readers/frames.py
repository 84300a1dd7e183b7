"""pandas frames, CSV files and Parquet files of structures to crystals."""

from __future__ import annotations

import csv
import warnings
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from cryskit.data.readers.dictionaries import STRUCTURES, read_record
from cryskit.data.spreadsheet import unguard
from cryskit.data.targets import IDS, MISSING, TEXTS, property_names
from cryskit.errors import DataError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.parquet as pq

    from cryskit.data.files import InputFile

ROWS = 1000
"""Number of rows of a file that are in memory at a time."""
_ARRAYS = {"atomic_numbers", "lattice", "frac_coords"}
_CELLS = 1_000_000  # of a CSV file that are in memory at a time
_SEPARATORS = ",;\t"
_HEAD = 65_536  # bytes in which the header is looked for


def from_frame(frame: pd.DataFrame, limit: int, source: str = "frame", prefix: str = "") -> Iterator[Crystal | Failure]:
    """Read the rows of a frame; columns of numbers are targets.

    Args:
        frame: Frame with a column of structures (objects, dictionaries, JSON or CIF text), or the interchange columns.
        limit: Number of atoms that a cell may have.
        source: Name of the file or frame, for error messages.
        prefix: Text that is put before the index where that serves as id.

    Raises:
        DataError: There is no such column, or two columns hold the same property.
    """
    columns = [str(column) for column in frame.columns]
    if not (set(columns) >= _ARRAYS or set(columns) & set(STRUCTURES)):
        raise DataError(
            f"The {source} has the columns {', '.join(columns)} and no structures", "Give a column called structure"
        )
    property_names((column for column in columns if not column.startswith("Unnamed")), source)
    cells = (frame.iloc[:, i].tolist() for i in range(len(columns)))
    for label, row in zip(frame.index, zip(*cells, strict=True), strict=True):
        record = {column: _bare(value) for column, value in zip(columns, row, strict=True)}
        yield read_record(record, f"{prefix}{label}", source, limit)


def _bare(value: Any) -> Any:
    return None if value is pd.NA or (isinstance(value, float) and value != value) else value  # noqa: PLR0124 (NaN)


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a CSV file with a structure column, a thousand rows in memory.

    Values are separated by commas, semicolons or tabs. A line with more values than the header is a failure.

    Args:
        file: CSV file; rows without id are called by its id, ":" and their number, from 0.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: It is no such file.
    """
    texts = dict.fromkeys((*IDS, *TEXTS, *STRUCTURES), str)
    form: dict[str, Any] = {"dtype": texts, "na_values": sorted(MISSING), "low_memory": False}
    form |= {"float_precision": "round_trip", "encoding_errors": "backslashreplace", "on_bad_lines": "warn"}
    try:
        with file.open() as data:
            form |= _layout(data)
            with pd.read_csv(data, **form) as chunks:
                while True:
                    chunk, skipped = _next(chunks)
                    if chunk is not None:
                        plain = _numeric(chunk, decimal_comma=form["sep"] == ";")
                        yield from from_frame(plain, limit, file.name, f"{file.id}:")
                    for line in skipped:
                        error = UnreadableError(line, "Put texts with separators into quotes", file.name)
                        yield Failure(f"{file.id}:line {line.split()[1]}", error)
                    if chunk is None:
                        break
    except (UnreadableError, SizeError) as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    except (ValueError, ArithmeticError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            f"{file.name} is no CSV file ({error})",
            "Check that it is whole, with a header, and commas, semicolons or tabs between values",
        ) from error


def _layout(data: IO[bytes]) -> dict[str, Any]:
    """Return how a CSV file is to be read: what separates its values, and how many rows are read at a time."""
    peek = getattr(data, "peek", None)
    head = peek(_HEAD)[:_HEAD].decode("utf-8-sig", errors="replace") if peek else ""
    line, _, rest = head.lstrip("\r\n").partition("\n")
    found = {separator: _columns(line, separator) for separator in _SEPARATORS}
    named = [each for each, names in found.items() if names >= _ARRAYS or names & set(STRUCTURES)]
    if named:
        separator = named[0]
    else:
        try:
            separator = csv.Sniffer().sniff(line[:2000], _SEPARATORS).delimiter
        except csv.Error:
            separator = ","
    count = line.count(separator) + 1 if rest else max(1, len(head))
    return {"sep": separator, "chunksize": max(1, min(ROWS, _CELLS // count))}


def _columns(line: str, separator: str) -> set[str]:
    try:
        return set(next(csv.reader([line.rstrip("\r")], delimiter=separator), []))
    except csv.Error:
        return set()


def _next(chunks: Iterator[pd.DataFrame]) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the next rows of a CSV file, None if there are no more, and what pandas says of the lines that it left out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chunk = next(chunks, None)
    said = (line.strip() for warning in caught for line in str(warning.message).splitlines())
    return chunk, [line.removeprefix("Skipping ") for line in said if line.startswith("Skipping line ")]


def read_parquet(parquet: pq.ParquetFile, file: InputFile, limit: int, rows: int = ROWS) -> Iterator[Crystal | Failure]:
    """Read an opened Parquet file with a structure column.

    Args:
        parquet: Opened Parquet file.
        file: The same file, by whose id rows without id are called, with ":" and their label or number.
        limit: Number of atoms that a cell may have.
        rows: Number of rows that are in memory at a time.
    """
    start = 0
    for batch in parquet.iter_batches(rows):
        frame = batch.to_pandas()
        if isinstance(frame.index, pd.RangeIndex):
            frame.index = pd.RangeIndex(start, start + len(frame))
        start += len(frame)
        yield from from_frame(frame, limit, file.name, f"{file.id}:")


def _numeric(chunk: pd.DataFrame, *, decimal_comma: bool) -> pd.DataFrame:
    """Read numbers also in columns in which other things stand, and texts as they were before they were made safe."""
    known = {}
    for column in chunk.columns:
        values = chunk[column]
        if column in {*IDS, *TEXTS}:
            known[column] = values.map(unguard)
        elif column not in STRUCTURES and not pd.api.types.is_numeric_dtype(values):
            plain = values.astype("string").str.replace(",", ".", regex=False) if decimal_comma else values
            numbers = pd.to_numeric(plain, errors="coerce")
            known[column] = numbers if numbers.notna().any() else values
        else:
            known[column] = values
    return pd.DataFrame(known, index=chunk.index)
