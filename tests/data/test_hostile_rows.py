"""One bad row never loses another: whatever stands in a row, it is a failure in its place, typed where the kind is known."""

from __future__ import annotations

import copy
import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Lattice, Structure

from cryskit.data.interchange import manifest, write
from cryskit.data.read import read, read_one
from cryskit.data.splits import Split, make
from cryskit.data.targets import is_number, property_names
from cryskit.data.validate import make_row
from cryskit.errors import DataError, ElementError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CELL = (4.12 * np.eye(3)).tolist()
HALVES = [[0, 0, 0], [0.5, 0.5, 0.5]]
SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], HALVES).as_dict()
PLAIN = {"id": "plain", "lattice": CELL, "frac_coords": HALVES, "atomic_numbers": [55, 17], "band_gap": 1.0}
JARVIS = {"jid": "j", "atoms": {"lattice_mat": CELL, "coords": HALVES, "elements": ["Cs", "Cl"], "cartesian": False}}
OPTIMADE = {
    "id": "odb-1",
    "type": "structures",
    "attributes": {
        "lattice_vectors": CELL,
        "cartesian_site_positions": [[0, 0, 0], [2.06, 2.06, 2.06]],
        "species_at_sites": ["Cs", "Cl"],
        "species": [{"name": n, "chemical_symbols": [n], "concentration": [1.0]} for n in ("Cs", "Cl")],
    },
}
ASE = {"numbers": [55, 17], "positions": [[0, 0, 0], [2.06, 2.06, 2.06]], "cell": CELL, "pbc": [True, True, True]}
ROWS = [{"material_id": "p", "structure": SALT, "band_gap": 1.0}, SALT, PLAIN, JARVIS, OPTIMADE, ASE]
HOSTILE: list[Any] = [
    *(None, [], {}, "", "x", "\ud800", True, -1, 10**400, float("nan"), float("inf"), 1e308),
    *([[]], [None, None], {"a": {"b": []}}, [[1, 2], [3]], {"__ndarray__": 3}, [10**400, 10**400], [{}, {}]),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = new
    return changed


def hostile_rows() -> list[dict[str, Any]]:
    """Return rows of every form with one place in them replaced; a fixed choice of a third of them all."""
    rows = [replaced(row, path, new) for row in ROWS for path in places(row) if path for new in HOSTILE]
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[::3]]


def test_a_hostile_value_is_a_typed_failure_or_harmless_and_its_neighbours_survive(tmp_path: Path) -> None:
    rows = hostile_rows()
    assert len(rows) > 300
    table = [row for bad in rows for row in (bad, PLAIN)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in table))
    for found in (list(read(table)), list(read(tmp_path / "a.jsonl"))):
        assert all(isinstance(row, Crystal) and row.id == "plain" for row in found[-1:0:-2])
        failures = [row for row in found if isinstance(row, Failure)]
        assert len(found) == len(table)
        assert not [str(row.error) for row in failures if "not foreseen" in str(row.error)]
        assert all(row.id.encode() for row in found)


def test_a_frame_with_hostile_cells_loses_no_row() -> None:
    cells = [SALT, *HOSTILE, pd.NA, object(), b"\xff", SALT]
    frame = pd.DataFrame({"structure": pd.Series(cells, dtype=object), "band_gap": pd.Series(cells, dtype=object)})
    rows = list(read(frame))
    assert len(rows) == len(cells)
    assert isinstance(rows[0], Crystal)
    assert isinstance(rows[-1], Crystal)
    assert all(isinstance(row, Failure) and "not foreseen" not in str(row.error) for row in rows[1:-1])


@pytest.mark.parametrize(
    "data",
    [{"columns": 3, "data": [1]}, {"columns": ["structure"], "data": 3}, {"data": {"data": [3]}}, {"ids": 3, "1": 2}],
    ids=str,
)
def test_a_frame_in_json_that_is_none_is_an_error_as_a_whole(tmp_path: Path, data: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="holds no structures"):
        read(tmp_path / "a.json")


def test_strange_columns_and_index_of_a_frame_in_json(tmp_path: Path) -> None:
    data = {"columns": ["structure", ["x"]], "index": {"a": 1}, "data": [[SALT, 1], 3]}
    (tmp_path / "a.json").write_text(json.dumps(data))
    first, second = read(tmp_path / "a.json")
    assert isinstance(first, Crystal)
    assert isinstance(second, Failure)


def test_half_an_atomic_number_is_no_element() -> None:
    with pytest.raises(ElementError, match="no whole number"):
        read_one(PLAIN | {"atomic_numbers": [55.5, 17]})


def test_an_unforeseen_error_is_a_failure_and_its_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def make() -> Crystal:
        raise ZeroDivisionError("deep inside")

    with caplog.at_level(logging.DEBUG, "cryskit"):
        row = make_row("a", "file.x", make, 10)
    assert isinstance(row, Failure)
    assert isinstance(row.error, UnreadableError)
    assert "ZeroDivisionError (deep inside)" in str(row.error)
    assert "report this" in str(row.error)
    assert caplog.records[0].exc_info
    assert caplog.records[0].levelno == logging.DEBUG


def test_an_error_of_a_whole_source_while_a_row_is_made_is_a_failure_of_that_row() -> None:
    def make() -> Crystal:
        raise DataError("No table", "Give one")

    row = make_row("a", "file.x", make, 10)
    assert isinstance(row, Failure)
    assert str(row.error) == "file.x: No table. Give one."


def test_a_reader_that_breaks_keeps_the_rows_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Iterator[Crystal]:
        yield read_one(PLAIN)
        raise ZeroDivisionError

    monkeypatch.setattr("cryskit.data.readers.dictionaries.read_lines", broken)
    (tmp_path / "a.jsonl").write_text("{}\n")
    for source in (tmp_path / "a.jsonl", [tmp_path / "a.jsonl"]):
        first, last = read(source)
        assert first.id == "plain"
        assert isinstance(last, Failure)
        assert "ZeroDivisionError" in str(last.error)


def test_ids_and_texts_that_are_no_utf_8_are_escaped(tmp_path: Path) -> None:
    row = read_one(PLAIN | {"id": "a\ud800", "text": "b\udcff"})
    assert (row.id, row.text) == ("a\\ud800", "b\\udcff")
    assert write(tmp_path / "a.parquet", [row]).manifest == manifest([row])
    name = tmp_path / "caf\udce9.cif"
    name.write_text("x")
    (failed,) = read(name)
    assert failed.id == "caf\\udce9"


def test_bytes_in_a_parquet_file_that_are_no_utf_8_lose_no_row(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [read_one(PLAIN | {"id": name, "text": "x"}) for name in "ab"])
    table = pq.read_table(tmp_path / "a.parquet")
    for kind in (pa.binary(), pa.string()):
        names = pa.array([b"caf\xe9", b"b"], pa.binary())
        ids = pa.Array.from_buffers(kind, 2, names.buffers())
        pq.write_table(table.set_column(0, "id", ids), tmp_path / "b.parquet")
        assert [row.id for row in read(tmp_path / "b.parquet")] == ["caf\\xe9", "b"]
        assert all(isinstance(row, Crystal) for row in read(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    "damage",
    [
        {"train": [["a"], ["b"]]},
        {"train": [1, 2]},
        {"train": "ab"},
        {"test": None},
        {"validation": [{"a": 1}]},
        {"further": 1},
    ],
    ids=str,
)
def test_a_hostile_split_is_an_error_that_names_it(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = tmp_path / "split.json"
    crystals = [read_one(PLAIN | {"id": str(i)}) for i in range(10)]
    make(crystals).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(DataError, match=r"split\.json is no split file"):
        Split.load(path)


def test_a_split_of_brackets_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"split\.json is no split file"):
        Split.load(path)


def test_a_number_beyond_all_floats_is_no_target() -> None:
    assert not is_number(10**400)
    assert is_number(10**300)


def test_ten_thousand_columns_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryskit.data.targets.property_name", lambda column: column)

    class Counted(str):
        compared = 0
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return str.__eq__(self, other)  # type: ignore[arg-type]

        __hash__ = str.__hash__

    assert len(property_names([Counted(f"x{i}") for i in range(10_000)], "a")) == 10_000
    assert Counted.compared < 100_000
