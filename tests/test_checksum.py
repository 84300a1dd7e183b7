"""What the package has written for itself is used as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from damage import damaged

from cryskit import checksum
from cryskit.data.read import read
from cryskit.errors import CrystalError
from cryskit.graphs import build as build_module
from cryskit.graphs import shards as shards_module
from cryskit.graphs.build import build, build_usable
from cryskit.graphs.shards import Shards, shards
from cryskit.types import Crystal, Graph, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = [c for c in read(Path(__file__).parents[1] / "examples") if isinstance(c, Crystal)][:8]
SPEC = GraphSpec(symmetry=True)


def same(left: Graph, right: Graph) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) for name, tensor in left.tensors.items()
    )


def test_a_damaged_graph_of_the_cache_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build(EXAMPLES, SPEC, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    built: list[Sequence[Crystal]] = []
    monkeypatch.setattr(build_module, "_join", lambda crystals, *_: built.append(crystals) or whole)
    monkeypatch.setattr(build_module, "_build_one", lambda *_: None)
    for number, content in enumerate(damaged(path.read_bytes()), start=1):
        path.write_bytes(content)
        assert same(build(EXAMPLES, SPEC, cache=tmp_path), whole)
        assert len(built) == number, "the damage was noticed"
    assert same(build(EXAMPLES, SPEC, cache=tmp_path), whole)
    assert len(built) == 250


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_a_damaged_shard_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    (part,) = shards(EXAMPLES, SPEC, tmp_path)
    rows = np.arange(len(EXAMPLES))
    whole, genuine = Shards([part], rows).take(rows), shards_module._build(EXAMPLES, SPEC)
    built: list[int] = []
    monkeypatch.setattr(shards_module, "_build", lambda crystals, spec: built.append(len(crystals)) or genuine)  # noqa: ARG005
    (path,) = tmp_path.glob(f"*.{ending}")
    for number, content in enumerate(damaged(path.read_bytes()), start=1):
        path.write_bytes(content)
        (again,) = shards(EXAMPLES, SPEC, tmp_path)
        assert again.crystals.equals(part.crystals)
        assert same(Shards([again], rows).take(rows), whole)
        assert len(built) == number


def test_a_damaged_note_of_what_cannot_be_built_is_made_again(tmp_path: Path) -> None:
    needle = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
    whole, errors = build_usable([needle, *EXAMPLES[:2]], SPEC, cache=tmp_path)
    assert isinstance(errors[0], CrystalError)
    (note,) = tmp_path.glob("*.json")
    for content in damaged(note.read_bytes(), 20, 5):
        note.write_bytes(content)
        graph, found = build_usable([needle, *EXAMPLES[:2]], SPEC, cache=tmp_path)
        assert same(graph, whole)
        assert {at: str(error) for at, error in found.items()} == {at: str(error) for at, error in errors.items()}


def test_a_table_has_its_checksum_inside_and_stays_a_table(tmp_path: Path) -> None:
    path, table = tmp_path / "a.parquet", pa.table({"a": [1, 2, 3]})
    pq.write_table(table, path)
    assert not checksum.holds(path), "a file without a checksum is one of an earlier version"
    with pytest.raises(ValueError, match="no room"):
        checksum.add(path)
    pq.write_table(table.replace_schema_metadata(checksum.METADATA), path)
    assert not checksum.holds(path)
    checksum.add(path)
    assert checksum.holds(path)
    assert pq.read_table(path).equals(table)
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        assert not checksum.holds(path)
    assert not checksum.holds(tmp_path / "absent")
    assert not checksum.holds(tmp_path)
