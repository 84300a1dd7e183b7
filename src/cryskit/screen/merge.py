"""All parts of a screening as one table, in order: Parquet or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.atomic_write import replacing
from cryskit.errors import DataError
from cryskit.predict.writers import table_writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryskit.screen.folder import Folder, Part

ENDINGS = (".parquet", ".csv")
"""Endings of the files that parts are merged into."""

_ROWS = 4096


def merge(folder: Folder, path: Path) -> int:
    """Write all parts of a screening into one file, whole or not at all, a row group in memory.

    Args:
        folder: Folder of the screening.
        path: File that ends in one of ENDINGS.

    Returns:
        Number of rows.

    Raises:
        DataError: Parts are missing or damaged, or there are none.
    """
    parts = folder.whole()
    if not parts:
        raise DataError(f"The screening in {folder.path} has no rows", "Give sources that hold some")
    if path.suffix.lower() == ".csv":
        return _to_csv(parts, path)
    schema = pq.read_schema(parts[0].path)
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for part in parts:
            with pq.ParquetFile(part.path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group).cast(schema))
    return sum(part.rows for part in parts)


def _to_csv(parts: Sequence[Part], path: Path) -> int:
    schema, count = pq.read_schema(parts[0].path), 0
    with table_writer(path, schema, {}) as write:
        for row in rows_of(parts):
            write(row)
            count += 1
    return count


def rows_of(parts: Sequence[Part], columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of parts, in order.

    Args:
        parts: The parts.
        columns: Columns to read; None for all.
    """
    for batch in batches_of(parts, columns):
        yield from batch.to_pylist()


def batches_of(parts: Sequence[Part], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of parts as record batches, in order.

    Args:
        parts: The parts.
        columns: Columns to read; None for all.
    """
    for part in parts:
        with pq.ParquetFile(part.path, page_checksum_verification=True) as file:
            yield from file.iter_batches(_ROWS, columns=columns)
