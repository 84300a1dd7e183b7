"""pandas frames, CSV files and Parquet files of structures to crystals."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from cryskit.data.readers.csv_records import records
from cryskit.data.readers.dictionaries import STRUCTURES, read_record
from cryskit.data.readers.stated import compared
from cryskit.data.row_labels import with_labels
from cryskit.data.spreadsheet import unguard
from cryskit.data.targets import IDS, MISSING, PATHS, TEXTS, known_id, known_text, property_names
from cryskit.data.validate import make_row
from cryskit.errors import DataError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow.parquet as pq

    from cryskit.data.files import InputFile
    from cryskit.data.readers.csv_records import Record
    from cryskit.data.readers.named_files import NamedFiles

ROWS = 1000
"""Number of rows of a file that are in memory at a time."""
_ARRAYS = {"atomic_numbers", "lattice", "frac_coords"}
_CELLS = 1_000_000  # of a CSV file that are in memory at a time
_SEPARATORS = ",;\t"
_HEAD = 65_536  # bytes in which the header is looked for


def from_frame(
    frame: pd.DataFrame, limit: int, source: str = "frame", prefix: str = "", files: NamedFiles | None = None
) -> Iterator[Crystal | Failure]:
    """Read the rows of a frame; columns of numbers are targets, those of truth values and short texts labels, those of lists or components tensors.

    Args:
        frame: Frame with a column of structures (objects, dictionaries, JSON or CIF text), the interchange columns, or a column that names structure
            files.
        limit: Number of atoms that a cell may have.
        source: Name of the file or frame, for error messages.
        prefix: Text that is put before the index where that serves as id.
        files: Structure files that the rows may name; None where they may name none.

    Raises:
        DataError: There is no such column, or two columns hold the same property.
    """
    columns = [str(column) for column in frame.columns]
    naming = None
    if not (set(columns) >= _ARRAYS or set(columns) & set(STRUCTURES)):
        naming = files.column(columns) if files else None
        if naming is None:
            raise _no_structures(source, columns)
    property_names((column for column in columns if not column.startswith("Unnamed")), source)
    cells = (frame.iloc[:, i].tolist() for i in range(len(columns)))
    for label, row in zip(frame.index, zip(*cells, strict=True), strict=True):
        record = {column: _bare(value) for column, value in zip(columns, row, strict=True)}
        if naming is None or files is None:
            yield read_record(record, f"{prefix}{label}", source, limit)
        else:
            yield _named(record, naming, f"{prefix}{label}", source, limit, files)


def _named(
    record: dict[str, Any], naming: str, label: str, source: str, limit: int, files: NamedFiles
) -> Crystal | Failure:
    """Return the crystal in the file that a row names, with the other columns of the row."""
    value = record.pop(naming)
    value = str(value).strip() if value is not None else ""
    name = known_id(record) or (files.id_of(value) if value else label)

    def make() -> Crystal:
        if not value:
            raise UnreadableError(f"The row names no file in the column {naming}", "Give one, or remove the row")
        crystal = compared(files.crystal(value, name, limit), record)
        text = known_text(record) or crystal.text
        return with_labels(replace(crystal, id=name, text=text), record)

    return make_row(name, f"{source}, {name}", make, limit)


def _no_structures(source: str, columns: list[str]) -> DataError:
    """Return the error that says what was looked for in a table."""
    return DataError(
        f"The {source} has the columns {', '.join(columns)} and no structures",
        f"Give structures in a column called {', '.join(STRUCTURES)}, paths of their files in one called {', '.join(PATHS)}, "
        "or the folder of files that the ids name (--structures DIR, or `structures` in Python)",
    )


def _bare(value: Any) -> Any:
    return None if value is pd.NA or (isinstance(value, float) and value != value) else value  # noqa: PLR0124 (NaN)


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a CSV file with a structure column, a thousand rows in memory.

    Values are separated by commas, semicolons or tabs. A row with more values than the header is a failure, and so is one within whose
    quotes the file ends.

    Args:
        file: CSV file; rows without id are called by its id, ":" and their number, from 0.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: It is no such file.
    """
    try:
        with file.open() as data:
            layout = _layout(data)
            found = records(data, layout.separator)
            header, part = next(found, None), list(islice(found, layout.rows))
            table = _Table(file, layout.separator, _sound(header, part), part)
            while True:
                yield from table.rows(part, limit)
                if not (part := list(islice(found, layout.rows))):
                    break
    except (UnreadableError, SizeError) as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    except (ValueError, ArithmeticError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            f"{file.name} is no CSV file ({error})",
            "Check that it is whole, with a header, and commas, semicolons or tabs between values",
        ) from error


def _sound(header: Record | None, first: Sequence[Record]) -> Record:
    """Return the header of a file, and refuse one that no whole row follows because the file ends within quotes."""
    if header is None or header.problem:
        raise ValueError("it has no header")
    if len(first) == 1 and first[0].problem:
        raise ValueError(f"in its only row, in line {first[0].line}, {first[0].problem}")
    return header


class _Table:
    """The rows of a CSV file as they come.

    Args:
        file: CSV file.
        separator: What separates values.
        header: First record of the file.
        first: The next records; if all have one value more than the header, that in front is the name of the row.
    """

    def __init__(self, file: InputFile, separator: str, header: Record, first: Sequence[Record]) -> None:
        self._file, self._separator = file, separator
        self._is_named = bool(first) and all(record.values == header.values + 1 for record in first)
        titles = header.text.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n") + b"\n"
        self._header = separator.encode() + titles if self._is_named else titles
        self._widest = header.values + self._is_named
        self._row = 0

    def rows(self, part: Sequence[Record], limit: int) -> Iterator[Crystal | Failure]:
        """Yield the rows of some records, in order.

        Args:
            part: The next records of the file.
            limit: Number of atoms that a cell may have.
        """
        numbers = range(self._row, self._row + len(part))
        problems = {number: self._problem(record) for number, record in zip(numbers, part, strict=True)}
        sound = {n: r for n, r in zip(numbers, part, strict=True) if not problems[n]}
        try:
            frame = self._frame(list(sound.values()))
        except ValueError as error:
            if len(part) > 1:  # to find the record at which pandas stops
                for record in part:
                    yield from self.rows([record], limit)
                return
            problems |= dict.fromkeys(sound, str(error))
            frame, sound = self._frame([]), {}
        self._row += len(part)
        if not self._is_named:
            frame.index = pd.Index(list(sound))
        read = from_frame(frame, limit, self._file.name, f"{self._file.id}:", self._file.files)
        if not sound:
            yield from read  # so that wrong columns are found in a table without rows
        for number, record in zip(numbers, part, strict=True):
            if number in sound:
                yield from islice(read, 1)
            else:
                problem = f"The row in line {record.line} cannot be read: {problems[number]}"
                refused = UnreadableError(problem, "Put texts with separators or quotes into quotes", self._file.name)
                yield Failure(f"{self._file.id}:{number}", refused)

    def _problem(self, record: Record) -> str:
        if record.problem or record.values <= self._widest:
            return record.problem
        return f"expected {self._widest} values, found {record.values}"

    def _frame(self, sound: Sequence[Record]) -> pd.DataFrame:
        texts = dict.fromkeys((*IDS, *TEXTS, *STRUCTURES, *PATHS), str)
        form: dict[str, Any] = {"dtype": texts, "na_values": sorted(MISSING), "low_memory": False}
        form |= {"float_precision": "round_trip", "encoding_errors": "backslashreplace", "sep": self._separator}
        form["index_col"] = 0 if self._is_named else False
        content = b"".join([self._header, *(record.text.rstrip(b"\r\n") + b"\n" for record in sound)])
        frame = pd.read_csv(io.BytesIO(content), **form)
        if len(frame) != len(sound):
            raise ValueError(f"{len(sound)} records are read as {len(frame)} rows")
        return _numeric(frame, decimal_comma=self._separator == ";")


class _Layout(NamedTuple):
    """The form of a CSV file.

    Attributes:
        separator: What separates values.
        rows: Number of rows that are read at a time.
    """

    separator: str
    rows: int


def _layout(data: IO[bytes]) -> _Layout:
    """Return the form of a CSV file, by its first bytes."""
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
    return _Layout(separator, max(1, min(ROWS, _CELLS // count)))


def _columns(line: str, separator: str) -> set[str]:
    try:
        return set(next(csv.reader([line.rstrip("\r")], delimiter=separator), []))
    except csv.Error:
        return set()


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
        yield from from_frame(frame, limit, file.name, f"{file.id}:", file.files)


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
