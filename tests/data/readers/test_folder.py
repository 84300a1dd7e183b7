"""Folders: those of CGCNN and ALIGNN with their id_prop.csv, and those of files only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from data.samples import cif, p1
from pymatgen.core import Lattice, Structure

from cryskit.data.interchange import write
from cryskit.data.read import read
from cryskit.errors import DataError, FilesNotReadWarning, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

IRON = p1("Fe1 Fe 0 0 0 1", "Fe2 Fe 0.5 0.5 0.5 1", cell=(2.87, 2.87, 2.87, 90, 90, 90))
SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])

pytestmark = pytest.mark.filterwarnings("ignore::cryskit.errors.FilesNotReadWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mp-1.cif").write_text(cif())
    (tmp_path / "mp-2.cif").write_text(IRON)
    SALT.to(filename=str(tmp_path / "POSCAR-JVASP-3.vasp"), fmt="poscar")
    (tmp_path / "atom_init.json").write_text("{}")
    return tmp_path


def listed(folder: Path, table: str) -> list[Crystal | Failure]:
    (folder / "id_prop.csv").write_text(table)
    return list(read(folder))


def targets(rows: list[Crystal | Failure]) -> dict[str, dict[str, float]]:
    return {row.id: dict(row.targets) for row in rows if isinstance(row, Crystal)}


ONE = {"mp-2": {"target": -1.5}, "mp-1": {"target": 2.0}}
TWO = {"mp-2": {"target_1": -1.5, "target_2": 3.0}, "mp-1": {"target_1": 2.0}}
NAMED = {"mp-2": {"energy_above_hull": -1.5, "mine": 3.0}, "mp-1": {"energy_above_hull": 2.0}}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("mp-2,-1.5\nmp-1,2\n", ONE),
        ("mp-2.cif,-1.5\nmp-1.cif,2\n", ONE),
        ("id,target\nmp-2,-1.5\nmp-1,2\n", ONE),
        ("\ufeffmp-2 , -1.5\r\n\r\n mp-1,2.0 ", ONE),
        ("mp-2,-1.5,3\nmp-1,2,na\n", TWO),
        ("mp-2,-1.5,3\nmp-1,2\n", TWO),
        ("material_id,e_above_hull,mine\nmp-2,-1.5,3\nmp-1,2,\n", NAMED),
        ("file,e_above_hull,mine\nmp-2.cif,-1.5,3\nmp-1,2,NaN\n", NAMED),
        ("mp-2\nmp-1\n", {"mp-2": {}, "mp-1": {}}),
        ("id\nmp-2\nmp-1\n", {"mp-2": {}, "mp-1": {}}),
        ("mp-2,na\nmp-1,2.0\n", {"mp-2": {}, "mp-1": {"target": 2.0}}),
    ],
)
def test_the_layouts_of_cgcnn_and_alignn(folder: Path, table: str, expected: dict[str, dict[str, float]]) -> None:
    rows = listed(folder, table)
    assert targets(rows) == expected
    assert [row.id for row in rows] == list(expected)


def test_ids_are_those_of_the_files_whichever_format(folder: Path) -> None:
    rows = listed(folder, "POSCAR-JVASP-3.vasp,0.5\nPOSCAR-JVASP-3,0.5\n")
    assert [row.id for row in rows] == ["POSCAR-JVASP-3", "POSCAR-JVASP-3"]
    assert all(isinstance(row, Crystal) for row in rows)


def test_a_bad_line_is_a_failure_in_its_place(folder: Path) -> None:
    (folder / "two.xyz").write_text(2 * '1\nLattice="3 0 0 0 3 0 0 0 3"\nFe 0 0 0\n')
    (folder / "bad.cif").write_text(cif()[:200])
    table = "mp-1,1\ngone,2\nmp-2,many\nmp-2,1,2\ntwo,1\nbad,1\n../mp-1,1\n/etc/passwd,1\nmp-2,2\n"
    rows = listed(folder, table)
    assert [row.id for row in rows] == ["mp-1", "gone", "mp-2", "mp-2", "two", "bad", "../mp-1", "/etc/passwd", "mp-2"]
    assert [isinstance(row, Crystal) for row in rows] == [True, *[False] * 7, True]
    problems = [str(row.error) for row in rows if isinstance(row, Failure)]
    assert "id_prop.csv, line 2: There is no structure file for 'gone'" in problems[0]
    assert "line 3: 'many' is no number" in problems[1]
    assert "line 4: 3 values, expected at most 2" in problems[2]
    assert "two.xyz holds 2 structures" in problems[3]
    assert "bad.cif" in problems[4]


@pytest.mark.parametrize("table", ["", "\n\n", "id,e_above_hull,energy_above_hull\nmp-1,1,2\n"])
def test_a_table_that_is_none_is_an_error_as_a_whole(folder: Path, table: str) -> None:
    with pytest.raises(DataError, match=r"id_prop\.csv"):
        listed(folder, table)


def test_a_binary_table_is_an_error_as_a_whole(folder: Path) -> None:
    (folder / "id_prop.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"id_prop\.csv"):
        read(folder)


def test_the_list_of_entries_of_alignn(folder: Path) -> None:
    atoms = {
        "lattice_mat": [[3, 0, 0], [0, 3, 0], [0, 0, 3]],
        "coords": [[0, 0, 0]],
        "elements": ["Fe"],
        "cartesian": False,
    }
    (folder / "id_prop.json").write_text(json.dumps([{"jid": "JVASP-1", "atoms": atoms, "target": 1.5}]))
    assert targets(list(read(folder))) == {"JVASP-1": {"target": 1.5}}


def test_a_folder_of_files_is_read_by_name(folder: Path) -> None:
    (folder / "b.json").write_text(SALT.to_json())
    (folder / "c.json").write_text('{"no": "structure"}')
    (folder / "d.cif").write_bytes(b"\0\1")
    (folder / ".hidden.cif").write_text(cif())
    (folder / "notes.txt").write_text("x")
    (folder / "table.csv").write_text("a,b\n")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "z.cif").write_text(cif())
    rows = list(read(folder))
    assert [row.id for row in rows] == ["POSCAR-JVASP-3", "b", "c", "d", "mp-1", "mp-2", "z"]
    assert [type(row) for row in rows] == [Crystal, Crystal, Failure, Failure, Crystal, Crystal, Crystal]
    assert rows[-1].path == str(folder / "deeper" / "z.cif")
    assert all(isinstance(row.error, UnreadableError) for row in rows if isinstance(row, Failure))


def test_the_limit_holds_in_a_folder(folder: Path) -> None:
    rows = list(read(folder, limit=2))
    assert [type(row) for row in rows] == [Crystal, Failure, Crystal]
    assert isinstance(rows[1], Failure)
    assert isinstance(rows[1].error, SizeError)


def test_a_folder_without_structures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="holds no structure files"):
        read(tmp_path)


def test_a_folder_of_parquet_files_is_one_data_set(folder: Path, tmp_path: Path) -> None:
    crystals = list(read(folder))
    shards = tmp_path / "shards"
    shards.mkdir()
    write(shards / "b.parquet", crystals[2:])
    write(shards / "a.parquet", crystals[:2])
    (shards / "c.parquet").write_bytes(b"none")
    assert [row.id for row in read(shards)] == [*(crystal.id for crystal in crystals), "c"]
    write(folder / "predicted.parquet", crystals)
    ids = [row.id for row in read(folder)]
    assert ids == [crystal.id for crystal in crystals], (
        "with structure files around, Parquet files are no part of the data"
    )


@pytest.mark.filterwarnings("error")
def test_files_that_merely_accompany_data_are_not_spoken_of(folder: Path) -> None:
    for name in ("README.md", "LICENSE", "LICENCE.txt", ".hidden", "card.yaml", "plot.py"):
        (folder / name).write_text("x")
    assert len(list(read(folder))) == 3


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (None, r"7 in .* not read: s0\.csv, s1\.csv, s2\.csv, s3\.csv, s4\.csv, \.\.\."),
        ("mp-1,1\nmp-2.cif,2\n", r"8 in .* not read: POSCAR-JVASP-3\.vasp, s0"),
    ],
)
def test_what_is_not_read_of_a_folder_is_named(folder: Path, table: str | None, expected: str) -> None:
    (folder / "deeper").mkdir()
    (folder / "deeper" / "OUTCAR").write_text("x")
    for number in range(6):
        (folder / f"s{number}.csv").write_text("x")
    if table:
        (folder / "id_prop.csv").write_text(table)
    with pytest.warns(FilesNotReadWarning, match=expected):
        assert list(read(folder))
