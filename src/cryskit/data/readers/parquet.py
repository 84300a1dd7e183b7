"""Parquet files to crystals: the interchange form, or a column of structures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.data.interchange import read_rows
from cryskit.data.readers.dictionaries import STRUCTURES
from cryskit.data.validate import checked
from cryskit.errors import DataError
from cryskit.registry import Registry
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FRAMES = Registry("frame reader", {"pandas": "cryskit.data.readers.frames:read_parquet"})


def read_file(path: Path, limit: int) -> Iterator[Crystal | Failure]:
    """Read a Parquet file, one item per row in order.

    Args:
        path: In the interchange form, or with a column of structures.
        limit: Atoms that a cell may have.

    Raises:
        DataError: It is no such file.
    """
    try:
        columns = set(pq.read_schema(path).names)
        if "atomic_numbers" not in columns and columns & set(STRUCTURES):
            yield from _FRAMES["pandas"](path, limit)
            return
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no Parquet file ({error})", "Check that it is whole") from error
    for row in read_rows(path):
        if isinstance(row, Failure):
            yield row
        else:
            yield checked(row, f"{path}, {row.id}", limit)
