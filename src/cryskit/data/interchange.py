"""The interchange Parquet: one crystal per row, written and read a row group at a time.

Columns: `id` (string), `atomic_numbers` (list of int), `lattice` (nine floats, rows a, b, c one after the other,
angstrom), `frac_coords` (3N floats), one column per property (its registry name, in its unit; of labels in words a string, of
tensors the list of the components of the matrix, see `data.tensors`), optional `text`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryskit import properties as registered
from cryskit.atomic_write import replacing
from cryskit.data.targets import IDS, TEXTS, labels, one_or_many, property_names
from cryskit.data.tensors import component_of, matrix_of, tensor_of_column, tensors_of_components
from cryskit.errors import (
    CoordinatesError,
    CrystalError,
    DataError,
    ElementError,
    LatticeError,
    UnreadableError,
    one_line,
)
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from cryskit.types import Property

ROWS = 1000
"""Number of rows of a row group."""

_BUFFER = 1 << 20  # bytes of a column that are fetched at a time
_LISTS = {"atomic_numbers": pa.uint8(), "lattice": pa.float64(), "frac_coords": pa.float64()}
_RESERVED = ("id", *_LISTS, "text")
_MANIFEST = b"cryskit.manifest"
_BROKEN = (pa.ArrowException, OSError, ValueError)  # what pyarrow has been seen to raise on damaged files


class Written(NamedTuple):
    """What was written: the number of crystals and their manifest hash."""

    rows: int
    manifest: str


def manifest(crystals: Iterable[Crystal]) -> str:
    """Return the SHA-256 over the ids and fingerprints of crystals in their order: the identity of a data set."""
    digest = hashlib.sha256()
    for crystal in crystals:
        digest.update(entry(crystal.id, crystal.fingerprint))
    return digest.hexdigest()


def entry(name: str, fingerprint: str) -> bytes:
    """Return what the manifest hash is taken of for one crystal, given its id and fingerprint."""
    return f"{name}\0{fingerprint}\n".encode()


def write(
    path: Path | str,
    crystals: Iterable[Crystal],
    properties: str | Sequence[str] | None = None,
    *,
    words: Sequence[str] = (),
) -> Written:
    """Write crystals to an interchange Parquet file, zstd-compressed, whole or not at all.

    Args:
        path: Path of the file.
        crystals: Crystals in the order of the rows.
        properties: Names of the properties to write as numbers, tensors as lists of their components, one or many. Given, crystals are taken as they come, a row group in memory; not given, all
            crystals are held in memory to find their columns.
        words: Names of the labels to write as words, none of them in `properties`; only where these are given.

    Returns:
        Rows written and their manifest hash, which is also kept in the file's metadata.

    Raises:
        DataError: A property has the name of another column, or a crystal has a property that is not in `properties`.
    """
    if properties is None:
        crystals = list(crystals)
        found = {name: None for crystal in crystals for name in crystal.labels if name not in _RESERVED}
        properties = list(found | dict.fromkeys(name for crystal in crystals for name in crystal.targets))
        tensors = list(dict.fromkeys(name for crystal in crystals for name in crystal.tensors))
        schema = _schema(properties, found, tensors, text=any(crystal.text is not None for crystal in crystals))
        properties += tensors
    else:
        known = registered.load()
        named = one_or_many(properties)
        tensors = [name for name in named if name in known and known[name].tensor]
        properties = (*(name for name in named if name not in tensors), *words)
        schema = _schema(properties, words, tensors, text=True)
        properties += (*tensors,)
    digest, rows, remaining = hashlib.sha256(), 0, iter(crystals)
    with replacing(path) as temporary, _writer(temporary, schema) as writer:
        while group := list(islice(remaining, ROWS)):
            for crystal in group:
                digest.update(entry(crystal.id, crystal.fingerprint))
            writer.write_batch(_batch(group, properties, schema))
            rows += len(group)
        writer.add_key_value_metadata({_MANIFEST: digest.hexdigest()})
    return Written(rows, digest.hexdigest())


def read_rows(path: Path | str) -> Iterator[Crystal | Failure]:
    """Read an interchange Parquet file, one item per row in order, a thousand rows in memory.

    Only the form of a row is checked here; `cryskit.data.validate` validates the crystal. Further columns of numbers become
    targets, under the registry name if they are known by name or alias, else under their own; null, NaN and infinity are unknown.

    Args:
        path: Path of the file.

    Yields:
        The crystal, or a Failure that says what is wrong with the row.

    Raises:
        DataError: The file cannot be opened, lacks a column, or has two columns for one property.
    """
    with open_parquet(path, str(path)) as file:
        yield from read_opened(file, str(path))


def open_parquet(source: Path | str | IO[bytes], name: str, *, in_pieces: bool = False) -> pq.ParquetFile:
    """Open a Parquet file, to be closed by the caller.

    Args:
        source: Path, or an opened file in which any place can be read.
        name: Name of the file, for error messages.
        in_pieces: Whether columns of a row group are fetched piece by piece, which is slower and takes no memory where a row group is large.

    Raises:
        DataError: It is no such file.
    """
    if isinstance(source, str | Path):
        source = Path(source).absolute()  # pyarrow takes what stands before a colon in a relative path for a protocol
    try:
        how = {"pre_buffer": False, "buffer_size": _BUFFER} if in_pieces else {}
        return pq.ParquetFile(source, page_checksum_verification=True, **how)
    except _BROKEN as error:
        raise DataError(
            f"{name} is no Parquet file ({one_line(error)})", "Check that it is whole; convert other formats"
        ) from error


def read_opened(file: pq.ParquetFile, name: str) -> Iterator[Crystal | Failure]:
    """Read an opened interchange Parquet file as `read_rows` does.

    Args:
        file: Opened Parquet file.
        name: Name of the file, for error messages.
    """
    groups = RowGroups(file, name)
    for group in range(len(groups.starts) - 1):
        for part in groups.read(group):
            yield from part


class RowGroups:
    """The row groups of an opened interchange Parquet.

    Args:
        file: Opened Parquet file.
        name: Name of the file, for error messages.

    Attributes:
        starts: Number of the first row of each group, and behind them the number of all rows.

    Raises:
        DataError: It lacks a column, or has two columns for one property.
    """

    def __init__(self, file: pq.ParquetFile, name: str) -> None:
        names, words = _targets(file.schema_arrow, name), _words(file.schema_arrow)
        tensors = _tensors(file.schema_arrow)
        wanted = {*_RESERVED, *names, *words, *tensors}
        self._columns = [column for column in file.schema_arrow.names if column in wanted]
        self._file, self._name, self._targets, self._words, self._tensors = file, name, names, words, tensors
        sizes = (file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
        self.starts = [0, *accumulate(sizes)]

    def read(self, group: int) -> Iterator[Sequence[Crystal | Failure]]:
        """Yield the rows of a group, up to a thousand at a time; crystals are made when they are asked for.

        Args:
            group: Number of the row group.
        """
        start, stop = self.starts[group : group + 2]
        batches = self._file.iter_batches(ROWS, row_groups=[group], columns=self._columns)
        while start < stop:
            try:
                rows: Sequence[Crystal | Failure] = _Rows(
                    next(batches), self._targets, self._words, self._tensors, self._name, start
                )
            except _BROKEN as error:
                problem = UnreadableError(
                    f"A part of the file is damaged ({error})", "Fetch or write it again", self._name
                )
                rows = [Failure(f"row {row}", problem) for row in range(start, stop)]
            yield rows
            start += len(rows)


def manifest_of(path: Path | str) -> str | None:
    """Return the manifest hash that `write` left in a file's metadata, or None if another program wrote it.

    Raises:
        DataError: The file is no Parquet file.
    """
    with open_parquet(path, str(path)) as file:
        metadata = file.metadata.metadata or {}
    return metadata[_MANIFEST].decode(errors="replace") if _MANIFEST in metadata else None


def _schema(properties: Sequence[str], words: Container[str], tensors: Sequence[str] = (), *, text: bool) -> pa.Schema:
    taken = [name for name in (*properties, *tensors) if name in _RESERVED]
    if taken:
        raise DataError(f"A property cannot be called {taken[0]!r}, as another column is", "Rename it")
    fields = [("id", pa.string()), *((name, pa.list_(kind)) for name, kind in _LISTS.items())]
    values = ((name, pa.string() if name in words else pa.float64()) for name in properties)
    lists = ((name, pa.list_(pa.float64())) for name in tensors)
    return pa.schema([*fields, *values, *lists, *([("text", pa.string())] * text)])


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


def _batch(crystals: list[Crystal], properties: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    for crystal in crystals:
        further = {*crystal.targets, *crystal.tensors} - set(properties)
        if further:
            raise DataError(f"{crystal.id} has {min(further)}, which is no column", "Name it in `properties`")
    columns: dict[str, list[Any]] = {
        "id": [crystal.id for crystal in crystals],
        "atomic_numbers": [crystal.numbers for crystal in crystals],
        "lattice": [crystal.lattice.ravel() for crystal in crystals],
        "frac_coords": [crystal.fractional.ravel() for crystal in crystals],
        "text": [crystal.text for crystal in crystals],
    }
    columns |= {name: [_value(crystal, name, schema.field(name).type) for crystal in crystals] for name in properties}
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _value(crystal: Crystal, name: str, kind: pa.DataType) -> float | str | np.ndarray | None:
    """Return a label as its column holds it: a number, a list, or in a column of words the word, a number as text."""
    if pa.types.is_list(kind):
        tensor = crystal.tensors.get(name)
        return None if tensor is None else tensor.ravel()
    value = crystal.targets.get(name)
    if not pa.types.is_string(kind):
        return value
    return crystal.labels.get(name, None if value is None else f"{value:g}")


def _targets(schema: pa.Schema, path: Path | str) -> Mapping[str, str]:
    """Return the columns that hold targets and the property of each."""
    missing = [name for name in ("id", *_LISTS) if name not in schema.names]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(schema.names)}",
            "Write it with `cryskit data convert`, or name the columns as the interchange format does",
        )
    for name in _LISTS:
        kind = schema.field(name).type
        if not hasattr(kind, "value_type") or not _is_number(kind.value_type):
            raise DataError(f"{path} has {kind} in the column {name}", "Give a list of numbers per row")
    columns = [field.name for field in schema if field.name not in _RESERVED and _is_number(field.type)]
    return property_names(columns, str(path))


def _tensors(schema: pa.Schema) -> dict[str, Property]:
    """Return the columns that hold tensors, and the property of each."""
    lists = [f.name for f in schema if hasattr(f.type, "value_type") and _is_number(f.type.value_type)]
    found = {column: tensor_of_column(column) for column in lists if column not in _RESERVED}
    return {column: wanted for column, wanted in found.items() if wanted is not None}


def _words(schema: pa.Schema) -> list[str]:
    """Return the columns that may hold labels in words: truth values and texts."""
    return [field.name for field in schema if field.name not in (*_RESERVED, *IDS, *TEXTS) and _is_word(field.type)]


def _is_word(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_boolean(value) or pa.types.is_string(value) or pa.types.is_large_string(value))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


class _Rows(Sequence["Crystal | Failure"]):
    """A record batch as crystals and failures; arrays are made when it is constructed."""

    def __init__(
        self,
        batch: pa.RecordBatch,
        names: Mapping[str, str],
        words: Sequence[str],
        tensors: Mapping[str, Property],
        path: str,
        start: int,
    ) -> None:
        ids = _texts(batch.column("id"))
        self._labels = [f"row {start + row}" if name is None else name for row, name in enumerate(ids)]
        has_text = "text" in batch.schema.names
        self._texts = _texts(batch.column("text")) if has_text else [None] * len(ids)
        self._lists = [_Ragged(batch.column(name)) for name in _LISTS]
        self._targets = {name: _floats(batch.column(column)) for column, name in names.items()}
        self._tensors = [(wanted, _Ragged(batch.column(name))) for name, wanted in tensors.items()]
        self._components = any(map(component_of, self._targets))
        columns = [batch.column(name).to_pylist() for name in words]
        self._labels_of = [labels(dict(zip(words, row, strict=True))) for row in zip(*columns, strict=True)]
        self._path = path

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, row: int) -> Crystal | Failure: ...

    @overload
    def __getitem__(self, row: slice) -> list[Crystal | Failure]: ...

    def __getitem__(self, row: int | slice) -> Crystal | Failure | list[Crystal | Failure]:
        """Return a row, or several."""
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        label, text = self._labels[row], self._texts[row]
        arrays = [values[row] for values in self._lists]
        targets = {name: float(v[row]) for name, v in self._targets.items() if np.isfinite(v[row])}
        try:
            tensors, columns = tensors_of_components(targets) if self._components else ({}, set())
            crystal = _crystal(label, arrays, text, {n: value for n, value in targets.items() if n not in columns})
            lists = {wanted.name: matrix_of(values[row], wanted) for wanted, values in self._tensors}
        except CrystalError as error:
            return Failure(label, type(error)(error.problem, error.cure, f"{self._path}, {label}"))
        words = self._labels_of[row] if self._labels_of else {}
        known = tensors | {name: matrix for name, matrix in lists.items() if matrix is not None}
        return replace(crystal, labels=words, tensors=known) if words or known else crystal


def _crystal(name: str, arrays: list[np.ndarray], text: str | None, targets: dict[str, float]) -> Crystal:
    numbers, lattice, fractional = arrays
    if lattice.shape != (9,):
        raise LatticeError(f"The lattice has {lattice.size} numbers, expected 9", "Give rows a, b, c in angstrom")
    if fractional.size != 3 * numbers.size:
        raise CoordinatesError(
            f"{numbers.size} atoms but {fractional.size} coordinates", "Give three fractional coordinates per atom"
        )
    if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
        raise ElementError("An atomic number is missing or no whole number", "Give the atomic number of each atom")
    return Crystal(name, lattice.reshape(3, 3), fractional.reshape(-1, 3), numbers.astype(np.int64), text, targets)


def _texts(column: pa.Array) -> list[str | None]:
    """Return the texts of a column; bytes that are no UTF-8 are escaped."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    found = column.cast(pa.binary()).to_pylist()
    return [None if text is None else text.decode("utf-8", "backslashreplace") for text in found]


def _floats(column: pa.Array) -> np.ndarray:
    values: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


class _Ragged:
    """A column of lists as one flat array of floats; null rows are empty, null items NaN."""

    def __init__(self, column: pa.Array) -> None:
        ragged = column.cast(pa.large_list(pa.float64()), safe=False)
        self._values: np.ndarray = ragged.values.to_numpy(zero_copy_only=False)
        self._offsets = ragged.offsets.to_numpy()
        self._valid = ragged.is_valid().to_numpy(zero_copy_only=False)

    def __getitem__(self, row: int) -> np.ndarray:
        if not self._valid[row]:
            return self._values[:0]
        return self._values[self._offsets[row] : self._offsets[row + 1]]
