"""What follows from a tensor agrees with pymatgen, with closed formulas, and with labels of the literature."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.elasticity import ElasticTensor
from tensors.made import CRYSTALS, drawn, turned

from cryskit import properties
from cryskit.errors import DataError
from cryskit.properties import get
from cryskit.tensors.derived import derived, quantities
from cryskit.tensors.elastic import (
    density_and_volume,
    directional_young,
    linear_compressibility,
    moduli,
    sound,
    sound_speeds,
    stability,
)
from cryskit.tensors.kinds import ELASTIC, PIEZOELECTRIC
from cryskit.tensors.optical import refraction
from cryskit.tensors.rotate import rotate_matrix

CRYSTAL = CRYSTALS["Al2O3"]
STIFFNESS = 60 * (drawn(ELASTIC, seed=2) + 6 * np.eye(6))
SILICON = np.zeros((6, 6))  # GPa, measured, McSkimin 1964
SILICON[:3, :3] = 63.9
SILICON[range(6), range(6)] = [165.7, 165.7, 165.7, 79.6, 79.6, 79.6]
PERMITTIVITY = np.diag([4.0, 4.0, 9.0])
PERMITTIVITIES = ("dielectric_tensor", "dielectric_tensor_electronic")
DIRECTIONS = np.random.default_rng(0).normal(size=(20, 3))


def test_moduli_are_those_of_pymatgen() -> None:
    found, expected = moduli(STIFFNESS), ElasticTensor.from_voigt(STIFFNESS)
    assert np.isclose(found.bulk_voigt, expected.k_voigt)
    assert np.isclose(found.bulk_reuss, expected.k_reuss)
    assert np.isclose(found.shear_voigt, expected.g_voigt)
    assert np.isclose(found.shear_reuss, expected.g_reuss)
    assert np.isclose(found.bulk, expected.k_vrh)
    assert np.isclose(found.shear, expected.g_vrh)
    assert np.isclose(found.young, expected.y_mod / 1e9)
    assert np.isclose(found.anisotropy, expected.universal_anisotropy)
    assert np.isclose(found.poisson_ratio, expected.homogeneous_poisson)
    assert np.allclose(moduli(np.stack([SILICON, STIFFNESS])).bulk[1], found.bulk)


def test_moduli_do_not_depend_on_the_frame() -> None:
    first, second = moduli(STIFFNESS), moduli(rotate_matrix(STIFFNESS, turned(4), ELASTIC))
    assert np.allclose(first, second)


def test_directional_quantities_are_those_of_pymatgen_and_of_silicon() -> None:
    tensor = ElasticTensor.from_voigt(STIFFNESS)
    strain = np.einsum("ijkk->ij", tensor.compliance_tensor)
    units = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
    young = [1 / np.einsum("ijkl,i,j,k,l", tensor.compliance_tensor, n, n, n, n) for n in units]
    assert np.allclose(directional_young(STIFFNESS, DIRECTIONS), young)
    assert np.allclose(linear_compressibility(STIFFNESS, DIRECTIONS), [n @ strain @ n for n in units])
    e = directional_young(SILICON, [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    assert np.allclose(e, [130, 169, 188], atol=1)  # Hopcroft 2010, doi 10.1109/JMEMS.2009.2039697
    assert np.allclose(linear_compressibility(SILICON, DIRECTIONS), 1 / (3 * moduli(SILICON).bulk))


def test_sound_in_silicon() -> None:
    along = sound_speeds(SILICON, 2.329, [[1, 0, 0], [1, 1, 0]])
    assert np.allclose(along[0], [5846, 5846, 8435], atol=5)
    expected = [(165.7 - 63.9) / 2, 79.6, (165.7 + 63.9) / 2 + 79.6]
    assert np.allclose(along[1], 1e3 * np.sqrt(np.array(expected) / 2.329))
    assert np.isnan(sound_speeds(-np.eye(6), 1.0, [[1, 0, 0]])).all()


@pytest.mark.parametrize("name", ["Si", "Al2O3"])
def test_the_debye_temperature_is_that_of_pymatgen(name: str) -> None:
    crystal = CRYSTALS[name]
    structure, tensor = crystal.to_pymatgen(), ElasticTensor.from_voigt(STIFFNESS)
    density, volume = density_and_volume(crystal)
    assert np.isclose(density, structure.density, rtol=1e-4)
    assert np.isclose(volume, structure.volume / len(structure))
    found = moduli(STIFFNESS)
    speeds = sound(float(found.bulk), float(found.shear), density, volume)
    assert np.isclose(speeds.longitudinal, tensor.long_v(structure), rtol=1e-3)
    assert np.isclose(speeds.transverse, tensor.trans_v(structure), rtol=1e-3)
    assert np.isclose(speeds.debye_temperature, tensor.debye_temperature(structure), rtol=2e-3)
    assert np.isnan(sound(100.0, -1.0, density, volume)).all()


def test_an_unstable_crystal_is_said_to_yield_to_a_strain() -> None:
    assert stability(SILICON).stable
    assert stability(SILICON).reason == ""
    unstable = SILICON.copy()
    unstable[:3, :3] += 110 * (np.ones((3, 3)) - np.eye(3))
    unstable[4, 4] = -5
    found = stability(unstable)
    assert not found.stable
    assert "-8.2 GPa for the strain" in found.reason
    assert "-10 GPa for the strain 1.00 xz" in found.reason


def test_refraction_of_the_three_optical_classes() -> None:
    cubic, calcite = refraction(2.25 * np.eye(3)), refraction(np.diag([1.658**2, 1.658**2, 1.486**2]))
    assert (cubic.optical_class, cubic.mean, round(cubic.birefringence, 12)) == ("isotropic", 1.5, 0)
    assert calcite.optical_class == "uniaxial"
    assert np.isclose(calcite.birefringence, -0.172)
    assert np.allclose(np.abs(calcite.axes[0]), [0, 0, 1])
    rotation = turned(8)
    quartz = refraction(rotation @ np.diag([1.544**2, 1.544**2, 1.553**2]) @ rotation.T)
    assert quartz.optical_class == "uniaxial"
    assert np.isclose(quartz.birefringence, 0.009)
    assert np.allclose(np.abs(quartz.axes[2]), np.abs(rotation[:, 2]))
    biaxial = refraction(np.diag([3.0, 2.0, 2.5]))
    assert (biaxial.optical_class, biaxial.birefringence) == ("biaxial", np.sqrt(3) - np.sqrt(2))
    with pytest.raises(DataError, match="eigenvalue -1, so light has no refractive index"):
        refraction(np.diag([1.0, -1.0, 1.0]))


def test_what_cannot_be_computed_is_an_error_or_not_there() -> None:
    with pytest.raises(DataError, match="cannot be inverted"):
        moduli(np.zeros((6, 6)))
    with pytest.raises(DataError, match="zero vector"):
        directional_young(STIFFNESS, [[0, 0, 0]])
    with pytest.raises(DataError, match="no numbers"):
        derived(np.full((6, 6), np.nan), CRYSTAL, get("elastic_tensor"))
    assert derived(drawn(PIEZOELECTRIC), CRYSTAL, get("piezoelectric_tensor")) == {}


def test_derived_quantities_have_their_names_and_units() -> None:
    found = derived(STIFFNESS, CRYSTAL, get("elastic_tensor"))
    assert np.isclose(found["bulk_modulus"], moduli(STIFFNESS).bulk)
    assert found["stable"] is stability(STIFFNESS).stable
    for name, matrix in (("elastic_tensor", STIFFNESS), *[(name, PERMITTIVITY) for name in PERMITTIVITIES]):
        known = quantities(get(name))
        assert list(derived(matrix, CRYSTAL, get(name))) == [each.name for each in known]
        registered = {each.name: get(each.name) for each in known if each.name in properties.load()}
        assert registered
        assert all(registered[each.name].unit == each.unit for each in known if each.name in registered)


def test_only_the_electronic_permittivity_refracts_light() -> None:
    static, electronic = (derived(PERMITTIVITY, CRYSTAL, get(name)) for name in PERMITTIVITIES)
    assert static["dielectric_total"] == pytest.approx(17 / 3)
    assert "refractive_index" not in static
    assert electronic["birefringence"] == 1.0
    assert electronic["refractive_index"] == pytest.approx(np.sqrt(17 / 3))
    assert electronic["optical_class"] == "uniaxial"
