"""One way in: paths, objects, dictionaries and any mixture, a row out for each row in."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.spacegroup import crystal as ase_crystal
from data.samples import CUBIC, cif, crystals, p1, same
from hypothesis import given
from pymatgen.core import DummySpecies, Lattice, Species, Structure

from cryskit.data.read import read, read_one
from cryskit.errors import (
    CoordinatesError,
    CrystalError,
    DataError,
    DisorderError,
    ElementError,
    LatticeError,
    SizeError,
    UnreadableError,
)
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

HALVES = [[0, 0, 0], [0.5, 0.5, 0.5]]
LATTICE = Lattice.cubic(4.12)
SALT = Structure(LATTICE, ["Cs", "Cl"], HALVES)
FOUND = Crystal("CsCl", 4.12 * np.eye(3), np.array(HALVES), np.array([55, 17]))


def atoms(**keywords: Any) -> Atoms:
    return Atoms("CsCl", positions=4.12 * np.array(HALVES), **({"cell": [4.12] * 3, "pbc": True} | keywords))


def kinds(rows: list[Crystal | Failure]) -> list[type]:
    return [type(row) if isinstance(row, Crystal) else type(row.error) for row in rows]


@pytest.mark.parametrize("source", [FOUND, SALT, SALT.copy(), atoms(), SALT.as_dict()], ids=lambda s: type(s).__name__)
def test_every_kind_of_object_is_one_crystal(source: Any) -> None:
    assert same(read_one(source), FOUND)


def test_objects_are_called_by_their_place_unless_they_have_a_name() -> None:
    named = Structure(LATTICE, ["Cs", "Cl"], HALVES, properties={"material_id": "mp-22865"})
    rows = list(read([SALT, atoms(), atoms(info={"id": "mine"}), named, FOUND]))
    assert [row.id for row in rows] == ["0", "1", "mine", "mp-22865", "CsCl"]


def test_numbers_beside_an_object_are_targets() -> None:
    beside = {"formation_energy_per_atom": -2.2, "e_above_hull": 0, "theoretical": False}
    labelled = Structure(LATTICE, ["Cs", "Cl"], HALVES, properties=beside)
    known = {"formation_energy_per_atom": -2.2, "energy_above_hull": 0.0}
    assert read_one(labelled).targets == known
    assert read_one(atoms(info={"formation_energy_per_atom": -2.2, "e_above_hull": 0.0, "note": "a"})).targets == known


@given(crystals())
def test_a_crystal_survives_ase_and_pymatgen_objects(crystal: Crystal) -> None:
    structure = Structure(crystal.lattice, crystal.numbers, crystal.fractional)
    by_ase = Atoms(crystal.numbers, cell=crystal.lattice, scaled_positions=crystal.fractional, pbc=True)
    for row in read([structure, structure.as_dict(), by_ase, crystal]):
        assert same(row, crystal)


def test_charges_and_isotopes_are_elements() -> None:
    charged = Structure(LATTICE, [Species("Cs", 1), Species("Cl", -1)], HALVES)
    assert same(read_one(charged), FOUND)
    assert read_one(Structure(LATTICE, ["D", "O"], HALVES)).numbers.tolist() == [1, 8]
    assert read_one(Structure(LATTICE, ["D", "O"], HALVES).as_dict()).numbers.tolist() == [1, 8]


UNUSABLE = {
    "shared site": (Structure(LATTICE, [{"Na": 0.5, "K": 0.5}, "Cl"], HALVES), DisorderError),
    "partial site": (Structure(LATTICE, [{"Na": 0.9}, "Cl"], HALVES), DisorderError),
    "shared site in a dictionary": (Structure(LATTICE, [{"Na": 0.5, "K": 0.5}, "Cl"], HALVES).as_dict(), DisorderError),
    "dummy": (Structure(LATTICE, [DummySpecies("X"), "Cl"], HALVES), ElementError),
    "dummy in a dictionary": (Structure(LATTICE, [DummySpecies("X"), "Cl"], HALVES).as_dict(), ElementError),
    "slab": (Structure(Lattice(4.12 * np.eye(3), pbc=(True, True, False)), ["Cs", "Cl"], HALVES), LatticeError),
    "coincident": (Structure(LATTICE, ["Cs", "Cl"], [[0, 0, 0], [1, 1, 1]]), CoordinatesError),
    "no atoms": (Structure(LATTICE, [], []), SizeError),
    "ASE molecule": (atoms(cell=None, pbc=False), LatticeError),
    "ASE slab": (atoms(pbc=[True, True, False]), LatticeError),
    "ASE cell of two vectors": (atoms(cell=[4, 4, 0]), LatticeError),
    "ASE shared site": (
        ase_crystal(["Na", "Cl"], HALVES, spacegroup=221, cellpar=CUBIC, occupancies=[0.5, 1.0], primitive_cell=False),
        DisorderError,
    ),
    "ASE dummy": (Atoms("XCl", scaled_positions=HALVES, cell=[4] * 3, pbc=True), ElementError),
    "ASE lost coordinate": (Atoms("Cs", positions=[[np.nan, 0, 0]], cell=[4] * 3, pbc=True), CoordinatesError),
    "half a dictionary": ({"lattice": {"matrix": [[4, 0, 0], [0, 4, 0], [0, 0, 4]]}, "sites": [{}]}, UnreadableError),
    "another dictionary": ({"a": 1}, UnreadableError),
}


@pytest.mark.parametrize(("source", "error"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_object_is_a_failure_with_a_cure(source: Any, error: type[CrystalError]) -> None:
    (row,) = read(source)
    assert isinstance(row, Failure)
    assert type(row.error) is error
    assert row.error.cure
    with pytest.raises(error):
        read_one(source)


def test_ase_atoms_with_full_occupancies_pass() -> None:
    full = ase_crystal(["Cs", "Cl"], HALVES, spacegroup=221, cellpar=(4.12,) * 3 + (90,) * 3, occupancies=[1.0, 1.0])
    assert same(read_one(full), FOUND)
    assert "occupancy" in full.info


def test_a_mixture_keeps_its_order_and_one_bad_row_stops_nothing(tmp_path: Path) -> None:
    good, bad, folder = tmp_path / "good.cif", tmp_path / "bad.cif", tmp_path / "folder"
    good.write_text(cif())
    bad.write_text(cif()[:300])
    folder.mkdir()
    (folder / "b.cif").write_text(cif())
    (folder / "a.cif").write_text(p1("Fe1 Fe ? 0 0 1"))
    frame = pd.DataFrame({"structure": [SALT, None]}, index=["first", "second"])
    rows = list(
        read([good, str(bad), SALT, folder, frame, tmp_path / "none.cif", 3, None, [SALT], FOUND, tmp_path / "x.doc"])
    )
    assert [row.id for row in rows] == [
        "good",
        "bad",
        "2",
        "a",
        "b",
        "first",
        "second",
        "none",
        "6",
        "7",
        "8",
        "CsCl",
        "x.doc",
    ]
    assert kinds(rows) == [
        *(Crystal, UnreadableError, Crystal, CoordinatesError, Crystal, Crystal, UnreadableError),
        *(UnreadableError, UnreadableError, UnreadableError, UnreadableError, Crystal, UnreadableError),
    ]
    assert [row.id for row in read(iter(rows))] == [row.id for row in rows]


def test_rows_are_read_as_they_are_asked_for() -> None:
    def endless() -> Any:
        while True:
            yield SALT

    rows = read(endless())
    assert [next(rows).id for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize("source", ["none.cif", "none", 3, None, b"data_", "a\0b", "x" * 5000, object()])
def test_what_is_no_source_is_an_error_at_the_call(source: Any) -> None:
    with pytest.raises(DataError):
        read(source)


def test_an_empty_iterable_has_no_rows() -> None:
    assert list(read([])) == []


def test_a_file_in_no_known_format_is_an_error_that_names_those_known(tmp_path: Path) -> None:
    (tmp_path / "structure.doc").write_text("x")
    with pytest.raises(DataError, match=r"structure\.doc is in no known format.*CIF.*POSCAR.*folder"):
        read(tmp_path / "structure.doc")


def test_read_one_takes_one_crystal() -> None:
    with pytest.raises(DataError, match="more than one"):
        read_one([SALT, SALT])
    with pytest.raises(DataError, match="holds no"):
        read_one([])


def test_the_limit_reaches_every_reader(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(cif())
    SALT.to(filename=str(tmp_path / "b.vasp"), fmt="poscar")
    atoms().write(tmp_path / "c.xyz", format="extxyz")
    (tmp_path / "d.json").write_text(SALT.to_json())
    frame = pd.DataFrame({"structure": [SALT]})
    rows = list(read([tmp_path, SALT, atoms(), FOUND, SALT.as_dict(), frame], limit=1))
    assert kinds(rows) == [SizeError] * 9
    assert all("limit is 1" in str(row.error) for row in rows if isinstance(row, Failure))


def test_the_example_in_the_documentation_runs() -> None:
    assert doctest.testmod(sys.modules[read.__module__]) == (0, 6)


def test_reading_a_cif_loads_neither_pymatgen_nor_ase_nor_pandas(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(cif())
    code = f"""
import sys
from cryskit.data.read import read_one
assert not {{"pymatgen", "ase", "gemmi", "pandas", "pyarrow"}} & set(sys.modules)
assert len(read_one({str(tmp_path / "a.cif")!r})) == 8
assert not {{"pymatgen", "ase", "pandas", "pyarrow"}} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_records_of_the_materials_project_are_read_as_its_client_gives_them(tmp_path: Path) -> None:
    """What docs/howto/data.md writes: a structure with labels under the names of the Materials Project, null where unknown."""
    row = {
        "id": "mp-1265",
        "structure": SALT.as_dict(),
        "formation_energy_per_atom": -3.0,
        "band_gap": 4.4,
        "efermi": None,
        "homogeneous_poisson": 0.2,
        "bulk_modulus": None,
        "shear_modulus": 120.0,
    }
    (tmp_path / "mp-test.json").write_text(json.dumps([row]), encoding="utf-8")
    (crystal,) = read(str(tmp_path / "mp-test.json"))
    assert isinstance(crystal, Crystal)
    assert crystal.id == "mp-1265"
    known = {"formation_energy_per_atom": -3.0, "band_gap": 4.4, "poisson_ratio": 0.2, "shear_modulus": 120.0}
    assert crystal.targets == known
