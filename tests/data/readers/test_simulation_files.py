"""Inputs, outputs and trajectories of simulation programs are read as ASE reads them, one row per frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from cryskit.data.read import read
from cryskit.errors import UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

SALT = bulk("NaCl", "rocksalt", 5.64)
FILES = {
    "a.res": ("res", 1),
    "a.xsf": ("xsf", 2),
    "a.gen": ("gen", 1),
    "a.in": ("espresso-in", 1),
    "a.traj": ("traj", 2),
    "a.db": ("db", 2),
    "XDATCAR": ("vasp-xdatcar", 2),
}
CELL = """%BLOCK LATTICE_ABC
ang
4.0 4.0 4.0
60 60 60 ! fcc
%ENDBLOCK LATTICE_ABC
%BLOCK POSITIONS_FRAC
Na 0 0 0
Cl:1 0.5 0.5 0.5
%ENDBLOCK POSITIONS_FRAC
"""
CARTESIAN = """%block lattice_cart
bohr
0 5 5
5 0 5
5 5 0
%endblock lattice_cart
%block positions_abs
bohr
Na 0 0 0
Cl 5 5 5
%endblock positions_abs
"""


def write(path: Path, kind: str, frames: int) -> Path:
    extra = {"pseudopotentials": {"Na": "Na.upf", "Cl": "Cl.upf"}} if kind == "espresso-in" else {}
    moved: Atoms = SALT.copy()
    moved.positions[1, 0] += 0.1
    ase.io.write(path, [SALT, moved][:frames] if frames > 1 else SALT, format=kind, **extra)
    return path


@pytest.mark.parametrize(("name", "kind", "frames"), [(name, *what) for name, what in FILES.items()])
def test_files_are_read_with_their_frames_as_rows(tmp_path: Path, name: str, kind: str, frames: int) -> None:
    path = write(tmp_path / name, kind, frames)
    rows = list(read(path))
    assert len(rows) == frames
    assert all(isinstance(row, Crystal) for row in rows), rows
    for row in rows:
        assert sorted(row.numbers.tolist()) == [11, 17]  # type: ignore[union-attr]
        assert abs(np.linalg.det(row.lattice)) == pytest.approx(SALT.get_volume(), rel=1e-4)  # type: ignore[union-attr]
    opened = io.BytesIO(path.read_bytes())
    opened.name = str(path)
    again = list(read(opened))
    assert [row.id for row in again] == [row.id for row in rows]
    assert all(np.allclose(a.fractional, b.fractional) for a, b in zip(rows, again, strict=True))  # type: ignore[union-attr]


@pytest.mark.parametrize("name", [*FILES, "a.cell", "vasprun.xml", "OUTCAR"])
@pytest.mark.parametrize("content", [b"", b"no such file\n", bytes(range(256))])
def test_what_is_none_is_a_failure_that_names_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (row,) = read(path)
    assert isinstance(row, Failure)
    assert isinstance(row.error, UnreadableError) or row.error.cure
    assert name in str(row.error)


@pytest.mark.parametrize("text", [CELL, CARTESIAN])
def test_castep_cells_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "salt.cell"
    path.write_text(text, encoding="utf-8")
    (row,) = read(path)
    assert isinstance(row, Crystal)
    assert row.numbers.tolist() == [11, 17]
    assert np.allclose(row.fractional, [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize("name", ["my_POSCAR", "POSCAR.1", "x.cif.txt", "magnetic.mcif", "salt.cif.gz"])
def test_files_under_other_names_are_known(name: str) -> None:
    from cryskit.data.readers.formats import format_of, stem

    found = format_of(name)
    assert found is not None
    assert found.name in {"CIF", "POSCAR"}
    assert stem(name) in {"my_POSCAR", "POSCAR.1", "x", "magnetic", "salt"}


def test_deuterium_is_hydrogen_in_xyz(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(
        '2\nLattice="4.12 0 0 0 4.12 0 0 0 4.12" Properties=species:S:1:pos:R:3 pbc="T T T"\nCs 0 0 0\nD 2.06 2.06 2.06\n',
        encoding="utf-8",
    )
    (row,) = read(path)
    assert isinstance(row, Crystal)
    assert row.numbers.tolist() == [55, 1]
