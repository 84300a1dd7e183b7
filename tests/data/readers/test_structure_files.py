"""POSCAR and XYZ files, and files of any format that are hostile or damaged."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from ase import Atoms
from data.samples import cif, crystals, same
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Poscar

from cryskit.data import files
from cryskit.data.read import read, read_one
from cryskit.data.readers.formats import format_of, stem
from cryskit.errors import (
    CoordinatesError,
    CrystalError,
    DataError,
    ElementError,
    LatticeError,
    SizeError,
    UnreadableError,
)
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    import io
    from pathlib import Path

POSCAR = """salt
1.0
4.12 0 0
0 4.12 0
0 0 4.12
Cs Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
FOUND = Crystal("CsCl", 4.12 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([55, 17]))
XYZ = (
    '2\nLattice="4.12 0 0 0 4.12 0 0 0 4.12" Properties=species:S:1:pos:R:3 pbc="T T T"\nCs 0 0 0\nCl 2.06 2.06 2.06\n'
)


def error_of(path: Path, limit: int = 500) -> CrystalError:
    (row,) = read(path, limit=limit)
    assert isinstance(row, Failure)
    assert row.id == stem(path.name)
    assert str(path) in row.error.source
    assert row.error.cure
    return row.error


@pytest.mark.parametrize(
    ("name", "expected", "bare"),
    [
        ("mp-1.5.cif", "CIF", "mp-1.5"),
        ("mp-1.CIF.gz", "CIF", "mp-1"),
        ("POSCAR", "POSCAR", "POSCAR"),
        ("CONTCAR.relaxed", "POSCAR", "CONTCAR.relaxed"),
        ("POSCAR-JVASP-10.vasp", "POSCAR", "POSCAR-JVASP-10"),
        ("a.poscar", "POSCAR", "a"),
        ("a.extxyz", "XYZ", "a"),
        ("matbench.json.gz", "JSON", "matbench"),
        ("poscar.cif", "CIF", "poscar"),
        (".cif", None, ".cif"),
        ("notes.txt", None, "notes.txt"),
        ("cif", None, "cif"),
    ],
)
def test_a_name_tells_format_and_id(name: str, expected: str | None, bare: str) -> None:
    found = format_of(name)
    assert (found and found.name) == expected
    assert stem(name) == bare


@pytest.mark.parametrize("name", ["POSCAR", "CONTCAR", "a.vasp", "a.poscar", "CONTCAR.old"])
def test_poscar_and_contcar_are_read_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(POSCAR)
    found = read_one(path)
    assert same(found, FOUND)
    assert found.id == stem(name)


def test_poscar_variants(tmp_path: Path) -> None:
    variants = {
        "cartesian": POSCAR.replace("Direct\n0 0 0\n0.5 0.5 0.5", "Cartesian\n0 0 0\n2.06 2.06 2.06"),
        "scaled": POSCAR.replace("4.12", "1").replace("1.0\n", "4.12\n", 1),
        "volume": POSCAR.replace("1.0\n", f"{-(4.12**3)}\n", 1),
        "selective": POSCAR.replace("Direct\n0 0 0\n0.5 0.5 0.5", "Selective\nDirect\n0 0 0 T T F\n0.5 0.5 0.5 F F F"),
        "symbols behind": POSCAR.replace("Cs Cl\n", "").replace("0 0 0\n0.5 0.5 0.5", "0 0 0 Cs\n0.5 0.5 0.5 Cl"),
        "VASP 6 hashes": POSCAR.replace("Cs Cl", "Cs_sv/f474ac0d Cl/79d9987ad87"),
        "velocities": f"{POSCAR}\n0 0 0\n0 0 0\n",
        "Windows": POSCAR.replace("\n", "\r\n"),
    }
    for name, text in variants.items():
        (tmp_path / f"{name}.vasp").write_text(text, newline="")
        assert same(read_one(tmp_path / f"{name}.vasp"), FOUND), name


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (POSCAR.replace("Cs Cl\n", ""), ElementError),
        (POSCAR.replace("Cs Cl", "Cs Xx"), ElementError),
        (POSCAR.replace("4.12 0 0", "0 0 0"), LatticeError),
        (POSCAR.replace("4.12 0 0", "nan 0 0"), LatticeError),
        (POSCAR.replace("0.5 0.5 0.5", "0 0 0"), CoordinatesError),
        (POSCAR.replace("0.5 0.5 0.5", "0.5 0.5"), UnreadableError),
        (POSCAR.replace("0.5 0.5 0.5\n", ""), UnreadableError),
        (POSCAR.replace("1 1", "1 -1"), SizeError),
        (POSCAR.replace("1 1", "1 999999999"), SizeError),
        (POSCAR.replace("1 1", "1 one"), UnreadableError),
        (POSCAR[:30], UnreadableError),
        ("nothing of the kind", UnreadableError),
    ],
)
def test_a_broken_poscar_is_a_failure_of_its_kind(tmp_path: Path, text: str, error: type[CrystalError]) -> None:
    (tmp_path / "POSCAR").write_text(text)
    assert type(error_of(tmp_path / "POSCAR")) is error


@given(crystals())
def test_a_crystal_survives_poscar_and_xyz(tmp_path_factory: pytest.TempPathFactory, crystal: Crystal) -> None:
    folder = tmp_path_factory.mktemp("files")
    structure = Structure(crystal.lattice, crystal.numbers, crystal.fractional)
    Poscar(structure, comment="drawn").write_file(folder / "a.vasp", significant_figures=16)
    atoms = Atoms(crystal.numbers, cell=crystal.lattice, scaled_positions=crystal.fractional, pbc=True)
    ase.io.write(folder / "b.extxyz", atoms)
    for row in read(folder):
        assert same(row, crystal, 1e-5)


def test_the_images_of_an_xyz_file_are_rows_and_a_broken_one_does_not_stop_the_next(tmp_path: Path) -> None:
    path = tmp_path / "run.xyz"
    path.write_text(XYZ + XYZ.replace("Cl 2.06", "Cl two") + XYZ.replace("4.12", "5.0") + "3\n" + XYZ[2:])
    rows = list(read(path))
    assert [row.id for row in rows] == ["run:0", "run:1", "run:2", "run:3"]
    assert same(rows[0], FOUND)
    assert isinstance(rows[1], Failure)
    assert rows[1].error.source == f"{path}, image 1"
    assert isinstance(rows[2], Crystal)
    assert rows[2].lattice[0, 0] == 5.0
    assert isinstance(rows[3], Failure)


def test_one_image_has_the_stem_and_its_numbers_are_targets(tmp_path: Path) -> None:
    path = tmp_path / "one.extxyz"
    path.write_text(XYZ.replace('pbc="T T T"', 'pbc="T T T" band_gap=6.2 e_above_hull=0.0 note=none') + "\n\n")
    found = read_one(path)
    assert found.id == "one"
    assert found.targets == {"band_gap": 6.2, "energy_above_hull": 0.0}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("2\nplain\nCs 0 0 0\nCl 2 2 2\n", LatticeError),
        (XYZ.replace("T T T", "T T F"), LatticeError),
        (XYZ.replace("2.06 2.06 2.06", "0 0 0.05"), CoordinatesError),
        (XYZ.replace("Cl", "Xx"), UnreadableError),
        (XYZ[: XYZ.index("Cl")], UnreadableError),
        ("99999999999999999999\n" + XYZ[2:], SizeError),
        (XYZ.replace("pos:R:3", "pos:R:9999999999"), UnreadableError),
        (XYZ[:2], UnreadableError),
        ("0\n\n", SizeError),
        ("two\n" + XYZ[2:], UnreadableError),
        ("", UnreadableError),
    ],
)
def test_a_broken_xyz_is_a_failure_of_its_kind(tmp_path: Path, text: str, error: type[CrystalError]) -> None:
    (tmp_path / "a.xyz").write_text(text)
    assert type(error_of(tmp_path / "a.xyz")) is error


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.xyz"])
@pytest.mark.parametrize(
    "data", [b"", b"  \n\n", bytes(range(256)) * 40, b"\x89PNG\r\n\x1a\n\0\0", "data_ü\n".encode("utf-16")]
)
def test_empty_and_binary_files_are_failures(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert type(error_of(tmp_path / name)) is UnreadableError


@pytest.mark.parametrize("name", ["a.cif", "POSCAR"])
def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"#" * (files.STRUCTURE_BYTES + 1))
    error = error_of(tmp_path / name)
    assert isinstance(error, SizeError)
    assert "10 MB" in str(error)


def test_a_small_archive_of_a_huge_file_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.cif.gz", "wb") as file:
        file.write(b"#" * (files.STRUCTURE_BYTES + 1))
    assert (tmp_path / "a.cif.gz").stat().st_size < 100_000
    assert isinstance(error_of(tmp_path / "a.cif.gz"), SizeError)


def test_gzipped_files_are_read_and_damaged_archives_are_failures(tmp_path: Path) -> None:
    whole = gzip.compress(cif().encode())
    (tmp_path / "a.cif.gz").write_bytes(whole)
    (tmp_path / "b.cif.gz").write_bytes(whole[:-20])
    (tmp_path / "c.cif.gz").write_bytes(b"no archive")
    (tmp_path / "d.xyz.gz").write_bytes(gzip.compress(XYZ.encode())[:-12])
    rows = list(read(tmp_path))
    assert [type(row) for row in rows] == [Crystal, Failure, Failure, Failure]


def test_a_file_that_may_not_be_read_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.cif", "b.vasp", "c.xyz"):
        (tmp_path / name).write_text("x")

    def refuse(path: Path, mode: str) -> io.BytesIO:
        raise PermissionError(13, "Permission denied", str(path), mode)

    monkeypatch.setattr(files.Path, "open", refuse)
    for row in read(tmp_path):
        assert isinstance(row, Failure)
        assert "Permission denied" in str(row.error)


def test_a_folder_called_like_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.cif").mkdir()
    with pytest.raises(DataError, match="holds no structure files"):
        read(tmp_path / "x.cif")
    (row,) = read([tmp_path / "x.cif"])
    assert isinstance(row, Failure)
    assert row.id == "x"


WORDS = [
    "?",
    ".",
    "nan",
    "inf",
    "1e400",
    "-1",
    "0",
    "\n",
    "'",
    '"',
    ";",
    "loop_",
    "data_",
    "9999999999",
    "(",
    "#",
    "Xx",
    "T",
]


@settings(max_examples=150)
@given(st.sampled_from([("a.cif", cif()), ("POSCAR", POSCAR), ("a.xyz", 2 * XYZ)]), st.data())
def test_whatever_is_wrong_with_a_file_it_becomes_rows(
    tmp_path_factory: pytest.TempPathFactory, sample: tuple[str, str], data: st.DataObject
) -> None:
    name, text = sample
    words = text.split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        words[at : at + data.draw(st.integers(0, 3))] = data.draw(st.lists(st.sampled_from(WORDS), max_size=2))
        words = words or [""]
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_text(" ".join(words)[: data.draw(st.integers(0, len(text)))])
    rows = list(read(path))
    assert rows
    assert all(isinstance(row, Crystal | Failure) for row in rows)
