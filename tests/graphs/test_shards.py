"""Crystals on disk give the batches that crystals in memory give, and are built once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cryskit.batching import Batcher
from cryskit.data.read import read
from cryskit.errors import DataError, ProcessEndedError
from cryskit.graphs import shards as shards_module
from cryskit.graphs import store
from cryskit.graphs.build import build
from cryskit.graphs.shards import Shard, Shards, problems_of, shards, structures_of
from cryskit.parallel import Lost, Pool
from cryskit.types import Crystal, Graph, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = [crystal for crystal in read(Path(__file__).parents[2] / "examples") if isinstance(crystal, Crystal)]
NEEDLE = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
SPEC = GraphSpec(symmetry=True)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "SHARD", 5)
    monkeypatch.setattr(shards_module, "_CHUNK", 2)


def same(left: Graph, right: Graph) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) for name, tensor in left.tensors.items()
    )


def built(crystals: list[Crystal], cache: Path, spec: GraphSpec = SPEC) -> list[Shard]:
    return list(shards(iter(crystals), spec, cache))


@pytest.mark.parametrize("spec", [SPEC, GraphSpec()])
def test_batches_are_those_of_memory(tmp_path: Path, spec: GraphSpec) -> None:
    parts = built(EXAMPLES, tmp_path, spec)
    assert len(parts) > 1
    kept = np.array([row for row in range(len(EXAMPLES)) if row % 3])
    stored, memory = Shards(parts, kept), Batcher(build([EXAMPLES[row] for row in kept], spec))
    assert len(stored) == len(memory) == len(kept)
    for axis, counts in memory.lengths.items():
        assert stored.lengths[axis].tolist() == counts.tolist()
    if spec.symmetry:
        assert np.array_equal(stored.symmetry, memory.symmetry)
    else:
        assert stored.symmetry is memory.symmetry is None
    order = np.random.default_rng(0).permutation(len(kept))
    for rows in (order, order[:1], order[[2, 2, 0]]):
        assert same(stored.take(rows), memory.take(rows))
    batches = stored.batches(300, order)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in memory.batches(300, order)]
    assert stored.elements() == sorted({int(z) for row in kept for z in EXAMPLES[row].numbers})


def test_what_cannot_be_built_keeps_its_place(tmp_path: Path) -> None:
    crystals = [EXAMPLES[0], NEEDLE, *EXAMPLES[1:], NEEDLE]
    parts = built(crystals, tmp_path)
    structures = structures_of(parts)
    assert np.flatnonzero(structures == 0).tolist() == [1, len(crystals) - 1]
    assert all("angstrom" in problem for problem in problems_of(parts, np.array([1, len(crystals) - 1])))
    usable = np.flatnonzero(structures)
    assert same(Shards(parts, usable).take(np.arange(len(usable))), build(EXAMPLES, SPEC))


def test_shards_of_needles_only_are_shards(tmp_path: Path) -> None:
    parts = built([NEEDLE] * 5 + EXAMPLES[:2], tmp_path)
    assert structures_of(parts)[:5].tolist() == [0] * 5
    assert same(Shards(parts, np.array([5, 6])).take(np.arange(2)), build(EXAMPLES[:2], SPEC))


def test_a_killed_run_builds_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = shards(iter(EXAMPLES), SPEC, tmp_path)
    next(running)
    running.close()
    counted: list[int] = []
    genuine = shards_module.build_usable
    monkeypatch.setattr(shards_module, "build_usable", lambda c, s: counted.append(len(c)) or genuine(c, s))
    again = built(EXAMPLES, tmp_path)
    assert sum(counted) == len(EXAMPLES) - 5
    assert [part.path for part in built(EXAMPLES, tmp_path)] == [part.path for part in again]
    assert sum(counted) == len(EXAMPLES) - 5
    built(EXAMPLES[5:], tmp_path)
    assert sum(counted) == len(EXAMPLES) - 5, "another corpus that has the shard uses it"


@pytest.mark.slow
def test_another_process_builds_the_same(tmp_path: Path) -> None:
    with Pool(1) as pool:
        others = list(shards(iter([*EXAMPLES, NEEDLE]), SPEC, tmp_path / "others", pool))
    for left, right in zip(others, built([*EXAMPLES, NEEDLE], tmp_path / "one"), strict=True):
        assert left.path.read_bytes() == right.path.read_bytes()
        assert left.crystals.equals(right.crystals)


def test_a_crash_is_no_property_of_a_crystal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashed(_: Pool, function: object, chunks: list[list[Crystal]], *, ahead: int | None) -> Iterator[object]:
        assert ahead is None, "a shard is built while the crystals of the next one are read"
        first, *rest = chunks
        yield from map(function, rest)
        yield Lost(first, ProcessEndedError("The process that worked on it crashed", "Give it more memory"))

    monkeypatch.setattr(Pool, "map", crashed)
    with Pool(1) as pool, pytest.raises(ProcessEndedError, match="more memory"):
        list(shards(iter(EXAMPLES), SPEC, tmp_path, pool))
    assert not list(tmp_path.iterdir())
    assert built(EXAMPLES, tmp_path)


def test_memory_holds_two_shards_of_a_stream(tmp_path: Path) -> None:
    drawn: list[str] = []

    def stream() -> object:
        for crystal in EXAMPLES:
            drawn.append(crystal.id)
            yield crystal

    next(shards(stream(), SPEC, tmp_path))
    assert len(drawn) == 10


def test_a_shard_cut_short_is_refused(tmp_path: Path) -> None:
    (part,) = built(EXAMPLES[:3], tmp_path)
    part.path.write_bytes(part.path.read_bytes()[:-100])
    with pytest.raises(DataError, match="no graph file"):
        store.StoredGraph(part.path)
