"""Tables of crystals: JSON of pymatgen, Matbench and JARVIS, CSV, pandas frames, Parquet."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from ase import Atoms
from data.samples import cif, crystals, same
from hypothesis import given
from pymatgen.core import Lattice, Structure

from cryskit.data.files import InputFile
from cryskit.data.interchange import write
from cryskit.data.read import read, read_one
from cryskit.data.readers import dictionaries, frames
from cryskit.errors import CoordinatesError, DataError, DisorderError, ElementError, LatticeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

HALVES = [[0, 0, 0], [0.5, 0.5, 0.5]]
SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], HALVES)
SHARED = Structure(Lattice.cubic(4.12), [{"Na": 0.5, "K": 0.5}, "Cl"], HALVES)
FOUND = Crystal("CsCl", 4.12 * np.eye(3), np.array(HALVES), np.array([55, 17]))
JARVIS = {
    "lattice_mat": (4.12 * np.eye(3)).tolist(),
    "coords": HALVES,
    "elements": ["Cs\t", " Cl "],
    "cartesian": False,
}


def dumped(path: Path, data: Any) -> Path:
    text = json.dumps(data)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def errors(rows: list[Crystal | Failure]) -> list[type | None]:
    return [type(row.error) if isinstance(row, Failure) else None for row in rows]


def test_a_structure_as_json_has_the_stem_as_id(tmp_path: Path) -> None:
    for name in ("salt.json", "salt.json.gz"):
        found = read_one(dumped(tmp_path / name, SALT.as_dict()))
        assert found.id == "salt"
        assert same(found, FOUND)


def test_a_list_of_structures_counts_them(tmp_path: Path) -> None:
    rows = list(read(dumped(tmp_path / "many.json", [SALT.as_dict(), SHARED.as_dict(), 3, SALT.as_dict()])))
    assert [row.id for row in rows] == ["many:0", "many:1", "many:2", "many:3"]
    assert errors(rows) == [None, DisorderError, UnreadableError, None]
    assert "many.json, many:1" in str(rows[1].error)  # type: ignore[union-attr]


def test_a_mapping_of_ids_to_structures_keeps_the_ids(tmp_path: Path) -> None:
    rows = list(read(dumped(tmp_path / "many.json", {"mp-1": SALT.as_dict(), "mp-2": SHARED.as_dict()})))
    assert [row.id for row in rows] == ["mp-1", "mp-2"]


def test_a_matbench_file_in_split_form(tmp_path: Path) -> None:
    split = {
        "index": [0, 1, 2],
        "columns": ["structure", "e_above_hull"],
        "data": [[SALT.as_dict(), 0.1], [SHARED.as_dict(), 0.2], [SALT.as_dict(), None]],
    }
    rows = list(read(dumped(tmp_path / "matbench_e.json.gz", split)))
    assert [row.id for row in rows] == ["matbench_e:0", "matbench_e:1", "matbench_e:2"]
    assert errors(rows) == [None, DisorderError, None]
    assert [row.targets for row in rows if isinstance(row, Crystal)] == [{"energy_above_hull": 0.1}, {}]
    named = split | {"index": ["mb-1", "mb-2", "mb-3"]}
    assert [row.id for row in read(dumped(tmp_path / "named.json", named))] == ["mb-1", "mb-2", "mb-3"]


def test_entries_with_a_structure_and_numbers(tmp_path: Path) -> None:
    entry = {
        "material_id": "mp-1",
        "structure": SALT.as_dict(),
        "band_gap": 6.2,
        "is_gap_direct": True,
        "formula": "CsCl",
    }
    found = read_one(dumped(tmp_path / "entry.json", entry | {"text": "CsCl is cubic."}))
    assert found.id == "mp-1"
    assert found.targets == {"band_gap": 6.2}
    assert found.text == "CsCl is cubic."


def test_jarvis_entries(tmp_path: Path) -> None:
    entries = [
        {
            "jid": "JVASP-1",
            "atoms": JARVIS,
            "formation_energy_peratom": -2.2,
            "ehull": "na",
            "formula": "CsCl",
            "epsx": 5,
        },
        {"jid": "JVASP-2", "atoms": JARVIS | {"elements": ["Cs", "Qq"]}},
        {"jid": "JVASP-3", "atoms": JARVIS | {"coords": [[0, 0, 0]]}},
        {"jid": "JVASP-4", "atoms": JARVIS | {"cartesian": True, "coords": [[0, 0, 0], [2.06, 2.06, 2.06]]}},
        {"jid": "JVASP-5", "atoms": JARVIS | {"cartesian": True, "lattice_mat": [[0, 0, 0]] * 3}},
        {"jid": "JVASP-6", "atoms": {"lattice_mat": [[1, 2], [3]]}},
        {"jid": "JVASP-7"},
    ]
    rows = list(read(dumped(tmp_path / "jdft_3d.json", entries)))
    assert [row.id for row in rows] == [f"JVASP-{i}" for i in range(1, 8)]
    kinds = [None, ElementError, CoordinatesError, None, LatticeError, UnreadableError, UnreadableError]
    assert errors(rows) == kinds
    assert same(rows[0], FOUND)
    assert same(rows[3], FOUND)
    assert isinstance(rows[0], Crystal)
    assert sorted(rows[0].targets.values()) == [-2.2, 5.0]
    assert not any("ehull" in name for name in rows[0].targets)


@given(crystals())
def test_a_crystal_survives_json_with_and_without_pymatgen(crystal: Crystal) -> None:
    data = json.loads(json.dumps(Structure(crystal.lattice, crystal.numbers, crystal.fractional).as_dict()))
    plain = dictionaries._plain(data, "a")
    assert plain is not None
    assert same(plain, crystal, 1e-9)
    by_pymatgen = dictionaries._from_pymatgen(data, "a")
    assert same(by_pymatgen, plain, 1e-12)
    jarvis = {
        "lattice_mat": crystal.lattice.tolist(),
        "coords": (crystal.fractional @ crystal.lattice).tolist(),
        "elements": [site["label"] for site in data["sites"]],
        "cartesian": True,
    }
    assert same(read_one(jarvis), crystal)


@pytest.mark.parametrize(
    "text", ["", "{", '[{"a"', "\0", '{"a": 1}', "[1, 2]", "3", "null", "[" * 100_000, '{"columns": 1}']
)
def test_json_that_is_damaged_or_holds_no_structures_is_an_error_as_a_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.json"):
        read(path)
    (row,) = read([path])
    assert isinstance(row, Failure)


def test_json_lines_are_read_one_by_one(tmp_path: Path) -> None:
    lines = [
        json.dumps(SALT.as_dict()),
        "",
        '{"a',
        json.dumps({"id": "x", "structure": SALT.as_dict(), "gap": 1.5}),
        "3",
    ]
    for name, pack in (("many.jsonl", bytes), ("many.jsonl.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack("\n".join(lines).encode()))
        rows = list(read(tmp_path / name))
        assert [row.id for row in rows] == ["many:0", "many:2", "x", "many:4"]
        assert errors(rows) == [None, UnreadableError, None, UnreadableError]
        assert same(rows[2], FOUND)
    (tmp_path / "broken.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"broken\.jsonl\.gz.*cannot be read"):
        read(tmp_path / "broken.jsonl.gz")


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"structure": [SALT, SALT.as_dict(), SHARED]} | columns)


def test_a_frame_of_structures_and_targets() -> None:
    rows = list(
        read(
            frame(
                e_above_hull=[0.1, np.nan, 0.3], stable=[True, False, True], name=["a", "b", "c"], mixed=[1, None, "x"]
            )
        )
    )
    assert [row.id for row in rows] == ["0", "1", "2"]
    assert errors(rows) == [None, None, DisorderError]
    assert [row.targets for row in rows if isinstance(row, Crystal)] == [{"energy_above_hull": 0.1, "mixed": 1.0}, {}]


def test_a_frame_names_its_rows_by_id_column_or_index() -> None:
    assert [row.id for row in read(frame(material_id=["a", "b", "c"]))] == ["a", "b", "c"]
    assert [row.id for row in read(frame(id=[7, 8, 9]))] == ["7", "8", "9"]
    assert [row.id for row in read(frame().set_index(pd.Index(["x", "y", "z"])))] == ["x", "y", "z"]


def test_a_frame_may_hold_any_form_of_structure() -> None:
    atoms = Atoms("CsCl", scaled_positions=HALVES, cell=[4.12] * 3, pbc=True)
    cells = [SALT, SALT.as_dict(), atoms, JARVIS, SALT.to_json(), SALT.to(fmt="cif"), FOUND, None, 3, "nothing", '{"a"']
    rows = list(read(pd.DataFrame({"structure": pd.Series(cells, dtype=object)})))
    assert all(same(row, FOUND) for row in rows[:7])
    assert errors(rows[7:]) == [UnreadableError] * 4
    assert "CsCl" not in [row.id for row in rows]


def test_a_frame_in_interchange_form() -> None:
    data = {
        "id": ["a"],
        "atomic_numbers": [[55, 17]],
        "lattice": [FOUND.lattice.ravel()],
        "frac_coords": [np.ravel(HALVES)],
    }
    found = read_one(pd.DataFrame(data | {"text": ["salt"], "band_gap": [6.2]}))
    assert same(found, FOUND)
    assert (found.id, found.text, found.targets) == ("a", "salt", {"band_gap": 6.2})


def test_a_frame_without_structures_or_with_a_property_twice_is_an_error() -> None:
    with pytest.raises(DataError, match="no structures"):
        read(pd.DataFrame({"a": [1]}))
    with pytest.raises(DataError, match=r"several columns for energy_above_hull: e_above_hull, energy_above_hull"):
        read(frame(e_above_hull=[1, 2, 3], energy_above_hull=[1, 2, 3]))


def test_csv_with_structures_as_json_or_cif(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    table = pd.DataFrame(
        {
            "material_id": ["001", "002", "003", "004"],
            "structure": [SALT.to_json(), SALT.to(fmt="cif"), SHARED.to_json(), SALT.to_json()[:50]],
            "e_above_hull": ["0.5", "na", "0.1", "0.2"],
            "band_gap": ["6.2", "large", "", "1"],
        }
    )
    table.to_csv(path, index=False)
    rows = list(read(path))
    assert [row.id for row in rows] == ["001", "002", "003", "004"]
    assert errors(rows) == [None, None, DisorderError, UnreadableError]
    assert [row.targets for row in rows if isinstance(row, Crystal)] == [
        {"energy_above_hull": 0.5, "band_gap": 6.2},
        {},
    ]
    assert "set.csv, 003" in str(rows[2].error)  # type: ignore[union-attr]
    table.drop(columns="material_id").rename(columns={"structure": "cif"}).to_csv(path, index=False)
    assert [row.id for row in read(path)] == ["set:0", "set:1", "set:2", "set:3"]


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\x00\xff\xfe", b'structure\n"unclosed'])
def test_a_csv_that_is_none_is_an_error_as_a_whole(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(DataError):
        list(read(tmp_path / "a.csv"))


def test_parquet_in_interchange_form_is_checked_row_by_row(tmp_path: Path) -> None:
    good = Crystal("good", FOUND.lattice, FOUND.fractional, FOUND.numbers, "salt", {"band_gap": 6.2})
    near = Crystal("near", FOUND.lattice, 0.01 * FOUND.fractional, FOUND.numbers)
    flat = Crystal("flat", np.zeros((3, 3)), FOUND.fractional, FOUND.numbers)
    write(tmp_path / "set.parquet", [good, near, flat, good])
    rows = list(read(tmp_path / "set.parquet"))
    assert [row.id for row in rows] == ["good", "near", "flat", "good"]
    assert errors(rows) == [None, CoordinatesError, LatticeError, None]
    assert same(rows[0], FOUND)
    assert isinstance(rows[0], Crystal)
    assert (rows[0].text, rows[0].targets) == ("salt", {"band_gap": 6.2})
    assert "set.parquet, near" in str(rows[1].error)  # type: ignore[union-attr]


@given(crystals())
def test_a_crystal_survives_a_parquet_row(tmp_path_factory: pytest.TempPathFactory, crystal: Crystal) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    write(path, [crystal])
    found = read_one(path)
    assert found.fingerprint == crystal.fingerprint
    assert found.targets == crystal.targets


def test_parquet_with_a_column_of_structures(tmp_path: Path) -> None:
    path = tmp_path / "set.pq"
    pd.DataFrame({"structure": [SALT.to_json(), cif()], "band_gap": [6.2, 5.0]}).to_parquet(path)
    rows = list(read(path))
    assert [row.id for row in rows] == ["set:0", "set:1"]
    assert same(rows[0], FOUND)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_damaged_parquet_is_an_error_as_a_whole(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(DataError, match="no Parquet file"):
        read(tmp_path / "a.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="has no column"):
        read(tmp_path / "b.parquet")


@pytest.mark.parametrize("index", [None, ["a", "b", "c", "d", "e"]])
def test_parquet_of_structures_is_read_piece_by_piece(tmp_path: Path, index: list[str] | None) -> None:
    table = pd.DataFrame({"structure": [SALT.to_json()] * 4 + ["{"], "gap": [1.0, 2, None, 4, 5]}, index=index)
    table.to_parquet(tmp_path / "many.parquet")
    path = tmp_path / "many.parquet"
    with pq.ParquetFile(path) as parquet:
        rows = list(frames.read_parquet(parquet, InputFile(str(path), "many"), 500, rows=2))
    assert [row.id for row in rows] == [row.id for row in read(path)]
    assert [row.id for row in rows] == [f"many:{label}" for label in (index or range(5))]
    assert errors(rows) == [None] * 4 + [UnreadableError]
    assert [row.targets.get("band_gap") for row in rows if isinstance(row, Crystal)] == [1.0, 2.0, None, 4.0]
