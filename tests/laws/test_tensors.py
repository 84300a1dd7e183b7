"""A predicted tensor turns with the crystal, has its symmetry, and belongs to the crystal and not to its cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.settings import SMALL
from laws.cells import ANY, permuted, primitive, supercell
from laws.test_continuity import displaced, strained
from scipy.spatial.transform import Rotation

from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.errors import PlanError
from cryskit.graphs.build import build
from cryskit.layers.tensor_heads import TensorHeads
from cryskit.properties import get
from cryskit.registry import ENCODERS
from cryskit.symmetry import point_group
from cryskit.tensors.kinds import TENSOR_KINDS
from cryskit.tensors.notation import components_to_matrix, mandel_weights
from cryskit.tensors.project import free_constants, residual
from cryskit.tensors.rotate import rotate_matrix
from cryskit.types import Crystal, Property

# pymatgen calls spglib, with which the other descriptions are made, in its old way
pytestmark = [
    pytest.mark.usefixtures("graphs_built_once"),
    pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning"),
]

EXAMPLES = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
BUNDLED = [
    crystal
    for name in ("elastic_tensor", "piezoelectric_tensor")
    for crystal in open_source(name)
    if isinstance(crystal, Crystal) and len(crystal) <= 20
]
CRYSTALS = [*EXAMPLES.values(), *BUNDLED[:: len(BUNDLED) // 90]]
TENSORS = {
    "elastic": get("elastic_tensor"),
    "dielectric": get("dielectric_tensor"),
    "piezoelectric": get("piezoelectric_tensor"),
}
EXACT = 1e-5
"""Largest relative difference of two tensors that should be the same; that of the encoders' vectors is 1e-4."""


class Network(torch.nn.Module):
    """An encoder with tensor heads whose directions matter as they do in a trained network."""

    def __init__(self, wanted: Property, encoder: str = "steinhardt", *, products: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind = TENSOR_KINDS[wanted.symmetry]
        self.encoder = ENCODERS.build({"name": encoder, **SMALL[encoder]})
        self.heads = TensorHeads(self.encoder.width, [wanted], channels=8, products=products)
        for name, parameter in self.heads.named_parameters():
            if "mix" in name:
                torch.nn.init.normal_(parameter, std=1.0)
        self.eval()

    def of(self, crystals: list[Crystal], *, reduce: bool = True) -> np.ndarray:
        """Return the matrices in Voigt's notation."""
        spec = replace(self.heads.needs(self.encoder.needs), reduce=reduce)
        graph = build(crystals, spec)
        with torch.inference_mode():
            components = self.heads.physical(self.heads.of(self.encoder(graph), graph))
        return components_to_matrix(components.double().numpy(), self.kind)

    def difference(self, left: np.ndarray, right: np.ndarray) -> float:
        """Return the largest difference, as a share of the tensor; of piezoelectric tensors of the largest of all."""
        weights = mandel_weights(self.kind)
        sizes = np.linalg.norm(right * weights, axis=(1, 2))
        if self.kind.vanishes_with_inversion:
            sizes = np.full_like(sizes, sizes.max())
        return float((np.linalg.norm((left - right) * weights, axis=(1, 2)) / sizes).max())


@pytest.fixture(scope="module", params=[*TENSORS, "elastic with products"])
def network(request: pytest.FixtureRequest) -> Network:
    name, _, products = request.param.partition(" with ")
    return Network(TENSORS[name], products=bool(products))


def turned(crystal: Crystal, rotation: np.ndarray) -> Crystal:
    return Crystal(crystal.id, crystal.lattice @ rotation.T, crystal.fractional, crystal.numbers)


def test_tensors_are_anisotropic_where_symmetry_allows_it(network: Network) -> None:
    found = network.of(BUNDLED[:60])
    sizes = np.linalg.norm(found * mandel_weights(network.kind), axis=(1, 2))
    turned_by = rotate_matrix(found, Rotation.random(rng=0).as_matrix(), network.kind) - found
    assert (np.linalg.norm(turned_by, axis=(1, 2)) > 0.02 * sizes.max()).sum() > 5


def test_a_rotation_of_the_crystal_rotates_the_tensor(network: Network) -> None:
    expected = network.of(CRYSTALS)
    for rotation in (*Rotation.random(3, rng=0).as_matrix(), -np.eye(3), np.diag([1.0, -1.0, 1.0])):
        found = network.of([turned(crystal, rotation) for crystal in CRYSTALS])
        assert network.difference(found, rotate_matrix(expected, rotation, network.kind)) < EXACT


def test_two_hundred_rotations_of_a_hundred_crystals_rotate_their_tensors(network: Network) -> None:
    hundred = CRYSTALS[:100]
    expected = network.of(hundred)
    rotations = np.repeat(Rotation.random(200, rng=1).as_matrix(), 3, axis=0)
    rows = np.arange(len(rotations)) % len(hundred)
    pairs = [(hundred[row], rotation) for row, rotation in zip(rows, rotations, strict=True)]
    found = [network.of([turned(*pair) for pair in pairs[first : first + 100]]) for first in range(0, len(pairs), 100)]
    assert network.difference(np.concatenate(found), rotate_matrix(expected[rows], rotations, network.kind)) < EXACT


def test_a_reduced_graph_gives_the_tensor_of_the_full_one(network: Network) -> None:
    assert network.difference(network.of(CRYSTALS, reduce=True), network.of(CRYSTALS, reduce=False)) < 10 * EXACT


def test_without_projection_a_reduced_graph_would_give_another_tensor() -> None:
    network = Network(TENSORS["elastic"])
    identity = torch.nn.Module()
    identity.forward = lambda group: network_projection(torch.eye(3).expand_as(group))  # type: ignore[method-assign]
    network_projection = network.heads.projection
    network.heads.projection = identity
    assert network.difference(network.of(CRYSTALS, reduce=True), network.of(CRYSTALS, reduce=False)) > 100 * EXACT


def test_the_tensor_has_the_symmetry_of_the_crystal(network: Network) -> None:
    for matrix, crystal in zip(network.of(CRYSTALS), CRYSTALS, strict=True):
        group = point_group(crystal)
        if free_constants(group, network.kind) == 0:
            assert not matrix.any()
        else:
            assert residual(matrix, group, network.kind) < 100 * EXACT


def test_a_cubic_crystal_has_three_elastic_constants_and_one_dielectric_number() -> None:
    salt = [EXAMPLES["NaCl"]]
    (c,), (e,) = Network(TENSORS["elastic"]).of(salt), Network(TENSORS["dielectric"]).of(salt)
    near = {"rtol": EXACT, "atol": EXACT * c.max()}
    np.testing.assert_allclose(np.diag(c), [*[c[0, 0]] * 3, *[c[3, 3]] * 3], **near)
    np.testing.assert_allclose([c[0, 2], c[1, 2]], c[0, 1], **near)
    assert not c[:3, 3:].any() or np.abs(c[:3, 3:]).max() < near["atol"]
    assert abs(2 * c[3, 3] / (c[0, 0] - c[0, 1]) - 1) > 1e-3  # and is not isotropic
    np.testing.assert_allclose(e, np.eye(3) * e[0, 0], atol=EXACT * e[0, 0])


def test_stiffness_is_positive_definite_and_permittivity_above_that_of_the_vacuum() -> None:
    for name, least in (("elastic", 0.0), ("dielectric", 1.0)):
        network = Network(TENSORS[name])
        matrices = network.of(CRYSTALS) * mandel_weights(network.kind)
        assert np.linalg.eigvalsh(matrices).min() > least


def test_another_cell_of_the_crystal_gives_the_same_tensor(network: Network) -> None:
    rng = np.random.default_rng(0)
    small = [crystal for crystal in CRYSTALS if len(crystal) <= 8][:20]
    expected = network.of(small)
    for name in ("translated", "permuted", "unwrapped", "sheared", "2x1x1", "1x2x3"):
        found = network.of([ANY[name](crystal, rng) for crystal in small])
        assert network.difference(found, expected) < 10 * EXACT, name


def test_the_primitive_cell_gives_the_same_isotropic_part() -> None:
    network = Network(TENSORS["elastic"])
    crystals = [supercell(crystal, (1, 1, 2)) for crystal in EXAMPLES.values() if len(crystal) <= 6]
    found, expected = (
        network.of([primitive(permuted(c, np.random.default_rng(0))) for c in crystals]),
        network.of(crystals),
    )
    eigenvalues = [np.linalg.eigvalsh(matrices * mandel_weights(network.kind)) for matrices in (found, expected)]
    np.testing.assert_allclose(*eigenvalues, rtol=1e-4)


@pytest.mark.parametrize("size", [1e-5, 1e-4, 1e-3, 1e-2])
def test_a_small_strain_or_displacement_changes_the_tensor_little(network: Network, size: float) -> None:
    rng = np.random.default_rng(0)
    crystals = [crystal for crystal in CRYSTALS if len(crystal) <= 12][:20]
    expected = network.of(crystals)
    for change in (strained, displaced):
        found = network.of([change(crystal, size, rng) for crystal in crystals])
        assert network.difference(found, expected) < 300 * size


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_reach_every_parameter_of_every_encoder_that_has_one(name: str) -> None:
    if name == "fused":
        pytest.skip("needs descriptions")
    network = Network(TENSORS["elastic"], name).train()
    graph = build(BUNDLED[:12], network.heads.needs(network.encoder.needs))
    network.heads.physical(network.heads.of(network.encoder(graph), graph)).square().sum().backward()
    without = [each for each, parameter in network.named_parameters() if parameter.grad is None]
    assert not without
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())
    assert all(parameter.grad.any() for each, parameter in network.heads.named_parameters() if "parts" in each)


def test_scalars_follow_from_the_tensor_as_in_pymatgen() -> None:
    from pymatgen.analysis.elasticity import ElasticTensor

    wanted = [get(name) for name in ("bulk_modulus", "elastic_tensor", "shear_modulus")]
    encoder = ENCODERS.build({"name": "steinhardt", **SMALL["steinhardt"]}).eval()
    heads = TensorHeads(encoder.width, wanted).eval()
    graph = build(BUNDLED[:5], heads.needs(encoder.needs))
    with torch.inference_mode():
        found = heads.physical(heads.of(encoder(graph), graph)).double().numpy()
    for bulk, *components, shear in found:
        expected = ElasticTensor.from_voigt(components_to_matrix(components, TENSOR_KINDS["elastic"]))
        np.testing.assert_allclose([bulk, shear], [expected.k_vrh, expected.g_vrh], rtol=1e-5)


def test_a_scalar_that_does_not_follow_from_a_tensor_is_refused() -> None:
    with pytest.raises(PlanError, match="band_gap does not follow from elastic_tensor"):
        TensorHeads(16, [TENSORS["elastic"], get("band_gap")])
