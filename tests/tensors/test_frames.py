"""The IEEE standard frame, and the check that finds tensors that are in it although they should not be."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from laws.cells import supercell
from pymatgen.core.tensors import Tensor
from tensors.made import CRYSTALS, MONOCLINIC, TRICLINIC, drawn, rotated, turned

from cryskit.symmetry import point_group
from cryskit.tensors.check import check_tensor
from cryskit.tensors.frames import ieee_rotation
from cryskit.tensors.kinds import DIELECTRIC, ELASTIC, PIEZOELECTRIC
from cryskit.tensors.project import project
from cryskit.tensors.rotate import rotate_matrix

if TYPE_CHECKING:
    from cryskit.types import Crystal

SENSES = [np.diag(signs) for signs in product((1.0, -1.0), repeat=3) if np.prod(signs) > 0]
ALL = {**{name: CRYSTALS[name] for name in ("NaCl", "TiO2-rutile", "LiFePO4", "C-graphite", "Al2O3")}} | {
    "monoclinic": MONOCLINIC,
    "triclinic": TRICLINIC,
}


def stiffness(crystal: Crystal) -> np.ndarray:
    """Return a stiffness with the symmetry of a crystal."""
    return 50 * project(drawn(ELASTIC) + 8 * np.eye(6), point_group(crystal), ELASTIC)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("name", ["NaCl", "LiFePO4", "C-graphite", "Al2O3", "monoclinic"])
def test_the_frame_is_that_of_pymatgen_up_to_the_senses_of_its_axes(name: str) -> None:
    crystal = rotated(ALL[name], turned(2))
    expected = rotate_matrix(stiffness(crystal), np.array(Tensor.get_ieee_rotation(crystal.to_pymatgen())), ELASTIC)
    found = rotate_matrix(stiffness(crystal), ieee_rotation(crystal), ELASTIC)
    assert min(np.abs(rotate_matrix(found, sense, ELASTIC) - expected).max() for sense in SENSES) < 1e-3


@pytest.mark.parametrize("name", ALL)
def test_a_tensor_in_the_frame_does_not_depend_on_cell_and_orientation(name: str) -> None:
    crystal = ALL[name]
    expected = rotate_matrix(stiffness(crystal), ieee_rotation(crystal), ELASTIC)
    for seed in range(3):
        rotation = turned(seed)
        again = rotated(supercell(crystal, (1, 1, 1 + seed)), rotation)
        given = rotate_matrix(stiffness(crystal), rotation, ELASTIC)
        axes = ieee_rotation(again)
        assert np.isclose(np.linalg.det(axes), 1)
        assert np.allclose(rotate_matrix(given, axes, ELASTIC), expected, atol=1e-3)


def test_the_axes_of_rutile_are_along_a_and_the_fourfold_axis_although_c_is_short() -> None:
    lattice = CRYSTALS["TiO2-rutile"].lattice
    lengths = np.linalg.norm(lattice, axis=1)
    fourfold = lattice[lengths.argmin()] / lengths.min()
    assert np.isclose(abs(ieee_rotation(CRYSTALS["TiO2-rutile"])[2] @ fourfold), 1)


def test_a_monoclinic_crystal_has_z_along_the_shortest_vector_normal_to_b_and_beta_obtuse() -> None:
    x, y, z = ieee_rotation(MONOCLINIC)
    c, a = np.array([5.0, 0, 0]), np.array([0.5, 0, 7])
    assert np.isclose(abs(y[1]), 1)
    assert np.isclose(abs(z @ c), 5)
    a = a if a @ z <= 0 else -a
    assert a @ x > 0


def test_a_triclinic_crystal_has_z_along_its_shortest_vector_and_y_normal_to_the_next() -> None:
    _, y, z = ieee_rotation(TRICLINIC)
    assert np.isclose(abs(z[0]), 1)
    assert np.isclose(abs(y @ TRICLINIC.lattice[1]), 0, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_tensor_with_the_symmetry_of_its_crystal_is_not_doubtful(name: str) -> None:
    assert check_tensor(stiffness(ALL[name]), ALL[name], ELASTIC) == []


def test_a_tensor_in_the_ieee_frame_is_recognised() -> None:
    crystal = rotated(CRYSTALS["Al2O3"], turned(7))
    (sentence,) = check_tensor(rotate_matrix(stiffness(crystal), ieee_rotation(crystal), ELASTIC), crystal, ELASTIC)
    assert "does not have the symmetry of the crystal" in sentence
    assert "IEEE standard frame" in sentence
    (other,) = check_tensor(rotate_matrix(stiffness(crystal), turned(9), ELASTIC), crystal, ELASTIC)
    assert "IEEE" not in other


def test_what_is_wrong_with_a_tensor_is_said() -> None:
    salt = CRYSTALS["NaCl"]
    (sentence,) = check_tensor(-stiffness(salt), salt, ELASTIC)
    assert "not positive definite" in sentence
    skew = np.eye(3)
    skew[0, 1] = 0.2
    assert "not symmetric" in check_tensor(skew, TRICLINIC, DIELECTRIC)[0]
    (sentence,) = check_tensor(drawn(PIEZOELECTRIC), salt, PIEZOELECTRIC)
    assert sentence.startswith("The piezoelectric tensor does not have the symmetry of the crystal: 100.0 %")
    assert check_tensor(np.zeros((3, 6)), salt, PIEZOELECTRIC) == []
    assert "no numbers" in check_tensor(np.full((6, 6), np.nan), salt, ELASTIC)[0]
