"""A Graph on disk: one memory-mapped Arrow file of flat arrays, checksummed and written atomically."""

from __future__ import annotations

import hashlib
import mmap
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from cryskit.data.atomic import replacing
from cryskit.errors import DataError
from cryskit.types import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHAPES = {"edges": (2, -1), "vectors": (-1, 3), "lattice": (-1, 3, 3), "symmetry": (-1, 2)}
_CHECKSUM = b"sha256"
_TARGETS = b"targets"


def save(graph: Graph, path: Path) -> None:
    """Write a graph; a reader never sees half a file.

    Args:
        graph: On the CPU.
        path: The file; its folder is made.
    """
    arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in graph.tensors.items()}
    schema_columns, values = [], []
    for name, array in arrays.items():
        flat = pa.array(array.reshape(-1))
        values.append(pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat))
        schema_columns.append(pa.field(name, values[-1].type))
    metadata = {_CHECKSUM: _checksum(arrays).encode(), _TARGETS: str(arrays["targets"].shape[1]).encode()}
    schema = pa.schema(schema_columns, metadata=metadata)
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(values, schema=schema))


def load(path: Path) -> Graph:
    """Map a graph into memory; its pages are read when they are first touched, and never written back.

    Raises:
        DataError: The file is damaged.
    """
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        buffer = pa.py_buffer(memory)
        batch = pa.ipc.open_file(pa.BufferReader(buffer)).get_batch(0)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise DataError(f"{path} is no graph file ({error})", "Delete it; it will be built again") from error
    arrays = {name: _view(memory, buffer, batch.column(name).values) for name in batch.schema.names}
    metadata = batch.schema.metadata
    if metadata[_CHECKSUM].decode() != _checksum(arrays):
        raise DataError(f"{path} is damaged: its checksum differs", "Delete it; it will be built again")
    shapes = _SHAPES | {"targets": (len(arrays["lattice"]) // 9, int(metadata[_TARGETS]))}
    return Graph(**{name: torch.from_numpy(array.reshape(shapes.get(name, (-1,)))) for name, array in arrays.items()})


def _view(memory: mmap.mmap, whole: pa.Buffer, values: pa.Array) -> np.ndarray:
    """Look at an Arrow array inside the mapped file; Arrow's own views are read-only, which torch does not take."""
    data = values.buffers()[1]
    dtype = values.type.to_pandas_dtype()
    if data is None or not len(values):
        return np.zeros(0, dtype)
    return np.frombuffer(memory, dtype, len(values), data.address - whole.address)


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()
