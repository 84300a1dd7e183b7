"""The number of a structure is that of any cell of it, and no other structure's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.graphs.structure_hash import structure_hashes
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [crystal for crystal in read(Path(__file__).parents[2] / "examples") if isinstance(crystal, Crystal)]


def number(*crystals: Crystal, spec: GraphSpec | None = None) -> list[int]:
    return structure_hashes(build(crystals, spec or GraphSpec())).tolist()


def described_otherwise(crystal: Crystal) -> Crystal:
    """Return the crystal with another origin, order of atoms, orientation and choice of cell."""
    generator = np.random.default_rng(1)
    order = generator.permutation(len(crystal))
    rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    sheared = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 1]])
    return Crystal(
        "other",
        sheared @ crystal.lattice @ rotation,
        (crystal.fractional + generator.random(3))[order] @ np.linalg.inv(sheared),
        crystal.numbers[order],
    )


def doubled(crystal: Crystal) -> Crystal:
    """Return the crystal in a cell twice as long."""
    lattice, half = crystal.lattice * [[1], [1], [2]], crystal.fractional * [1, 1, 0.5]
    return Crystal(
        "doubled", lattice, np.concatenate([half, half + np.array([0, 0, 0.5])]), np.tile(crystal.numbers, 2)
    )


@pytest.mark.parametrize("reduce", [True, False])
def test_it_is_the_same_however_the_structure_is_described(reduce: bool) -> None:  # noqa: FBT001
    spec = GraphSpec(reduce=reduce)
    numbers = number(*CRYSTALS, spec=spec)
    assert numbers == number(*map(described_otherwise, CRYSTALS), spec=spec)
    assert numbers == number(*map(doubled, CRYSTALS), spec=spec)
    assert len(set(numbers)) == len(CRYSTALS)
    assert all(numbers)


def test_strain_elements_and_places_change_it() -> None:
    salt = next(crystal for crystal in CRYSTALS if crystal.id == "NaCl")
    strained = replace(salt, lattice=salt.lattice @ np.diag([1.005, 1, 1 / 1.005]))
    exchanged = replace(salt, numbers=np.where(salt.numbers == 11, 19, salt.numbers))
    moved = replace(salt, fractional=salt.fractional + np.eye(len(salt), 3) * 0.01)
    assert len(set(number(salt, strained, exchanged, moved))) == 4


def test_stackings_of_equal_layers_differ() -> None:
    """Cubic and hexagonal close packing have the same distances and as many of each in the first shell."""
    cubic = Crystal("fcc", np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.0, np.zeros((1, 3)), np.array([12]))
    side = 2 * np.sqrt(2)
    cell = np.array([[side, 0, 0], [-side / 2, side * np.sqrt(3) / 2, 0], [0, 0, side * np.sqrt(8 / 3)]])
    hexagonal = Crystal("hcp", cell, np.array([[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]), np.array([12, 12]))
    assert len(set(number(cubic, hexagonal))) == 2


def test_atoms_without_neighbours_have_a_number_too() -> None:
    apart = [Crystal("a", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([z])) for z in (26, 27)]
    assert len(set(number(*apart, CRYSTALS[0]))) == 3
