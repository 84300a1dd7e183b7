"""Notations, rotations and projections of tensors keep what they must; pymatgen is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from laws.cells import supercell
from pymatgen.analysis.elasticity import ComplianceTensor, ElasticTensor
from pymatgen.analysis.piezo import PiezoTensor
from pymatgen.core.tensors import Tensor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.spatial.transform import Rotation
from tensors.made import CRYSTALS, TRICLINIC, drawn, rotated, turned

from cryskit.errors import DataError, UnknownNameError
from cryskit.symmetry import point_group
from cryskit.tensors.kinds import DIELECTRIC, ELASTIC, PIEZOELECTRIC, TENSOR_KINDS, TensorKind, tensor_kind
from cryskit.tensors.notation import (
    cartesian_to_mandel,
    cartesian_to_voigt,
    compliance_to_cartesian,
    compliance_to_voigt,
    components_to_matrix,
    mandel_to_cartesian,
    matrix_to_components,
    voigt_to_cartesian,
    voigt_to_mandel,
)
from cryskit.tensors.project import free_constants, project, projector, residual
from cryskit.tensors.rotate import mandel_rotation, rotate, rotate_matrix
from cryskit.types import Crystal

KINDS = list(TENSOR_KINDS.values())
COUNTS = {
    "NaCl": (3, 1, 0),
    "TiO2-rutile": (6, 2, 0),
    "LiFePO4": (9, 3, 0),
    "C-graphite": (5, 2, 0),
    "Al2O3": (6, 2, 0),
}


def generated(*rotations: np.ndarray) -> np.ndarray:
    """Return the group that rotations generate."""
    group = [np.eye(3)]
    for found in group:
        for rotation in rotations:
            made = rotation @ found
            if not any(np.allclose(made, other) for other in group):
                group.append(made)
    return np.array(group)


def axis(order: int, direction: tuple[float, float, float] = (0, 0, 1)) -> np.ndarray:
    """Return the rotation by a turn / order around a direction."""
    return Rotation.from_rotvec(2 * np.pi / order * np.array(direction) / np.linalg.norm(direction)).as_matrix()


LAUE = {
    "triclinic": ([], 21),
    "monoclinic": ([axis(2)], 13),
    "orthorhombic": ([axis(2), axis(2, (1, 0, 0))], 9),
    "tetragonal 4/m": ([axis(4)], 7),
    "tetragonal 4/mmm": ([axis(4), axis(2, (1, 0, 0))], 6),
    "trigonal -3": ([axis(3)], 7),
    "trigonal -3m": ([axis(3), axis(2, (1, 0, 0))], 6),
    "hexagonal 6/m": ([axis(6)], 5),
    "hexagonal 6/mmm": ([axis(6), axis(2, (1, 0, 0))], 5),
    "cubic m-3": ([axis(2), axis(3, (1, 1, 1))], 3),
    "cubic m-3m": ([axis(4), axis(3, (1, 1, 1))], 3),
}


@pytest.mark.parametrize("name", LAUE)
def test_each_laue_class_leaves_its_elastic_constants_free(name: str) -> None:
    generators, constants = LAUE[name]
    rotation = turned(3)
    group = rotation @ generated(*generators) @ rotation.T
    assert free_constants(group, ELASTIC) == constants
    inverted = np.concatenate([group, -group])
    assert free_constants(inverted, ELASTIC) == constants
    assert free_constants(inverted, PIEZOELECTRIC) == 0
    assert np.abs(project(drawn(PIEZOELECTRIC), inverted, PIEZOELECTRIC)).max() < 1e-15


def test_quartz_has_two_piezoelectric_constants_and_zincblende_one() -> None:
    assert free_constants(generated(axis(3), axis(2, (1, 0, 0))), PIEZOELECTRIC) == 2
    assert free_constants(generated(-axis(4), axis(3, (1, 1, 1))), PIEZOELECTRIC) == 1


@pytest.mark.parametrize("name", COUNTS)
def test_crystals_have_the_constants_of_their_class_in_any_orientation_and_cell(name: str) -> None:
    rotation = turned(1)
    crystal = CRYSTALS[name]
    for cell in (crystal, supercell(crystal, (1, 2, 1))):
        group = point_group(rotated(cell, rotation))
        assert tuple(free_constants(group, kind) for kind in (ELASTIC, DIELECTRIC, PIEZOELECTRIC)) == COUNTS[name]


def test_a_crystal_without_symmetry_has_the_identity_only() -> None:
    assert np.allclose(point_group(TRICLINIC), np.eye(3)[None], atol=1e-14)


def test_a_point_group_is_an_exact_group_although_the_lattice_is_not_exact() -> None:
    crystal = CRYSTALS["NaCl"]
    noisy = crystal.lattice + 1e-5 * np.random.default_rng(0).normal(size=(3, 3))
    group = point_group(Crystal("noisy", noisy, crystal.fractional, crystal.numbers))
    assert len(group) == 48
    assert np.abs(group @ group.swapaxes(1, 2) - np.eye(3)).max() < 1e-13
    products = group[:, None] @ group
    assert all(np.abs(products - found).max((-1, -2)).min() < 1e-13 for found in group)
    projected = project(drawn(ELASTIC), group, ELASTIC)
    assert np.abs(rotate_matrix(projected, group, ELASTIC) - projected).max() < 1e-13


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_projected_tensor_is_unchanged_by_the_group_and_by_projection(kind: TensorKind) -> None:
    group = generated(axis(3), axis(2, (1, 0, 0)))
    matrices = drawn(kind, 4)
    found = project(matrices, group, kind)
    assert np.abs(rotate_matrix(found[:, None], group, kind) - found[:, None]).max() < 1e-13
    assert np.abs(project(found, group, kind) - found).max() < 1e-13
    plain = np.mean([rotate_matrix(matrices, rotation, kind) for rotation in group], axis=0)
    assert np.allclose(found, plain, atol=1e-13)
    components = matrix_to_components(matrices, kind) @ projector(group, kind).T
    assert np.allclose(components, matrix_to_components(found, kind), atol=1e-13)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_the_projection_is_that_of_pymatgen() -> None:
    structure = CRYSTALS["Al2O3"].to_pymatgen()
    given = voigt_to_cartesian(drawn(ELASTIC), ELASTIC)
    expected = Tensor(given).fit_to_structure(structure)
    found = voigt_to_cartesian(project(drawn(ELASTIC), point_group(CRYSTALS["Al2O3"]), ELASTIC), ELASTIC)
    assert np.allclose(found, expected, atol=1e-6)
    assert len(SpacegroupAnalyzer(structure).get_point_group_operations()) == len(point_group(CRYSTALS["Al2O3"]))


def test_the_residual_is_what_the_symmetry_leaves_out() -> None:
    group = generated(axis(4), axis(3, (1, 1, 1)))
    cubic = project(drawn(ELASTIC) + 5 * np.eye(6), group, ELASTIC)
    assert residual(cubic, group, ELASTIC) < 1e-12
    wrong = cubic.copy()
    wrong[0, 0] += 0.1 * np.linalg.norm(voigt_to_cartesian(cubic, ELASTIC))
    assert 4 < residual(wrong, group, ELASTIC) < 10
    assert residual(np.zeros((6, 6)), group, ELASTIC) == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_notations_are_inverted_and_mandel_keeps_the_norm(kind: TensorKind) -> None:
    voigt = drawn(kind, 2, 3)
    cartesian = voigt_to_cartesian(voigt, kind)
    assert cartesian.shape == (2, 3, *kind.cartesian_shape)
    assert np.array_equal(cartesian_to_voigt(cartesian, kind), voigt)
    mandel = voigt_to_mandel(voigt, kind)
    assert np.allclose(cartesian_to_mandel(cartesian, kind), mandel)
    assert np.allclose(mandel_to_cartesian(mandel, kind), cartesian)
    assert np.isclose(np.linalg.norm(mandel), np.linalg.norm(cartesian))
    assert np.array_equal(components_to_matrix(matrix_to_components(voigt, kind), kind), voigt)


def test_voigt_notation_is_that_of_pymatgen() -> None:
    stiffness = drawn(ELASTIC) + 6 * np.eye(6)
    elastic = ElasticTensor.from_voigt(stiffness)
    assert np.allclose(voigt_to_cartesian(stiffness, ELASTIC), elastic)
    compliance = np.linalg.inv(stiffness)
    assert np.allclose(compliance_to_cartesian(compliance), elastic.compliance_tensor)
    assert np.allclose(compliance_to_voigt(compliance_to_cartesian(compliance)), compliance)
    assert np.allclose(ComplianceTensor(compliance_to_cartesian(compliance)).voigt, compliance)
    piezo = drawn(PIEZOELECTRIC)
    assert np.allclose(voigt_to_cartesian(piezo, PIEZOELECTRIC), PiezoTensor.from_voigt(piezo))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_rotations_are_those_of_pymatgen_and_of_mandel_matrices(kind: TensorKind) -> None:
    voigt, rotation = drawn(kind), turned(5)
    cartesian = voigt_to_cartesian(voigt, kind)
    found = rotate(cartesian, rotation, kind.rank)
    assert np.allclose(found, Tensor(cartesian).rotate(rotation))
    left, right = (mandel_rotation(rotation) if rank == 2 else rotation for rank in kind.axes)
    assert np.allclose(left @ voigt_to_mandel(voigt, kind) @ right.T, cartesian_to_mandel(found, kind))
    assert np.allclose(mandel_rotation(rotation) @ mandel_rotation(rotation).T, np.eye(6))


def test_kinds_have_the_components_and_parity_of_the_field() -> None:
    assert [(kind.cartesian_shape, kind.matrix_shape, len(kind.components)) for kind in KINDS] == [
        ((3, 3, 3, 3), (6, 6), 21),
        ((3, 3), (3, 3), 6),
        ((3, 3, 3), (3, 6), 18),
    ]
    assert [kind.components[-1] for kind in KINDS] == ["c66", "eps33", "e36"]
    assert DIELECTRIC.components == ("eps11", "eps12", "eps13", "eps22", "eps23", "eps33")
    assert [kind.vanishes_with_inversion for kind in KINDS] == [False, False, True]
    with pytest.raises(UnknownNameError, match="Did you mean elastic"):
        tensor_kind("elastik")


def test_a_wrong_shape_is_an_error_that_names_the_right_one() -> None:
    with pytest.raises(DataError, match=r"elastic matrix has shape \(3, 3\)\. Give an array of shape \(\.\.\., 6, 6\)"):
        voigt_to_cartesian(np.eye(3), ELASTIC)
