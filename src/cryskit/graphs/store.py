"""Graphs on disk: one memory-mapped Arrow file of flat arrays for each, checksummed and written atomically."""

from __future__ import annotations

import math
import mmap
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from cryskit import checksum
from cryskit.atomic_write import replacing
from cryskit.errors import DataError
from cryskit.types import FIELD_AXES, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHAPES = {
    "edges": (2, -1),
    "vectors": (-1, 3),
    "lattice": (-1, 3, 3),
    "symmetry": (-1, 2),
    "translations": (-1, 6),
    "point_group": (-1, 48, 3, 3),
}
_TARGETS = b"targets"


def save(graph: Graph, path: Path) -> None:
    """Write a graph to a file; a reader never sees half a file.

    Args:
        graph: The graph, on the CPU.
        path: The file; its folder is made.
    """
    arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in graph.tensors.items()}
    schema_columns, values = [], []
    for name, array in arrays.items():
        flat = pa.array(array.reshape(-1))
        values.append(pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat))
        schema_columns.append(pa.field(name, values[-1].type))
    metadata = {**checksum.METADATA, _TARGETS: str(arrays["targets"].shape[1]).encode()}
    schema = pa.schema(schema_columns, metadata=metadata)
    with replacing(path) as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(pa.record_batch(values, schema=schema))
        checksum.add(temporary)


def load(path: Path) -> Graph:
    """Map a graph into memory; its pages are read when they are first used, and never written back.

    Args:
        path: A file that `save` has written.

    Raises:
        DataError: The file is damaged, or was written without a checksum by an earlier version.
    """
    if not checksum.holds(path):
        raise DataError(f"{path} is missing or damaged: its checksum differs", "Delete it; it will be built again")
    memory, batch, buffer = _open(path)
    arrays = {name: _view(memory, buffer, batch.column(name).values) for name in batch.schema.names}
    shapes = _shapes(batch)
    return Graph(**{name: torch.from_numpy(array.reshape(shapes[name])) for name, array in arrays.items()})


def find(path: Path) -> Graph | None:
    """Return the graph in a file as `load` does, or None if there is no such file or it is damaged, so that it is built again.

    Args:
        path: Where `save` writes it.
    """
    try:
        return load(path)
    except DataError:
        return None


class StoredGraph:
    """A graph on disk of which parts are read, so that it takes no memory, not even that of a mapped file.

    Args:
        path: A file that `save` has written; its checksum is not verified (`shards.shards` did).

    Attributes:
        fields: The names of the fields of the graph.

    Raises:
        DataError: The file is no whole graph file.
    """

    def __init__(self, path: Path) -> None:
        _, batch, buffer = _open(path)
        shapes = _shapes(batch)
        self._locations = {
            name: _Location.of(batch.column(name).values, buffer, shapes[name], FIELD_AXES[name].dimension)
            for name in batch.schema.names
        }
        self.fields = tuple(self._locations)
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)

    def read(self, name: str) -> np.ndarray:
        """Return a whole field of the graph as an array.

        Args:
            name: The name of the field.
        """
        length = self._locations[name].length
        field, rows = self.empty(name, length)
        self.fill(rows, name, 0, 0, length)
        return field

    def empty(self, name: str, length: int) -> tuple[np.ndarray, list[memoryview]]:
        """Return an empty array for some elements of a field, and the bytes of each of its rows for `fill`.

        Args:
            name: The name of the field.
            length: The number of elements along the axis of the field.
        """
        location = self._locations[name]
        field = np.empty((*location.before, length, *location.inside), location.dtype)
        rows = field.reshape(math.prod(location.before), -1).view(np.uint8) if field.size else ()
        return field, [row.data for row in rows]

    def fill(self, rows: Sequence[memoryview], name: str, at: int, start: int, length: int) -> None:
        """Read some elements of a field into an array.

        Args:
            rows: The bytes of each row of the array, from `empty`; an array may be filled from several files.
            name: The name of the field.
            at: The position in the array at which the first element is put.
            start: The position in the file of the first element.
            length: The number of elements along the axis of the field.
        """
        location = self._locations[name]
        for number, row in enumerate(rows):
            self._file.seek(location.start + (number * location.length + start) * location.width)
            self._file.readinto(row[at * location.width : (at + length) * location.width])


class _Location(NamedTuple):
    """The location of a field in the file.

    Attributes:
        start: Position of its first byte.
        length: Number of elements along its axis.
        width: Bytes of one element.
        dtype: Type of its numbers.
        before: Shape before its axis.
        inside: Shape of one element.
    """

    start: int
    length: int
    width: int
    dtype: np.dtype[Any]
    before: tuple[int, ...]
    inside: tuple[int, ...]

    @classmethod
    def of(cls, values: pa.Array, whole: pa.Buffer, shape: tuple[int, ...], along: int) -> _Location:
        """Return the location of a flat field whose shape has -1 along its axis, or the length of the axis."""
        data, dtype = values.buffers()[1], np.dtype(values.type.to_pandas_dtype())
        before, inside = shape[:along], shape[along + 1 :]
        elements = math.prod((*before, *inside))
        length = len(values) // elements if shape[along] < 0 else shape[along]
        start = data.address - whole.address if len(values) else 0
        return cls(start, length, math.prod(inside) * dtype.itemsize, dtype, before, inside)


def _open(path: Path) -> tuple[mmap.mmap, pa.RecordBatch, pa.Buffer]:
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
    """Return an Arrow array as a view of the mapped file; Arrow's own views are read-only, which torch does not accept."""
    data = values.buffers()[1]
    dtype = values.type.to_pandas_dtype()
    if data is None or not len(values):
        return np.zeros(0, dtype)
    return np.frombuffer(memory, dtype, len(values), data.address - whole.address)
