"""A prototype forgets elements, distances and the choice of cell, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from laws.cells import ANY

from cryskit.data.sources import open_source
from cryskit.graphs.prototypes import prototype
from cryskit.types import Crystal

pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")  # spglib's own default
FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
SALT = Crystal("NaCl", 5.6 * FCC, np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([11, 17]))
BLENDE = Crystal("ZnS", 5.4 * FCC, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), np.array([30, 16]))
CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 14][::60]


def of_elements(crystal: Crystal, *numbers: int) -> Crystal:
    return Crystal(crystal.id, crystal.lattice * 1.1, crystal.fractional, np.array(numbers))


def test_known_prototypes() -> None:
    assert prototype(SALT) == "225 a b"
    assert prototype(BLENDE) == "216 a c"
    assert prototype(of_elements(BLENDE, 6, 6)) == "227 a"


def test_elements_and_their_order_are_forgotten() -> None:
    assert prototype(of_elements(SALT, 12, 8)) == prototype(of_elements(SALT, 8, 12)) == prototype(SALT)


@pytest.mark.parametrize("change", ANY)
def test_the_choice_of_cell_and_origin_is_forgotten(change: str) -> None:
    chance = np.random.default_rng(0)
    for crystal in CRYSTALS:
        assert prototype(ANY[change](crystal, chance)) == prototype(crystal), crystal.id
