"""Parquet files to crystals: the interchange form, or a column of structures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.data.interchange import open_parquet, read_opened
from cryskit.data.readers.dictionaries import STRUCTURES
from cryskit.data.targets import PATHS
from cryskit.data.validate import validate_row
from cryskit.errors import DataError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.files import InputFile


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a Parquet file, one item per row in order.

    Args:
        file: Parquet file in the interchange form, or with a column of structures.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: It is no such file.
    """
    try:
        source = file.at_random()
    except (UnreadableError, SizeError) as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    with open_parquet(source, file.name) as parquet:
        columns = set(parquet.schema_arrow.names)
        names_files = file.files is not None and file.files.folder is not None
        if "atomic_numbers" not in columns and (names_files or columns & {*STRUCTURES, *PATHS}):
            yield from _read_structures(parquet, file, limit)
            return
        for row in read_opened(parquet, file.name):
            yield row if isinstance(row, Failure) else validate_row(row, f"{file.name}, {row.id}", limit)


def _read_structures(parquet: pq.ParquetFile, file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.readers.frames import read_parquet  # noqa: PLC0415 - pandas is needed for such files only

    try:
        yield from read_parquet(parquet, file, limit)
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"A part of {file.name} is damaged ({error})", "Fetch or write it again") from error


def count_rows(path: str) -> int | None:
    """Return how many rows a Parquet file has, or None if it is none.

    Args:
        path: Path of the file.
    """
    try:
        with open_parquet(path, path) as parquet:
            return int(parquet.metadata.num_rows)
    except DataError:
        return None
