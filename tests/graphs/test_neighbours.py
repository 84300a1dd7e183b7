"""Neighbourhoods are exactly the nearest atoms, by whole shells, in every cell."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cryskit.data.read import read
from cryskit.errors import LatticeError
from cryskit.graphs.neighbours import SHELL_TOLERANCE, neighbours
from cryskit.types import Crystal, GraphSpec

NEAREST = GraphSpec(neighbours="nearest")
CRYSTALS = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}


def by_hand(crystal: Crystal, atom: int, radius: float) -> np.ndarray:
    """All distances within the radius, by going through the images one by one."""
    heights = 1 / np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)
    reach = [range(-int(radius / h) - 2, int(radius / h) + 3) for h in heights]
    images = np.array(list(product(*reach)))
    steps = (crystal.fractional[None] + images[:, None] - crystal.fractional[atom]).reshape(-1, 3)
    distances = np.linalg.norm(steps @ crystal.lattice, axis=1)
    return np.sort(distances[(distances > 1e-6) & (distances <= radius)])


@pytest.mark.parametrize("name", CRYSTALS)
def test_nearest_neighbours_agree_with_a_search_by_hand(name: str) -> None:
    crystal = CRYSTALS[name]
    found = neighbours(crystal, np.arange(len(crystal)), NEAREST)
    for atom in range(len(crystal)):
        every = by_hand(crystal, atom, 8.0)
        expected = every[every <= every[11] + SHELL_TOLERANCE]
        np.testing.assert_allclose(found.distance[found.centre == atom], expected, atol=1e-9)


@pytest.mark.parametrize("name", ["NaCl", "C-graphite", "LiFePO4"])
def test_a_radius_holds_all_within_it(name: str) -> None:
    crystal = CRYSTALS[name]
    found = neighbours(crystal, np.array([1]), GraphSpec(neighbours="radius", radius=5.0))
    np.testing.assert_allclose(np.sort(found.distance), by_hand(crystal, 1, 5.0), atol=1e-9)


def test_images_lead_from_the_centre_to_the_neighbour() -> None:
    crystal = CRYSTALS["LiFePO4"]
    moved = Crystal(
        "moved", crystal.lattice, crystal.fractional + np.arange(len(crystal))[:, None] * 1.0, crystal.numbers
    )
    found = neighbours(moved, np.array([3, 5]), NEAREST)
    steps = moved.fractional[found.neighbour] + found.image - moved.fractional[np.array([3, 5])[found.centre]]
    np.testing.assert_allclose(np.linalg.norm(steps @ moved.lattice, axis=1), found.distance, atol=1e-9)


def test_without_shells_there_are_exactly_as_many_as_asked_for() -> None:
    found = neighbours(CRYSTALS["Si"], np.arange(2), GraphSpec(neighbours="nearest", count=10, shells=False))
    assert np.bincount(found.centre).tolist() == [10, 10]


def test_whole_shells_of_rock_salt() -> None:
    found = neighbours(CRYSTALS["NaCl"], np.array([0]), GraphSpec(neighbours="nearest", count=12))
    assert len(found.distance) == 6 + 12


def test_an_atom_with_too_few_neighbours_has_fewer_edges() -> None:
    far = Crystal("far", np.eye(3) * 7.0, np.zeros((1, 3)), np.array([26]))
    assert len(neighbours(far, np.array([0]), NEAREST).distance) == 6
    alone = Crystal("alone", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))
    assert not len(neighbours(alone, np.array([0]), NEAREST).distance)


def test_a_needle_of_a_cell_is_refused() -> None:
    needle = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
    with pytest.raises(LatticeError, match="needle: 8 angstrom around an atom reach over"):
        neighbours(needle, np.array([0]), NEAREST)
