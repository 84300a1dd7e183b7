"""Orbits hold equivalent atoms and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from laws.cells import supercell

from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.graphs.build import build
from cryskit.graphs.symmetry import agree, orbits
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
