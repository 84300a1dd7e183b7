"""The example crystals are what they say: formula, atoms in the cell, density and space group, by both readers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from data.samples import same
from moyopy import Cell, MoyoDataset
from pymatgen.core import Composition, Element, Structure

from cryskit.data.read import read, read_one
from cryskit.data.readers.from_pymatgen import from_structure
from cryskit.types import Crystal

FOLDER = Path(__file__).parents[2] / "examples"
GRAMS = 1.66053907  # of one atomic mass unit per cubic angstrom


class Known(NamedTuple):
    """Handbook values of a crystal; the density in g/cm3."""

    formula: str
    atoms: int
    density: float
    group: int


KNOWN = {
    "Al2O3": Known("Al2O3", 30, 3.987, 167),
    "C-diamond": Known("C", 8, 3.515, 227),
    "C-graphite": Known("C", 4, 2.26, 194),
    "CaF2": Known("CaF2", 12, 3.18, 225),
    "CsCl": Known("CsCl", 2, 3.99, 221),
    "Cu": Known("Cu", 4, 8.96, 225),
    "Fe": Known("Fe", 2, 7.874, 229),
    "GaAs": Known("GaAs", 8, 5.318, 216),
    "GaN": Known("GaN", 4, 6.1, 186),
    "LiFePO4": Known("LiFePO4", 28, 3.6, 62),
    "MgO": Known("MgO", 8, 3.58, 225),
    "NaCl": Known("NaCl", 8, 2.165, 225),
    "Si": Known("Si", 8, 2.329, 227),
    "SiO2-quartz": Known("SiO2", 9, 2.648, 154),
    "SrTiO3": Known("SrTiO3", 5, 5.11, 221),
    "TiO2-rutile": Known("TiO2", 6, 4.23, 136),
    "ZnO": Known("ZnO", 4, 5.61, 186),
}


def test_the_folder_holds_these_crystals_and_all_can_be_read() -> None:
    assert [row.id for row in read(FOLDER)] == sorted(KNOWN)
    assert all(isinstance(row, Crystal) for row in read(FOLDER))


@pytest.mark.parametrize("name", KNOWN)
def test_an_example_has_its_handbook_values(name: str) -> None:
    known, crystal = KNOWN[name], read_one(FOLDER / f"{name}.cif")
    elements = [Element.from_Z(int(z)) for z in crystal.numbers]
    assert (
        Composition("".join(e.symbol for e in elements)).reduced_formula == Composition(known.formula).reduced_formula
    )
    assert len(crystal) == known.atoms
    density = GRAMS * sum(float(e.atomic_mass) for e in elements) / abs(np.linalg.det(crystal.lattice))
    assert density == pytest.approx(known.density, rel=0.03)


@pytest.mark.parametrize("name", KNOWN)
def test_the_file_says_what_it_is_and_its_atoms_have_the_symmetry_it_names(name: str) -> None:
    path = FOLDER / f"{name}.cif"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {KNOWN[name].formula}: ")
    assert lines[1].startswith("# Lattice constants and coordinates, room temperature: ")
    assert f"_space_group_IT_number {KNOWN[name].group}" in lines
    crystal = read_one(path)
    cell = Cell(crystal.lattice.tolist(), crystal.fractional.tolist(), crystal.numbers.tolist())
    assert MoyoDataset(cell, symprec=1e-3).number == KNOWN[name].group


@pytest.mark.parametrize("name", KNOWN)
def test_pymatgen_reads_the_same_crystal(name: str) -> None:
    path = FOLDER / f"{name}.cif"
    found = read_one(path)
    assert not found.warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same(found, from_structure(Structure.from_file(path), name))
