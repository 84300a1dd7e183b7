"""pandas frames, CSV files and Parquet files of structures to crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cryskit.data.readers.dictionaries import STRUCTURES, read_record
from cryskit.data.targets import IDS, MISSING, TEXTS, property_names
from cryskit.errors import DataError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.parquet as pq

    from cryskit.data.files import InputFile
    from cryskit.types import Crystal, Failure

ROWS = 1000
"""Number of rows of a file that are in memory at a time."""
_ARRAYS = {"atomic_numbers", "lattice", "frac_coords"}


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

    Args:
        file: CSV file; rows without id are called by its id, ":" and their number, from 0.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: It is no such file.
    """
    texts = dict.fromkeys((*IDS, *TEXTS, *STRUCTURES), str)
    form: dict[str, Any] = {"dtype": texts, "na_values": sorted(MISSING), "low_memory": False}
    try:
        with file.open() as data, pd.read_csv(data, chunksize=ROWS, float_precision="round_trip", **form) as chunks:
            for chunk in chunks:
                yield from from_frame(_numeric(chunk), limit, file.name, f"{file.id}:")
    except UnreadableError as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    except ValueError as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            f"{file.name} is no CSV file ({error})", "Check that it is whole, with commas and a header"
        ) from error


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


def _numeric(chunk: pd.DataFrame) -> pd.DataFrame:
    """Read numbers also in columns in which other things stand."""
    for column in chunk.columns.difference([*IDS, *TEXTS, *STRUCTURES]):
        if not pd.api.types.is_numeric_dtype(chunk[column]):
            numbers = pd.to_numeric(chunk[column], errors="coerce")
            if numbers.notna().any():
                chunk = chunk.assign(**{column: numbers})
    return chunk
