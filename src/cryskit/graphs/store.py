"""A Graph on disk: one memory-mapped Arrow file of flat arrays, checksummed and written atomically."""

from __future__ import annotations

import hashlib
import math
import mmap
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from cryskit.atomic_write import replacing
from cryskit.errors import DataError
from cryskit.types import FIELD_AXES, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SHAPES = {"edges": (2, -1), "vectors": (-1, 3), "lattice": (-1, 3, 3), "symmetry": (-1, 2), "translations": (-1, 6)}
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
    memory, batch, buffer = _mapped(path)
    arrays = {name: _view(memory, buffer, batch.column(name).values) for name in batch.schema.names}
    if batch.schema.metadata[_CHECKSUM].decode() != _checksum(arrays):
        raise DataError(f"{path} is damaged: its checksum differs", "Delete it; it will be built again")
    shapes = _shapes(batch)
    return Graph(**{name: torch.from_numpy(array.reshape(shapes[name])) for name, array in arrays.items()})


class Stored:
    """A graph on disk of which pieces are read, so that it takes no memory, not even that of a mapped file.

    Args:
        path: The file; its checksum is not verified.

    Attributes:
        fields: Names of its fields.

    Raises:
        DataError: It is no whole graph file.
    """

    def __init__(self, path: Path) -> None:
        _, batch, buffer = _mapped(path)
        shapes = _shapes(batch)
        self._places = {
            name: _Place.of(batch.column(name).values, buffer, shapes[name], FIELD_AXES[name].dimension)
            for name in batch.schema.names
        }
        self.fields = tuple(self._places)
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)

    def read(self, name: str) -> np.ndarray:
        """Return all of a field."""
        length = self._places[name].length
        field, rows = self.empty(name, length)
        self.fill(rows, name, 0, 0, length)
        return field

    def empty(self, name: str, length: int) -> tuple[np.ndarray, list[memoryview]]:
        """Return an array for so many elements of a field, and the bytes of each row before its axis."""
        place = self._places[name]
        field = np.empty((*place.before, length, *place.inside), place.dtype)
        rows = field.reshape(math.prod(place.before), -1).view(np.uint8) if field.size else ()
        return field, [row.data for row in rows]

    def fill(self, rows: Sequence[memoryview], name: str, at: int, start: int, length: int) -> None:
        """Read some elements of a field into an array.

        Args:
            rows: Of the array, from `empty`; it may be filled from several files.
            name: Of the field.
            at: Where in the array they go.
            start: Where on the axis of the field they begin.
            length: How many there are.
        """
        place = self._places[name]
        for number, row in enumerate(rows):
            self._file.seek(place.start + (number * place.length + start) * place.width)
            self._file.readinto(row[at * place.width : (at + length) * place.width])


class _Place(NamedTuple):
    """Where a field lies in the file: its first byte, its elements along its axis, the bytes of one, its shape around."""

    start: int
    length: int
    width: int
    dtype: np.dtype[Any]
    before: tuple[int, ...]
    inside: tuple[int, ...]

    @classmethod
    def of(cls, values: pa.Array, whole: pa.Buffer, shape: tuple[int, ...], along: int) -> _Place:
        """Return the place of a flat field whose shape has -1 along its axis, unless that is given."""
        data, dtype = values.buffers()[1], np.dtype(values.type.to_pandas_dtype())
        before, inside = shape[:along], shape[along + 1 :]
        elements = math.prod((*before, *inside))
        length = len(values) // elements if shape[along] < 0 else shape[along]
        start = data.address - whole.address if len(values) else 0
        return cls(start, length, math.prod(inside) * dtype.itemsize, dtype, before, inside)


def _mapped(path: Path) -> tuple[mmap.mmap, pa.RecordBatch, pa.Buffer]:
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        buffer = pa.py_buffer(memory)
        return memory, pa.ipc.open_file(pa.BufferReader(buffer)).get_batch(0), buffer
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise DataError(f"{path} is no graph file ({error})", "Delete it; it will be built again") from error


def _shapes(batch: pa.RecordBatch) -> dict[str, tuple[int, ...]]:
    crystals = len(batch.column("lattice").values) // 9
    targets = int(batch.schema.metadata[_TARGETS])
    return dict.fromkeys(batch.schema.names, (-1,)) | _SHAPES | {"targets": (crystals, targets)}


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
