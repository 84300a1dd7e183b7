"""What a teacher says of the atoms of crystals: a model that is asked once, or a table of vectors.

A table is a Parquet file with the columns `id`, `vectors` (all atoms of the cell in their order, each its layers, each layer
its `width` numbers, in a row), `width` and, unless it is 1, `layers`. `cryskit embed --atoms` writes one; any other program may,
so that a network can be learned from without being installed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cryskit.atomic_write import replacing
from cryskit.batching import Batcher
from cryskit.data.corpus import short_fingerprint, training_fingerprints
from cryskit.data.sources import resolve
from cryskit.errors import DataError, PlanError
from cryskit.graphs.build import build_usable
from cryskit.predict.card import read_card
from cryskit.predict.predictor import load
from cryskit.predict.published import path_of
from cryskit.registry import ENCODERS
from cryskit.training.start import digested, manifest_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryskit.training.plan import Plan, Teacher
    from cryskit.types import Graph, GraphSpec

_TABLE = ".parquet"


class Vectors:
    """The vectors of a teacher.

    Args:
        teacher: As named in a plan.

    Attributes:
        named: What the plan says of it, with the digest of its file.
        width: Of its vectors.

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

    def of(self, crystals: Sequence[Crystal], layers: int, cache: Path) -> list[np.ndarray]:
        """Return the vectors of each crystal, (atoms, layers, width) float32.

        Args:
            crystals: Those to learn from.
            layers: How many layers, counted from the end of the teacher.
            cache: A folder where the answers of a model are kept.

        Raises:
            DataError: The table lacks a crystal, or has other atoms or layers for it; or the model cannot see a crystal.
        """
        path = self._path if self._path.suffix == _TABLE else self._asked(crystals, layers, cache)
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
            spec: Which graph.
            cache: A folder where graphs are kept: those of all that the teacher was trained on, which is the same for every
                run.

        Raises:
            DataError: There is no manifest beside the teacher, or none of the crystals is in it.
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
            for item in resolve(source):
                if isinstance(item, Crystal) and short_fingerprint(item) in trained_on:
                    found.setdefault(short_fingerprint(item), replace(item, id=f"{number}/{item.id}", targets={}))
        return found

    def _pseudo_labels(self, crystals: Mapping[str, Crystal], cache: Path) -> dict[str, dict[str, float]]:
        """Return what the teacher predicts of the crystals that it can see, name of crystal to name of property to value."""
        predictor = load(self._path)
        predictor.require_heads()
        graph, errors = build_usable(list(crystals.values()), predictor.card.spec, cache=cache)
        names = [name for row, name in enumerate(crystals) if row not in errors]
        values = predictor.values(graph).tolist()
        return {
            name: dict(zip(predictor.properties, row, strict=True)) for name, row in zip(names, values, strict=True)
        }

    def _asked(self, crystals: Sequence[Crystal], layers: int, cache: Path) -> Path:
        """Return a table of what the model says, made if it is not in the cache."""
        key = hashlib.sha256(f"{self.named.digest} {layers}".encode())
        for crystal in crystals:
            key.update(f"{crystal.id} {crystal.fingerprint}".encode())
        path = cache / f"teacher-{key.hexdigest()[:32]}{_TABLE}"
        if not path.exists():
            table = load(self._path).embed_atoms(list(crystals), layers)
            with replacing(path) as temporary:
                table.to_parquet(temporary, index=False)
        return path

    def _width(self) -> int:
        if self._path.suffix != _TABLE:
            return int(ENCODERS.build(read_card(self._path).encoder).width)
        widths = set(_read(self._path, "width")["width"].to_pylist())
        if len(widths) != 1:
            raise DataError(f"The vectors in {self._path} have widths {sorted(widths)}", "Give all the same width")
        return int(widths.pop())

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
                f"The teacher says nothing of the crystal {crystal.id} ({why})",
                "Leave it out, or give a table that has it",
            )
        there = columns["layers"][row].as_py() if "layers" in columns.column_names else 1
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
        names = pq.read_schema(path).names
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path} is no Parquet file ({error})", "Give a table that `cryskit embed --atoms` wrote"
        ) from error
    missing = {"id", "vectors", "width"} - set(names)
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(sorted(missing))}", "Give a table that `cryskit embed --atoms` wrote"
        )
    return pq.read_table(path, columns=list(columns) or None).combine_chunks()


def taught(graph: Graph, vectors: Sequence[np.ndarray]) -> Graph:
    """Return the graph with what a teacher says of each node.

    Args:
        graph: B crystals, with the origins of its nodes.
        vectors: Of each crystal, (atoms, layers, width).
    """
    if graph.origin is None:
        raise PlanError("The graph does not say which atoms its nodes are", "Build it with the objective's own `needs`")
    starts = np.cumsum([0, *(len(each) for each in vectors[:-1])])
    rows = starts[graph.crystal_of_atom.numpy()] + graph.origin.numpy()
    return replace(graph, teacher=torch.from_numpy(np.concatenate(vectors)[rows]))


def teacher_of(plan: Plan) -> tuple[Plan, Vectors | None]:
    """Return the plan with the digest of its teacher's file, and the teacher, if it has one.

    Raises:
        PlanError: A teacher nobody learns from, or a pupil without one; or the file was changed since the plan was made.
    """
    learns = plan.objective.get("name") == "distill"
    if plan.teacher is None:
        if learns:
            raise PlanError("The objective distill needs a teacher", "Name one: teacher: {file: ...}, or `--teacher`")
        return plan, None
    if not learns:
        raise PlanError(
            f"The plan names a teacher but its objective is {plan.objective.get('name')}",
            "Set the objective to distill",
        )
    vectors = Vectors(plan.teacher)
    return plan.model_copy(update={"teacher": vectors.named}), vectors
