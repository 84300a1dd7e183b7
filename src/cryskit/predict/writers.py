"""Tables as files: CSV, JSON and Parquet, written row by row, Excel, and vectors as NumPy arrays; each whole in the end or absent."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.atomic_write import replacing
from cryskit.data.spreadsheet import guard
from cryskit.errors import DataError
from cryskit.predict.tables import arrow_table, plain_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    Write = Callable[[Mapping[str, Any]], None]

GROUP = 4096
"""Rows of a row group in a Parquet file unless the caller says otherwise."""
_EXCEL = 1_048_575  # rows of a sheet below its head
_NUMBERS = 2**22  # in a row group, so that a group of long vectors stays small in memory


@contextmanager
def table_writer(path: Path, schema: pa.Schema, facts: Mapping[str, Any], *, group: int = GROUP) -> Iterator[Write]:
    """Give a function that writes one row to a file; the file takes its place when the block ends without an error.

    Rows are written as they come and none is kept, but for Excel. A block that fails leaves nothing behind.

    Args:
        path: File whose ending, .csv, .json, .parquet or .xlsx, says the format.
        schema: Columns of the file; what a row lacks is missing, what is no column is left out.
        facts: Values that hold for the whole table: the head of a JSON file, the metadata of a Parquet file. A CSV file has no
            place for them, and a text in it that a spreadsheet would run as a formula gets an apostrophe in front.
        group: Rows of a row group in a Parquet file.

    Raises:
        DataError: The table has more rows than an Excel sheet, or the library for such files is not installed.
    """
    rows_of = _FORMATS[path.suffix.lower()]
    with replacing(path) as temporary, rows_of(temporary, schema, facts, group) as write:
        yield write


@contextmanager
def json_rows(file: TextIO, names: Sequence[str], facts: Mapping[str, Any], key: str = "rows") -> Iterator[Write]:
    """Give a function that writes one row to an open file, as one line of a JSON document.

    Args:
        file: Open text file, or standard output.
        names: Columns of each row; what a row lacks is null.
        facts: Further entries of the document, before its rows.
        key: Name of the entry that holds the rows.
    """
    separator = "\n  "
    file.write("{\n")
    file.writelines(f" {json.dumps(name)}: {json.dumps(value, allow_nan=False)},\n" for name, value in facts.items())
    file.write(f" {json.dumps(key)}: [")

    def write(row: Mapping[str, Any]) -> None:
        nonlocal separator
        file.write(separator + json.dumps(plain_row(row, names), allow_nan=False))
        separator = ",\n  "

    yield write
    file.write("\n ]\n}\n")


@contextmanager
def _json_rows(path: Path, schema: pa.Schema, facts: Mapping[str, Any], _group: int) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file, json_rows(file, schema.names, facts) as write:
        yield write


class _Lines:
    """An open file whose lines end in a line feed alone.

    Args:
        file: Open text file.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Write a line that ends in a carriage return and a line feed."""
        return self._file.write(f"{line[:-2]}\n")


@contextmanager
def _csv_rows(path: Path, schema: pa.Schema, _facts: Mapping[str, Any], _group: int) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        lines = csv.writer(_Lines(file), lineterminator="\r\n")  # then it puts texts with "\r" into quotes
        lines.writerow(map(guard, schema.names))
        yield lambda row: lines.writerow(map(guard, plain_row(row, schema.names).values()))


@contextmanager
def _parquet_rows(path: Path, schema: pa.Schema, facts: Mapping[str, Any], group: int) -> Iterator[Write]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    described = schema.with_metadata({**texts, "PANDAS_ATTRS": json.dumps(dict(facts))})  # as pandas keeps `attrs`
    vectors = [field.name for field in schema if pa.types.is_list(field.type)]
    waiting: list[Mapping[str, Any]] = []
    numbers = 0
    with pq.ParquetWriter(path, described, compression="zstd", write_page_checksum=True) as file:

        def write(row: Mapping[str, Any]) -> None:
            nonlocal numbers
            waiting.append(row)
            numbers += sum(len(row[name]) for name in vectors if row.get(name) is not None)
            if len(waiting) >= group or numbers >= _NUMBERS:
                flush()

        def flush() -> None:
            nonlocal numbers
            file.write_table(arrow_table(waiting, described))
            waiting.clear()
            numbers = 0

        yield write
        if waiting:
            flush()


@contextmanager
def _excel_rows(path: Path, schema: pa.Schema, facts: Mapping[str, Any], _group: int) -> Iterator[Write]:
    import pandas as pd  # noqa: PLC0415 - here and below: only such files need it

    try:
        import openpyxl  # noqa: F401, PLC0415
    except ImportError as error:
        raise DataError(f"{path.name} cannot be written without openpyxl", "pip install 'cryskit[xlsx]'") from error
    rows: list[list[Any]] = []

    def write(row: Mapping[str, Any]) -> None:
        if len(rows) >= _EXCEL:
            raise DataError(f"An Excel sheet holds {_EXCEL:,} rows, the table has more", "Write it as .csv or .parquet")
        rows.append([guard(value) for value in plain_row(row, schema.names).values()])

    yield write
    about = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in facts.items()]
    with path.open("wb") as file, pd.ExcelWriter(file, engine="openpyxl") as book:
        pd.DataFrame(rows, columns=schema.names).to_excel(book, sheet_name="rows", index=False)
        pd.DataFrame(about, columns=["what", "value"]).to_excel(book, sheet_name="about", index=False)


@contextmanager
def vector_writer(path: Path, schema: pa.Schema) -> Iterator[Write]:
    """Give a function that writes one row with a vector; both files take their places when the block ends without an error.

    Args:
        path: File that ends in .npy: (rows, width) float32, NaN for rows without a vector. The other columns are written to
            the CSV file of the same name.
        schema: Columns of the rows, one of which is a list of numbers.
    """
    (name,) = (field.name for field in schema if pa.types.is_list(field.type))
    others = pa.schema([field for field in schema if field.name != name])
    vectors: list[Any] = []
    with replacing(path) as temporary:
        with table_writer(path.with_suffix(".csv"), others, {}) as write_others:

            def write(row: Mapping[str, Any]) -> None:
                vectors.append(row.get(name))
                write_others(row)

            yield write
        width = next((len(vector) for vector in vectors if vector is not None), 0)
        filled = [np.full(width, np.nan) if vector is None else vector for vector in vectors]
        with temporary.open("wb") as file:
            np.save(file, np.array(filled, dtype=np.float32).reshape(len(vectors), width))


_FORMATS = {
    ".csv": _csv_rows,
    ".json": _json_rows,
    ".parquet": _parquet_rows,
    ".xlsx": _excel_rows,
}
