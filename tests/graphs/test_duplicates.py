"""Planted near-duplicates are found, polymorphs are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from laws.cells import niggli, rotated, sheared, supercell

from cryskit.data.sources import open_source
from cryskit.graphs.duplicates import near_duplicates, surroundings
from cryskit.types import Crystal

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 16][::12]
CHANCE = np.random.default_rng(0)


def rattled(crystal: Crystal) -> Crystal:
    steps = CHANCE.normal(scale=0.01, size=(len(crystal), 3))
    moved = crystal.fractional + steps @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.id, crystal.lattice, moved, crystal.numbers)


def strained(crystal: Crystal) -> Crystal:
    strain = np.diag(CHANCE.choice([-0.005, 0.005], 3))
    return Crystal(crystal.id, crystal.lattice @ (np.eye(3) + strain), crystal.fractional, crystal.numbers)


PLANTED = {
    "supercell": lambda crystal: supercell(crystal, (2, 1, 2)),
    "rattled": rattled,
    "strained": strained,
    "another basis": lambda crystal: sheared(crystal, CHANCE),
    "niggli": niggli,
    "rotated": lambda crystal: rotated(crystal, CHANCE),
    "rattled supercell": lambda crystal: rattled(supercell(crystal, (1, 2, 1))),
}


def stacked(layers: str, bond: float, numbers: tuple[int, int]) -> Crystal:
    """Return a polytype of zinc blende ("ABC") and wurtzite ("AB"): tetrahedra in close-packed layers."""
    edge, height = bond * np.sqrt(8 / 3), bond * 4 / 3
    lattice = np.array([[edge, 0, 0], [-edge / 2, edge * np.sqrt(3) / 2, 0], [0, 0, height * len(layers)]])
    places = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    lower = np.array([[*places[layer], i / len(layers)] for i, layer in enumerate(layers)])
    upper = lower + np.array([0, 0, bond / (height * len(layers))])
    kinds = np.repeat(numbers, len(layers))
    return Crystal(layers, lattice, np.concatenate([lower, upper]), kinds)


@pytest.mark.parametrize("change", PLANTED)
def test_planted_near_duplicates_are_found(change: str) -> None:
    planted = [replace(PLANTED[change](crystal), id=f"{crystal.id}'") for crystal in CRYSTALS]
    found = near_duplicates(CRYSTALS, planted)
    assert {i: names for i, names in found.items() if f"{CRYSTALS[i].id}'" in names} == found
    assert len(found) == len(CRYSTALS)


def test_polymorphs_with_equal_bonds_are_distinguished() -> None:
    """Silicon carbide: four neighbours and twelve next ones at equal distances in every polytype."""
    polytypes = [stacked(layers, 1.89, (14, 6)) for layers in ("ABC", "AB", "ABCB", "ABCACB")]
    assert near_duplicates(polytypes, polytypes) == {i: [one.id] for i, one in enumerate(polytypes)}


def test_orders_on_one_lattice_are_distinguished() -> None:
    """Copper and gold on every second place of a simple cubic lattice, along one axis or along three."""
    places = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) / 2
    layered, salt = (
        Crystal(name, np.eye(3) * 5.0, places, np.where(odd, 79, 29))
        for name, odd in (("layers", places[:, 0] > 0), ("salt", (2 * places).sum(1) % 2 > 0))
    )
    assert near_duplicates([layered], [salt]) == {}


def test_a_stronger_strain_or_another_element_is_no_duplicate() -> None:
    crystal = CRYSTALS[0]
    strong = Crystal("strong", crystal.lattice * 1.02, crystal.fractional, crystal.numbers)
    other = Crystal("other", crystal.lattice, crystal.fractional, crystal.numbers + 1)
    assert near_duplicates([crystal], [strong, other]) == {}


def test_an_endless_cell_is_like_nothing() -> None:
    thin = Crystal("thin", np.diag([1e-8, 1e3, 1e3]), np.zeros((1, 3)), np.array([6]))
    assert np.isnan(surroundings(thin)).all()
    assert near_duplicates([thin], [thin]) == {}
