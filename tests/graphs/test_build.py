"""Building is the same with and without the cache, and the cache cannot be stale or half written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cryskit.data.read import read
from cryskit.errors import DataError
from cryskit.graphs import store
from cryskit.graphs.build import build, build_usable, key
from cryskit.graphs.orbits import orbits
from cryskit.types import Crystal, Graph, GraphSpec

CRYSTALS = list(read(Path(__file__).parents[2] / "examples"))
SPEC = GraphSpec()


def same(left: Graph, right: Graph) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) for name, tensor in left.tensors.items()
    )


def test_the_cache_gives_back_what_was_built(tmp_path: Path) -> None:
    built = build(CRYSTALS, SPEC)
    first, second = (build(CRYSTALS, SPEC, cache=tmp_path) for _ in range(2))
    assert same(built, first)
    assert same(built, second)
    assert [path.name for path in tmp_path.iterdir()] == [f"{key(CRYSTALS, SPEC)}.arrow"]


def test_the_cache_is_named_after_its_content() -> None:
    other = Crystal("other", CRYSTALS[0].lattice * 1.001, CRYSTALS[0].fractional, CRYSTALS[0].numbers)
    names = {key(CRYSTALS, SPEC), key(CRYSTALS[::-1], SPEC), key([other, *CRYSTALS[1:]], SPEC)}
    names |= {key(CRYSTALS, GraphSpec(count=11)), key(CRYSTALS, GraphSpec(reduce=False))}
    assert len(names) == 5


def test_the_cache_is_used_and_not_rebuilt(tmp_path: Path) -> None:
    build(CRYSTALS, SPEC, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    store.save(build(CRYSTALS[:1], SPEC), path)
    assert build(CRYSTALS, SPEC, cache=tmp_path).crystals == 1


def test_a_damaged_cache_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "graph.arrow"
    store.save(build(CRYSTALS, SPEC), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum"):
        store.load(path)
    path.write_bytes(content[:100])
    with pytest.raises(DataError, match="checksum"):
        store.load(path)
    assert store.find(path) is store.find(tmp_path / "absent") is None


def test_writing_to_a_mapped_graph_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "graph.arrow"
    store.save(build(CRYSTALS, SPEC), path)
    store.load(path).vectors.zero_()
    assert float(store.load(path).vectors.abs().max()) > 1


def test_known_orbits_are_taken_over() -> None:
    known = [orbits(crystal, SPEC) for crystal in CRYSTALS]
    assert same(build(CRYSTALS, SPEC, symmetry=known), build(CRYSTALS, SPEC))


def test_no_crystals_make_an_empty_graph(tmp_path: Path) -> None:
    empty = build([], SPEC, cache=tmp_path)
    assert (empty.crystals, empty.atoms) == (0, 0)
    assert same(empty, build([], SPEC, cache=tmp_path))


def test_one_bad_crystal_does_not_stop_the_others() -> None:
    needle = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
    graph, errors = build_usable([CRYSTALS[0], needle, CRYSTALS[1]], SPEC)
    assert same(graph, build(CRYSTALS[:2], SPEC))
    assert list(errors) == [1]


def test_the_cache_remembers_what_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needle = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
    crystals = [CRYSTALS[0], needle, CRYSTALS[1]]
    built, noted = build_usable(crystals, SPEC, cache=tmp_path)
    monkeypatch.setattr("cryskit.graphs.build._build_one", None)
    again, retold = build_usable(crystals, SPEC, cache=tmp_path)
    assert same(built, again)
    assert {at: str(error) for at, error in noted.items()} == {at: str(error) for at, error in retold.items()}
    assert list(noted) == [1]
    assert same(build(CRYSTALS[:2], SPEC, cache=tmp_path), built), "what can be built is shared with `build`"


def test_edges_lead_to_the_neighbour() -> None:
    """In rock salt all twelve second neighbours are of the same element and all six first ones of the other."""
    salt = next(crystal for crystal in CRYSTALS if crystal.id == "NaCl")
    graph = build([salt], SPEC)
    distances = graph.vectors.norm(dim=1)
    same_element = graph.numbers[graph.edges[0]] == graph.numbers[graph.edges[1]]
    assert same_element[distances > 3.5].all()
    assert not same_element[distances < 3.5].any()
