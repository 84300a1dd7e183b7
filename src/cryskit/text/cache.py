"""Vectors of texts on disk: computed once, kept by what was read and by what read it.

A cache is a folder with a folder for each encoder, called by the first 32 digits of its hash. That holds any number of Parquet
files, each one chunk of texts, with the columns `text` (SHA-256 of the text, hexadecimal) and `vector` (a list of float32 of
fixed width), and in the metadata the encoder's `name` and `hash` and a checksum. A file is written whole or not at all and never changed, so
that several programs may read and extend the same cache, and a killed one loses the chunk that it was at. A damaged file is removed.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryskit import checksum
from cryskit.atomic_write import remove_partial, replacing
from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DIGITS = 32


def key_of(text: str) -> str:
    """Return the name of a text in the cache: its SHA-256.

    Args:
        text: The text, exactly as it is given to the encoder.
    """
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """The vectors of one encoder on disk.

    Args:
        folder: Folder of the cache, shared by all encoders; made when something is written.
        name: Name of the encoder.
        digest: Hash of the encoder, hexadecimal.
        width: Number of components of a vector.
    """

    def __init__(self, folder: Path, name: str, digest: str, width: int) -> None:
        self._folder = folder / digest[:_DIGITS]
        metadata = {b"name": name.encode(), b"hash": digest.encode(), **checksum.METADATA}
        columns = [("text", pa.string()), ("vector", pa.list_(pa.float32(), width))]
        self._schema = pa.schema(columns, metadata=metadata)

    def read(self) -> dict[str, np.ndarray]:
        """Return the vectors, (width,) float32 each, by the name of their text; a damaged file is removed and counts for nothing.

        Raises:
            DataError: A file holds vectors of something else.
        """
        remove_partial(self._folder)
        found: dict[str, np.ndarray] = {}
        for path in sorted(self._folder.glob("*.parquet")):
            if not checksum.holds(path):
                with suppress(OSError):  # where it cannot be removed it is passed over
                    path.unlink()
                continue
            table = self._table(path)
            width = self._schema.field("vector").type.list_size
            flat = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            found.update(zip(table["text"].to_pylist(), flat.reshape(-1, width), strict=True))
        return found

    def add(self, keys: Sequence[str], vectors: np.ndarray) -> None:
        """Keep the vectors of a chunk of texts.

        Args:
            keys: Names of the texts, from `key_of`.
            vectors: (texts, width) float32, the vectors of the texts.
        """
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
        columns = [pa.array(keys), pa.FixedSizeListArray.from_arrays(flat, type=self._schema.field("vector").type)]
        chunk = hashlib.sha256("".join(keys).encode()).hexdigest()
        with replacing(self._folder / f"{chunk[:_DIGITS]}.parquet") as temporary:
            pq.write_table(pa.Table.from_arrays(columns, schema=self._schema), temporary, compression="zstd")
            checksum.add(temporary)

    def _table(self, path: Path) -> pa.Table:
        cure = "Remove that file: what it held is computed again"
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path} is no Parquet file of text vectors ({error})", cure) from error
        found = table.schema.metadata or {}
        if not table.schema.equals(self._schema) or found.get(b"hash") != self._schema.metadata[b"hash"]:
            raise DataError(f"{path} holds other columns, or vectors of another encoder than its folder says", cure)
        return table
