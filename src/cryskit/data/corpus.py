"""Crystals of several data sets for learning without labels: which train, which validate, which are held out.

Each data set is divided by itself, at random or by a split of it. The test crystals of a split are held out, and so is
every crystal of any data set that has the structure of one of them. Of several crystals of one structure the first is kept.

The crystals themselves are not held in memory: they are listed as they are read, with some sixty bytes for each.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cryskit.atomic_write import replacing
from cryskit.data.interchange import entry
from cryskit.data.readers.formats import stem
from cryskit.data.splits import shares
from cryskit.errors import DataError, PlanError, counted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryskit.data.splits import Split
    from cryskit.types import Crystal

SHARES = (0.9, 0.1, 0.0)
"""Shares of the crystals of a data set that train, validate and are held out where no split says otherwise."""

_DIGITS = 32  # hexadecimal, of a fingerprint in a manifest
_PIECE = 16_384  # rows that are Python objects at a time
_COLUMNS = ("id", "source", "part", "fingerprint")


class Assignment(IntEnum):
    """The assignment of a crystal of a corpus: to training, to validation, or why it is in neither."""

    TRAIN = 0
    VALIDATION = 1
    HELD_OUT = 2
    LEFT_OUT = 3  # the split does not name it
    UNUSABLE = 4
    DUPLICATE = 5


class Corpus:
    """The list of the crystals of several data sets.

    Args:
        sources: Name or path of each data set.

    Attributes:
        manifests: Short name of each data set that was listed to its manifest hash.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._names = _short(list(sources))
        self.manifests: dict[str, str] = {}
        self._ids: dict[str, pa.ChunkedArray] = {}
        self._fingerprints = bytearray()

    def __len__(self) -> int:
        return len(self._fingerprints) * 2 // _DIGITS

    def listed(self, source: str, crystals: Iterable[Crystal]) -> Iterator[Crystal]:
        """Yield the crystals of a data set, and list them.

        Args:
            source: Name or path of one of the data sets that the corpus was made with.
            crystals: All crystals of the data set.

        Raises:
            DataError: An id occurs twice in it.
        """
        digest, pieces, ids = hashlib.sha256(), [pa.array([], pa.string())], []
        for crystal in crystals:
            fingerprint = crystal.fingerprint
            digest.update(entry(crystal.id, fingerprint))
            self._fingerprints += bytes.fromhex(fingerprint[:_DIGITS])
            ids.append(crystal.id)
            if len(ids) == _PIECE:
                pieces.append(pa.array(ids, pa.string()))
                ids.clear()
            yield crystal
        name = self._names[source]
        self._ids[name] = pa.chunked_array([*pieces, pa.array(ids, pa.string())])
        self.manifests[name] = digest.hexdigest()
        twice = _repeated([self._ids[name]])
        if len(twice):
            raise DataError(
                f"{counted(len(twice), 'id')} given twice in {name}, the first {shortened(twice[0].as_py())!r}",
                "Make the ids unique",
            )

    def divide(self, structures: np.ndarray, splits: Sequence[Split] = (), seed: int = 0) -> np.ndarray:
        """Return the assignment of each crystal.

        Args:
            structures: (N,) int, for each crystal in the order in which they were listed a number that is the same for
                the same structure; 0 for one that cannot be used.
            splits: Splits, each made of exactly one of the data sets (by its manifest hash).
            seed: Seed of the random order of the data sets that have no split.

        Returns:
            (N,) int8, values of Assignment.

        Raises:
            PlanError: A split is of none of the data sets, or two are of the same.
            DataError: A data set has too few crystals to be divided.
        """
        given = self.matched(splits)
        assignments = np.concatenate(
            [_named(ids, given[name]) if name in given else _at_random(ids, seed) for name, ids in self._ids.items()]
        )
        assignments[np.isin(assignments, (Assignment.TRAIN, Assignment.VALIDATION)) & (structures == 0)] = (
            Assignment.UNUSABLE
        )
        hidden = np.unique(structures[(assignments == Assignment.HELD_OUT) & (structures != 0)])
        seen = np.flatnonzero(np.isin(assignments, (Assignment.TRAIN, Assignment.VALIDATION)))
        like_hidden = np.isin(structures[seen], hidden)
        assignments[seen[like_hidden]] = Assignment.HELD_OUT
        seen = seen[~like_hidden]
        first = np.unique(structures[seen], return_index=True)[1]
        assignments[np.delete(seen, first)] = Assignment.DUPLICATE
        return assignments

    def matched(self, splits: Sequence[Split]) -> dict[str, Split]:
        """Return the split of each data set that has one, by its short name.

        Raises:
            PlanError: A split is of none of the data sets, or two are of the same.
        """
        matched: dict[str, Split] = {}
        for split in splits:
            found = [name for name, data in self.manifests.items() if data == split.data]
            if not found:
                raise PlanError(
                    f"The split {split.name} is of none of the data sets {', '.join(self.manifests)}",
                    "Give the data it was made of, unchanged, or make it again",
                )
            if found[0] in matched:
                raise PlanError(f"Two splits of {found[0]} are given", "Give one")
            matched |= dict.fromkeys(found, split)
        return matched

    def write_manifest(self, path: Path, assignments: np.ndarray) -> str:
        """Write which crystals were seen, so that anyone can check whether a crystal was among them.

        Args:
            path: Path of a Parquet file with the columns id, source, part, fingerprint (the first 32 digits of
                `Crystal.fingerprint`), sorted by source and id.
            assignments: (N,) int8, values of Assignment, as `divide` returns them.

        Returns:
            The SHA-256 of the file.
        """
        schema = pa.schema([(name, pa.string()) for name in _COLUMNS])
        with replacing(path) as temporary:
            with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                for table in self._rows(assignments):
                    writer.write_table(table)
            with temporary.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def ids(self, rows: np.ndarray) -> list[str]:
        """Return the ids of some crystals; where several data sets have an id, its data set's short name in front.

        Args:
            rows: (M,) int, places in the list, ascending.
        """
        clashing, starts = _repeated(list(self._ids.values())), self._starts()
        found: list[str] = []
        for name, ids in self._ids.items():
            mine = rows[(rows >= starts[name]) & (rows < starts[name] + len(ids))] - starts[name]
            found += _unique(ids.take(pa.array(mine)), name, clashing).to_pylist()
        return found

    def _rows(self, assignments: np.ndarray) -> Iterator[pa.Table]:
        """Yield the rows of the manifest, some thousand at a time."""
        clashing, starts = _repeated(list(self._ids.values())), self._starts()
        parts = np.array([assignment.name.lower() for assignment in (Assignment.TRAIN, Assignment.VALIDATION)])
        for name in sorted(self._ids):
            start, ids = starts[name], self._ids[name]
            seen = np.flatnonzero(
                np.isin(assignments[start : start + len(ids)], (Assignment.TRAIN, Assignment.VALIDATION))
            )
            order = pc.sort_indices(ids.take(pa.array(seen))).to_numpy()
            for piece in np.split(seen[order], range(_PIECE, len(seen), _PIECE)):
                columns = {
                    "id": _unique(ids.take(pa.array(piece)), name, clashing),
                    "source": pa.array([name] * len(piece), pa.string()),
                    "part": pa.array(parts[assignments[start + piece]], pa.string()),
                    "fingerprint": pa.array([self._fingerprint(start + row) for row in piece.tolist()], pa.string()),
                }
                yield pa.table(columns)

    def _fingerprint(self, row: int) -> str:
        size = _DIGITS // 2
        return self._fingerprints[row * size : (row + 1) * size].hex()

    def _starts(self) -> dict[str, int]:
        ends = np.cumsum([len(ids) for ids in self._ids.values()]).tolist()
        return dict(zip(self._ids, [0, *ends], strict=False))


def short_fingerprint(crystal: Crystal) -> str:
    """Return the digits of the fingerprint of a crystal that stand in a manifest."""
    return crystal.fingerprint[:_DIGITS]


def manifest_path(model: Path) -> Path:
    """Return the path of the manifest of a pre-trained model: in the folder of the model file."""
    return model.with_name(f"{model.stem}.manifest.parquet")


def training_fingerprints(path: Path) -> set[str]:
    """Return the short fingerprints of the crystals that train, according to a manifest.

    Raises:
        DataError: The file is damaged, or no manifest.
    """
    try:
        found = pq.read_table(path, columns=["fingerprint"], filters=[("part", "=", "train")])
        return {str(name) for name in found["fingerprint"].to_pylist()}
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is no manifest of a model ({error})", "Get it again, from where the model came from"
        ) from error


def _short(sources: Sequence[str]) -> dict[str, str]:
    """Return a short name for each data set: its stem, or all of its name where stems are alike."""
    stems = {source: stem(Path(source).name) for source in sources}
    times = Counter(stems.values())
    return {source: short if times[short] == 1 else source for source, short in stems.items()}


def _repeated(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Return the ids that occur more than once."""
    counted = pc.value_counts(pa.chunked_array([chunk for column in columns for chunk in column.chunks]))
    return counted.field("values").filter(pc.greater(counted.field("counts"), 1))


def _unique(ids: pa.ChunkedArray, name: str, clashing: pa.Array) -> pa.ChunkedArray:
    """Return ids with the name of their data set in front of those that others have, too."""
    if not len(clashing):
        return ids
    return pc.if_else(pc.is_in(ids, value_set=clashing), pc.binary_join_element_wise(name, ids, "/"), ids)


def _named(ids: pa.ChunkedArray, split: Split) -> np.ndarray:
    assignments = np.full(len(ids), Assignment.LEFT_OUT, dtype=np.int8)
    for assignment, part in (
        (Assignment.TRAIN, split.train),
        (Assignment.VALIDATION, split.validation),
        (Assignment.HELD_OUT, split.test + split.calibration),
    ):
        assignments[pc.is_in(ids, value_set=pa.array(part, pa.string())).to_numpy()] = assignment
    return assignments


def _at_random(ids: pa.ChunkedArray, seed: int) -> np.ndarray:
    assignments = np.empty(len(ids), dtype=np.int8)
    assignments[pc.sort_indices(ids).to_numpy()] = shares(len(ids), SHARES, seed)
    return assignments
