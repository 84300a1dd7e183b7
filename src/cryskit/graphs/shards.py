"""Built graphs on disk, shard by shard: a data set of any size, of which memory holds one shard while it is built.

A shard is named after the content it was built from, as every graph in the cache is. So a run that was killed builds
only what is not there yet, and data sets that were built once are shared by all runs with the same cache.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from cryskit import batching, checksum
from cryskit.atomic_write import remove_partial, replacing
from cryskit.batching import Batcher
from cryskit.graphs import store
from cryskit.graphs.build import build_usable, key
from cryskit.graphs.structure_hash import structure_hashes
from cryskit.parallel import Lost
from cryskit.types import FIELD_AXES, Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryskit.parallel import Pool
    from cryskit.types import Axis, Crystal, GraphSpec

SHARD = 16_384
"""Number of crystals in a shard."""

_CHUNK = 256  # crystals that a process builds at a time
_SYMMETRY = ("space_group", "system")

_Built: TypeAlias = "tuple[dict[str, np.ndarray], pa.Table]"


class Shard(NamedTuple):
    """Crystals on disk.

    Attributes:
        path: File of the graph of those that could be built.
        crystals: Table with a row for each crystal, in order: the numbers of `atoms` (nodes) and `edges` of its graph, its
            `structure` (see `structure_hash.structure_hashes`), its `space_group` and `system` where the spec asks for them, and the
            `problem` of one that could not be built, whose other columns are then null.
    """

    path: Path
    crystals: pa.Table


def shards(crystals: Iterable[Crystal], spec: GraphSpec, cache: Path, pool: Pool | None = None) -> Iterator[Shard]:
    """Build crystals as they come, and keep their graphs.

    Args:
        crystals: Crystals, read once; two shards of them are in memory at a time.
        spec: Which graph to build.
        cache: Folder of the shards; what is in it, whole, is not built again.
        pool: Processes to build with; without, this process builds. The result is the same.

    Yields:
        The shards, in the order of the crystals.

    Raises:
        ProcessEndedError: A process crashed. The shards before are kept, and this one is not written, for what it holds depends
            on its crystals only.
    """
    remove_partial(cache)
    remaining, before = iter(crystals), None
    while batch := list(islice(remaining, SHARD)):
        begun = _Begun(batch, spec, cache, pool)
        if before is not None:
            yield before.finish()
        before = begun
    if before is not None:
        yield before.finish()


class _Begun:
    """A shard that is being built by other processes while the crystals of the next one are read."""

    def __init__(self, crystals: Sequence[Crystal], spec: GraphSpec, cache: Path, pool: Pool | None) -> None:
        self._graph, self._table = (cache / f"{key(crystals, spec)}.{ending}" for ending in ("shard.arrow", "parquet"))
        bare = [replace(crystal, text=None, targets={}, labels={}) for crystal in crystals]  # lighter to send
        chunks = [bare[i : i + _CHUNK] for i in range(0, len(bare), _CHUNK)]
        build = partial(_build, spec=spec)
        self._built: Iterator[_Built | Lost[list[Crystal]]] | None = None
        if not (checksum.holds(self._table) and checksum.holds(self._graph)):
            few = len(chunks) == 1
            self._built = map(build, chunks) if pool is None or few else pool.map(build, chunks, ahead=None)

    def finish(self) -> Shard:
        """Wait for the processes and write what they built."""
        if self._built is not None:
            graphs, tables = zip(*map(_not_lost, self._built), strict=True)
            whole = batching.collate([_tensors(arrays) for arrays in graphs])
            store.save(whole, self._graph)
            with replacing(self._table) as temporary:  # last, for it says that the shard is whole
                pq.write_table(pa.concat_tables(tables).replace_schema_metadata(checksum.METADATA), temporary)
                checksum.add(temporary)
        return Shard(self._graph, pq.read_table(self._table))


def _not_lost(built: _Built | Lost[list[Crystal]]) -> _Built:
    """Return what was built of some crystals, or raise what kept it from being built."""
    if isinstance(built, Lost):
        raise built.error
    return built


def _build(crystals: Sequence[Crystal], spec: GraphSpec) -> _Built:
    """Return the fields of the graph of the crystals that can be built, and the rows of their table."""
    graph, errors = build_usable(crystals, spec)
    lengths = batching.lengths(graph)
    columns = {
        "atoms": lengths["atoms"].numpy().astype(np.int32),
        "edges": lengths["edges"].numpy().astype(np.int32),
        "structure": structure_hashes(graph),
    }
    if graph.symmetry is not None:
        columns |= dict(zip(_SYMMETRY, graph.symmetry.numpy().T.astype(np.int16), strict=True))
    built = np.array([position not in errors for position in range(len(crystals))])
    places = pa.array(np.cumsum(built) - 1, mask=~built)
    table = {name: pc.take(pa.array(values), places) for name, values in columns.items()}
    table["problem"] = pa.array([str(errors[i]) if i in errors else None for i in range(len(crystals))], pa.string())
    return {name: tensor.numpy() for name, tensor in graph.tensors.items()}, pa.table(table)


def _tensors(arrays: Mapping[str, np.ndarray]) -> Graph:
    return Graph(**{name: torch.from_numpy(array) for name, array in arrays.items()})


class Shards(Batcher):
    """Slices batches out of shards: every crystal of a batch is read from disk, whichever shard it is in.

    Args:
        parts: The shards.
        rows: (B,) positions of the crystals to use, counted through all shards; none of them has a problem.

    Attributes:
        lengths: Axis of a graph to how many of its elements belong to each crystal, (B,).
        rows: (B,) positions of the crystals, counted through all shards.
    """

    def __init__(self, parts: Sequence[Shard], rows: np.ndarray) -> None:
        self.rows = rows
        self._files = [store.StoredGraph(part.path) for part in parts]
        self._file_of = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.crystals) for part in parts])[rows]
        counts: dict[Axis, list[np.ndarray]] = {
            "atoms": [_filled(part.crystals["atoms"]) for part in parts],
            "edges": [_filled(part.crystals["edges"]) for part in parts],
            "crystals": [part.crystals["problem"].is_null().to_numpy().astype(np.int8) for part in parts],
        }
        self.lengths = {axis: np.concatenate(every)[rows] for axis, every in counts.items()}
        self._starts = {
            axis: np.concatenate([np.cumsum(each, dtype=np.int32) - each for each in every])[rows]
            for axis, every in counts.items()
        }
        named = [name for name in _SYMMETRY if name in parts[0].crystals.column_names]
        self._symmetry = np.stack([_joined(parts, name)[rows] for name in named], axis=1) if named else None

    @property
    def symmetry(self) -> np.ndarray | None:
        """Space group and crystal system of each crystal, (B, 2) int16, where the graphs have them."""
        return self._symmetry

    def elements(self) -> list[int]:
        """Return the atomic numbers that occur, ascending."""
        found: set[int] = set()
        for place, file in enumerate(self._files):
            mine = self._file_of == place
            counts = self.lengths["atoms"][mine]
            nodes = np.repeat(self._starts["atoms"][mine] - np.cumsum(counts) + counts, counts) + np.arange(
                counts.sum()
            )
            found.update(np.unique(file.read("numbers")[nodes]).tolist())
        return sorted(found)

    def _rows(self, crystals: np.ndarray, counts: Mapping[Axis, np.ndarray]) -> dict[str, np.ndarray]:
        files = [self._files[place] for place in self._file_of[crystals].tolist()]
        starts = {axis: every[crystals].tolist() for axis, every in self._starts.items()}
        ends = {axis: np.cumsum(taken).tolist() for axis, taken in counts.items()}
        gathered = {}
        for name in self._files[0].fields:
            axis = FIELD_AXES[name].axis
            gathered[name], rows = self._files[0].empty(name, ends[axis][-1])
            for file, start, length, end in zip(files, starts[axis], counts[axis].tolist(), ends[axis], strict=True):
                file.fill(rows, name, end - length, start, length)
        return gathered


def structures_of(parts: Sequence[Shard]) -> np.ndarray:
    """Return the structure of each crystal of the shards, 0 where it could not be built."""
    return _joined(parts, "structure")


def problems_of(parts: Sequence[Shard], rows: np.ndarray) -> list[str]:
    """Return what is wrong with some crystals.

    Args:
        parts: The shards.
        rows: Positions of the crystals, counted through all shards.
    """
    column = pa.chunked_array([chunk for part in parts for chunk in part.crystals["problem"].chunks], pa.string())
    problems: list[str] = column.take(pa.array(rows)).to_pylist()
    return problems


def _joined(parts: Sequence[Shard], name: str) -> np.ndarray:
    """Return a column of all shards, 0 where it is null."""
    return np.concatenate([_filled(part.crystals[name]) for part in parts])


def _filled(column: pa.ChunkedArray) -> np.ndarray:
    filled: np.ndarray = pc.fill_null(column, 0).to_numpy()
    return filled
