"""Atom vectors of a teacher: from a model that is run once, or from a table of vectors.

A table is a Parquet file with the columns `id`, `vectors` (all atoms of the cell in their order, each its layers, each layer
its `width` numbers, in a row, or one list for each atom), `width`, unless it is 1 `layers`, and if it is known `fingerprint`, by which a crystal is
compared with that of the run. Its metadata may say whose vectors they are (`predict.outside`). `cryskit embed --atoms` writes a table; the scripts in
`tools/extract` write those of universal potentials, so that a network can be learned from without being installed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cryskit import checksum
from cryskit.atomic_write import replacing
from cryskit.batching import Batcher
from cryskit.data.corpus import short_fingerprint, training_fingerprints
from cryskit.data.read import read
from cryskit.errors import DataError, PlanError
from cryskit.graphs.build import build_usable
from cryskit.predict.card import refuse_tensors
from cryskit.predict.classes import targets_of
from cryskit.predict.load import load
from cryskit.predict.network import matching_card
from cryskit.predict.outside import leakage_of, origin_of
from cryskit.predict.published import path_of
from cryskit.registry import ENCODERS
from cryskit.training.start import digested, manifest_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cryskit.training.plan import Teacher
    from cryskit.types import Graph, GraphSpec

_TABLE = ".parquet"


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _are_vectors(kind: pa.DataType) -> bool:
    if _is_list(kind) and _is_list(kind.value_type):  # a list for each atom
        kind = kind.value_type
    return bool(_is_list(kind) and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


_TYPES: Mapping[str, Callable[[pa.DataType], bool]] = MappingProxyType(
    {
        "vectors": _are_vectors,
        "width": pa.types.is_integer,
        "layers": pa.types.is_integer,
        "fingerprint": lambda kind: bool(pa.types.is_string(kind) or pa.types.is_large_string(kind)),
    }
)


class Vectors:
    """The vectors of a teacher.

    Args:
        teacher: The teacher as a plan names it.

    Attributes:
        named: The teacher as the plan names it, with the digest of its file.
        width: Length of its vectors.
        origin: What a table says of the model whose vectors it holds: `model`, `version`, `training_set`, `licence`; empty for a model of cryskit, or
            where it says nothing.

    Raises:
        DataError: The table is none.
        ModelError: There is no such file, or it is no model.
        PlanError: The file was changed since the plan was made.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._path = Path(teacher.file) if Path(teacher.file).suffix == _TABLE else path_of(teacher.file)
        if not self._path.is_file():
            raise DataError(f"There is no table of vectors {self._path}", "Check the path")
        self.named = teacher.model_copy(update={"digest": digested(self._path, teacher)})
        self.width = self._width()
        self.origin = origin_of(self._path) if self._path.suffix == _TABLE else {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a card says of the teacher."""
        return self.named.model_dump() | ({"origin": self.origin} if self.origin else {})

    @property
    def warning(self) -> str:
        """What a reader of the errors of a student has to know, as a sentence; "" for a model of cryskit, whose manifest says what it saw."""
        if self._path.suffix != _TABLE:
            return ""
        return leakage_of(self.named.file, self.origin)

    def of(self, crystals: Sequence[Crystal], layers: int, cache: Path) -> list[np.ndarray]:
        """Return the vectors of each crystal, (atoms, layers, width) float32.

        Args:
            crystals: Crystals to learn from.
            layers: Number of layers, counted from the end of the teacher.
            cache: A folder where the vectors that a model gives are kept.

        Raises:
            DataError: The table lacks a crystal, or has other atoms or layers for it; or the model cannot see a crystal.
        """
        path = self._path if self._path.suffix == _TABLE else self._table(crystals, layers, cache)
        columns = _read(path)
        place = {name: row for row, name in enumerate(columns["id"].to_pylist())}
        return [self._row(columns, place, crystal, layers) for crystal in crystals]

    def unlabelled_crystals(
        self, known: Iterable[Crystal], spec: GraphSpec, cache: Path
    ) -> tuple[list[Crystal], Graph] | None:
        """Return the crystals of the data sets named as unlabelled that the teacher was trained on, and their graph, if any is named.

        They have no labels, or the teacher's predictions as labels where the plan says so. Those that cannot be built are
        left out.

        Args:
            known: Crystals of the run; what has the content of one of them is left out.
            spec: The graph to build.
            cache: A folder where graphs are kept: those of all that the teacher was trained on, which is the same for every
                run.

        Raises:
            DataError: There is no manifest of the teacher, or none of the crystals is in it.
            ModelError: The teacher is to give labels and predicts nothing.
        """
        if not self.named.unlabelled:
            return None
        seen = self._seen()
        wanted = seen.keys() - {short_fingerprint(crystal) for crystal in known}
        graph, errors = build_usable(list(seen.values()), spec, cache=cache)
        usable = {name: crystal for row, (name, crystal) in enumerate(seen.items()) if row not in errors}
        rows = np.flatnonzero([name in wanted for name in usable])
        if not len(rows):
            named = ", ".join(self.named.unlabelled)
            raise DataError(f"The teacher was trained on no other crystal of {named}", "Leave out `unlabelled`")
        pseudo_labels = self._pseudo_labels(seen, cache) if self.named.labels else {}
        crystals = [replace(usable[name], targets=pseudo_labels.get(name, {})) for name in usable if name in wanted]
        return crystals, Batcher(graph).take(rows)

    def _seen(self) -> dict[str, Crystal]:
        """Return the crystals of the data sets named as unlabelled that the teacher was trained on, by short fingerprint."""
        trained_on = training_fingerprints(manifest_of(self._path))
        found: dict[str, Crystal] = {}
        for number, source in enumerate(self.named.unlabelled):
            for item in read(source):
                if isinstance(item, Crystal) and short_fingerprint(item) in trained_on:
                    found.setdefault(
                        short_fingerprint(item), replace(item, id=f"{number}/{item.id}", targets={}, labels={})
                    )
        return found

    def _pseudo_labels(self, crystals: Mapping[str, Crystal], cache: Path) -> dict[str, dict[str, float]]:
        """Return the predictions of the teacher, name of crystal to name of property to value, for those that it can build."""
        predictor = load(self._path)
        predictor.require_heads()
        refuse_tensors(predictor.card, "label crystals")
        graph, errors = build_usable(list(crystals.values()), predictor.card.spec, cache=cache)
        names = [name for row, name in enumerate(crystals) if row not in errors]
        wanted = predictor.card.properties
        return {name: targets_of(wanted, row) for name, row in zip(names, predictor.values(graph), strict=True)}

    def _table(self, crystals: Sequence[Crystal], layers: int, cache: Path) -> Path:
        """Return a table of the vectors that the model gives, made if it is not in the cache, whole."""
        key = hashlib.sha256(f"{self.named.digest} {layers}".encode())
        for crystal in crystals:
            key.update(f"{crystal.id} {crystal.fingerprint}".encode())
        path = cache / f"teacher-{key.hexdigest()[:32]}{_TABLE}"
        if not checksum.holds(path):
            table = pa.Table.from_pandas(load(self._path).embed_atoms(list(crystals), layers), preserve_index=False)
            with replacing(path) as temporary:
                pq.write_table(table.replace_schema_metadata(checksum.METADATA), temporary)
                checksum.add(temporary)
        return path

    def _width(self) -> int:
        if self._path.suffix != _TABLE:
            return ENCODERS.width(matching_card(self._path).encoder)
        widths = sorted(set(_read(self._path, "width")["width"].drop_null().to_pylist()))
        if len(widths) != 1 or widths[0] < 1:
            raise DataError(f"The vectors in {self._path} have widths {widths}", "Give all the same width, at least 1")
        return int(widths[0])

    def _row(self, columns: pa.Table, place: dict[str, int], crystal: Crystal, layers: int) -> np.ndarray:
        row = place.get(crystal.id)
        numbers = None if row is None else columns["vectors"][row].values
        if row is None or numbers is None:
            why = (
                columns["reason"][row].as_py()
                if row is not None and "reason" in columns.column_names
                else "no such row"
            )
            raise DataError(
                f"The teacher has no vectors of the crystal {crystal.id} ({why})",
                "Leave it out, or give a table that has it",
            )
        known = columns["fingerprint"][row].as_py() if "fingerprint" in columns.column_names else None
        if known not in {None, crystal.fingerprint}:
            raise DataError(
                f"The teacher's vectors of {crystal.id} are those of another crystal: lattice, coordinates or elements differ",
                "Make the table from the same file: `cryskit data convert` writes the crystals as they are read",
            )
        there = columns["layers"][row].as_py() if "layers" in columns.column_names else 1
        if _is_list(numbers.type):
            if len(numbers) != len(crystal):
                raise DataError(
                    f"The teacher's vectors of {crystal.id} are of {len(numbers)} atoms, but it has {len(crystal)}",
                    "Make the table from the same crystals",
                )
            numbers = numbers.flatten()
        values: np.ndarray = numbers.to_numpy(zero_copy_only=False).astype(np.float32)
        if there != layers or values.size != len(crystal) * layers * self.width:
            raise DataError(
                f"The teacher's vectors of {crystal.id} are {values.size} numbers in {there} layers, "
                f"expected {len(crystal)} atoms x {layers} layers x {self.width}",
                "Make the table from the same crystals, with as many layers as are matched",
            )
        return values.reshape(len(crystal), layers, self.width)


def _read(path: Path, *columns: str) -> pa.Table:
    """Return a table of vectors, or some of its columns."""
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path} is no Parquet file ({error})", "Give a table that `cryskit embed --atoms` wrote"
        ) from error
    missing = {"id", "vectors", "width"} - set(schema.names)
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(sorted(missing))}", "Give a table that `cryskit embed --atoms` wrote"
        )
    wrong = [name for name, is_of in _TYPES.items() if name in schema.names and not is_of(schema.field(name).type)]
    if wrong:
        raise DataError(
            f"The columns {', '.join(wrong)} of {path} have the wrong type",
            "Make `vectors` lists of numbers, `width` and `layers` integers; `cryskit embed --atoms` writes such a table",
        )
    try:
        table = pq.read_table(path, columns=list(columns) or None, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error})", "Write it again with `cryskit embed --atoms`") from error
    return table.combine_chunks()


def taught(graph: Graph, vectors: Sequence[np.ndarray]) -> Graph:
    """Return the graph with a teacher's vectors of each node.

    Args:
        graph: The graph of B crystals, with the origins of its nodes.
        vectors: Vectors of each crystal, (atoms, layers, width).
    """
    if graph.origin is None:
        raise PlanError("The graph does not say which atoms its nodes are", "Build it with the objective's own `needs`")
    starts = np.cumsum([0, *(len(each) for each in vectors[:-1])])
    rows = starts[graph.crystal_of_atom.numpy()] + graph.origin.numpy()
    return replace(graph, teacher=torch.from_numpy(np.concatenate(vectors)[rows]))
