"""pandas frames, CSV files and Parquet files of structures to crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from cryskit.data.files import stem
from cryskit.data.readers.dictionaries import STRUCTURES, read_record
from cryskit.data.targets import IDS, MISSING, TEXTS, property_names
from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryskit.types import Crystal, Failure

_ROWS = 1000  # of a file in memory at a time
_ARRAYS = {"atomic_numbers", "lattice", "frac_coords"}


def from_frame(frame: pd.DataFrame, limit: int, source: str = "frame", prefix: str = "") -> Iterator[Crystal | Failure]:
    """Read the rows of a frame; columns of numbers are targets.

    Args:
        frame: With a column of structures (objects, dictionaries, JSON or CIF text), or the interchange columns.
        limit: Atoms that a cell may have.
        source: For error messages.
        prefix: Before the index where that serves as id.

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


def read_file(path: Path, limit: int) -> Iterator[Crystal | Failure]:
    """Read a CSV file with a structure column, a thousand rows in memory.

    Args:
        path: Rows without id are called by its stem, ":" and their number.
        limit: Atoms that a cell may have.

    Raises:
        DataError: It is no such file.
    """
    texts = dict.fromkeys((*IDS, *TEXTS, *STRUCTURES), str)
    form: dict[str, Any] = {"dtype": texts, "na_values": sorted(MISSING), "low_memory": False}
    try:
        with pd.read_csv(path, chunksize=_ROWS, float_precision="round_trip", **form) as chunks:
            for chunk in chunks:
                yield from from_frame(_numeric(chunk), limit, str(path), f"{stem(path.name)}:")
    except (ValueError, OSError, EOFError) as error:  # pandas' parser and decoding errors are ValueErrors
        raise DataError(
            f"{path} is no CSV file ({error})", "Check that it is whole, with commas and a header"
        ) from error


def read_parquet(path: Path, limit: int) -> Iterator[Crystal | Failure]:
    """Read a Parquet file with a structure column, a thousand rows in memory.

    Args:
        path: Rows without id are called by its stem, ":" and their label or number.
        limit: Atoms that a cell may have.
    """
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            frame = batch.to_pandas()
            if isinstance(frame.index, pd.RangeIndex):
                frame.index = pd.RangeIndex(start, start + len(frame))
            start += len(frame)
            yield from from_frame(frame, limit, str(path), f"{stem(path.name)}:")


def _numeric(chunk: pd.DataFrame) -> pd.DataFrame:
    """Read numbers also in columns in which other things stand."""
    for column in chunk.columns.difference([*IDS, *TEXTS, *STRUCTURES]):
        if not pd.api.types.is_numeric_dtype(chunk[column]):
            numbers = pd.to_numeric(chunk[column], errors="coerce")
            if numbers.notna().any():
                chunk = chunk.assign(**{column: numbers})
    return chunk
