"""Orbits hold equivalent atoms and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import moyopy
import numpy as np
import pytest
from laws.cells import supercell
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.graphs.build import build
from cryskit.graphs.orbits import agree, orbits
from cryskit.symmetry import detect, space_group
from cryskit.types import Crystal, GraphSpec

SPEC = GraphSpec()
CRYSTALS = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
KNOWN = {"NaCl": 2, "Si": 1, "TiO2-rutile": 2, "SrTiO3": 3, "LiFePO4": 6, "C-graphite": 2, "Al2O3": 2, "CaF2": 2}


@pytest.mark.parametrize("name", KNOWN)
def test_orbits_of_well_known_crystals(name: str) -> None:
    assert len(np.unique(orbits(CRYSTALS[name], SPEC))) == KNOWN[name]


@pytest.mark.parametrize("name", KNOWN)
def test_a_supercell_has_the_orbits_of_its_primitive_cell(name: str) -> None:
    assert len(np.unique(orbits(supercell(CRYSTALS[name], (1, 2, 1)), SPEC))) == KNOWN[name]


def test_what_moyo_says_of_a_supercell_is_dropped_in_our_calls_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cell = supercell(CRYSTALS["TiO2-rutile"], (3, 1, 1))
    moyo = moyopy.Cell(cell.lattice.tolist(), cell.fractional.tolist(), cell.numbers.tolist())
    settings = {key: value for key, value in vars(logging.getLogger("moyo")).items() if key != "_cache"}
    for _ in range(2):
        caplog.clear()
        detect.cache_clear()
        assert detect(cell, 1e-4)
        assert not caplog.records
        moyopy.MoyoDataset(moyo, symprec=1e-4)
        assert [record.name for record in caplog.records] == ["moyo"]
    assert {key: value for key, value in vars(logging.getLogger("moyo")).items() if key != "_cache"} == settings


def test_atoms_of_an_orbit_see_the_same() -> None:
    crystals = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 30][::10]
    for crystal in crystals:
        for cell in (crystal, supercell(crystal, (2, 1, 1))):
            assert agree(cell, orbits(cell, SPEC), SPEC), crystal.id


def test_orbits_that_do_not_agree_are_noticed() -> None:
    rutile = CRYSTALS["TiO2-rutile"]
    assert not agree(rutile, np.zeros(len(rutile), np.int64), SPEC)
    moved = rutile.fractional.copy()
    moved[-1, 0] += 0.01
    bent = Crystal("bent", rutile.lattice, moved, rutile.numbers)
    assert not agree(bent, orbits(rutile, SPEC), SPEC)


def test_a_distorted_crystal_is_not_reduced() -> None:
    silicon = supercell(CRYSTALS["Si"], (2, 2, 1))
    noise = np.random.default_rng(0).normal(scale=0.01, size=silicon.fractional.shape)
    distorted = Crystal("distorted", silicon.lattice, silicon.fractional + noise, silicon.numbers)
    assert build([distorted], SPEC).atoms == len(distorted)


def test_multiplicities_count_the_atoms_of_the_cell() -> None:
    graph = build(list(CRYSTALS.values()), SPEC)
    totals = np.bincount(graph.crystal_of_atom.numpy(), graph.multiplicity.numpy())
    assert totals.tolist() == [len(crystal) for crystal in CRYSTALS.values()]


NAMED = {"NaCl": (225, 6), "TiO2-rutile": (136, 3), "LiFePO4": (62, 2), "C-graphite": (194, 5), "SiO2-quartz": (154, 4)}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("times", [(1, 1, 1), (1, 2, 1)])
def test_space_group_and_crystal_system_are_those_of_any_cell(name: str, times: tuple[int, int, int]) -> None:
    assert space_group(supercell(CRYSTALS[name], times)) == NAMED[name]


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")  # spglib's, about its own default
def test_crystal_systems_follow_the_space_groups() -> None:
    analysed = [c for c in open_source("elastic_tensor") if len(c) <= 20][::20]
    for crystal in analysed:
        analyser = SpacegroupAnalyzer(Structure(crystal.lattice, crystal.numbers, crystal.fractional), symprec=0.01)
        system = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
        number = analyser.get_space_group_number()
        assert space_group(crystal) == (number, system.index(analyser.get_crystal_system())), crystal.id


def test_rattled_atoms_leave_no_symmetry() -> None:
    silicon = supercell(CRYSTALS["Si"], (2, 2, 1))
    noise = np.random.default_rng(0).normal(scale=0.05, size=silicon.fractional.shape)
    assert space_group(Crystal("x", silicon.lattice, silicon.fractional + noise, silicon.numbers)) == (1, 0)


def test_a_graph_names_the_symmetry_only_where_it_is_asked_for() -> None:
    crystals = [CRYSTALS[name] for name in NAMED]
    graph = build(crystals, GraphSpec(symmetry=True))
    assert graph.symmetry is not None
    assert [tuple(row) for row in graph.symmetry.tolist()] == list(NAMED.values())
    assert build(crystals, SPEC).symmetry is None
