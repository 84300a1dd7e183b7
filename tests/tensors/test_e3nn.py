"""e3nn agrees on the irreducible parts of tensors, on how they turn, and on the products of such parts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from tensors.made import drawn, turned

from cryskit.layers.tensor_basis import IRREPS, by_degree, coupling, tensor_basis
from cryskit.tensors.kinds import TENSOR_KINDS
from cryskit.tensors.notation import voigt_to_cartesian, voigt_to_mandel
from cryskit.tensors.rotate import rotate_matrix

o3 = pytest.importorskip("e3nn.o3")
FORMULAS = {"elastic": "ijkl=jikl=klij", "dielectric": "ij=ji", "piezoelectric": "ijk=ikj"}


@pytest.fixture(autouse=True)
def _double() -> None:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def reduced(name: str) -> tuple[object, torch.Tensor]:
    """Return the irreducible parts of a kind of tensor and the change of basis to them, as e3nn finds them."""
    products = o3.ReducedTensorProducts(FORMULAS[name], **dict.fromkeys(sorted(set(FORMULAS[name]) - {"="}), "1o"))
    return products.irreps_out, products.change_of_basis


def coordinates(name: str, matrix: np.ndarray, change: torch.Tensor) -> np.ndarray:
    """Return the coordinates of a tensor in e3nn's basis; its axes are named y, z, x."""
    tensor = torch.from_numpy(voigt_to_cartesian(matrix, TENSOR_KINDS[name]))
    for axis in range(tensor.ndim):
        tensor = tensor.index_select(axis, torch.tensor([1, 2, 0]))
    return torch.einsum("k...,...->k", change, tensor).numpy()


@pytest.mark.parametrize("name", FORMULAS)
def test_tensors_have_the_irreducible_parts_that_e3nn_finds(name: str) -> None:
    irreps, change = reduced(name)
    assert Counter({(part.ir.l, part.ir.p): part.mul for part in irreps}) == Counter(IRREPS[name])
    matrix = drawn(TENSOR_KINDS[name])
    theirs = np.square(coordinates(name, matrix, change))
    own = np.square(np.einsum("kij,ij->k", tensor_basis(name), voigt_to_mandel(matrix, TENSOR_KINDS[name])))
    degrees = [degree for degree, _ in IRREPS[name] for _ in range(2 * degree + 1)]
    expected = [part.ir.l for part in irreps for _ in range(part.dim)]
    found, other = (
        {degree: sum(v for v, d in zip(values, of, strict=True) if d == degree) for degree in set(degrees)}
        for values, of in ((own, degrees), (theirs, expected))
    )
    assert found == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_rotations_are_those_of_e3nn(name: str) -> None:
    irreps, change = reduced(name)
    matrix, order = drawn(TENSOR_KINDS[name]), [1, 2, 0]
    for rotation in (turned(1), -turned(2)):
        wigner = irreps.D_from_matrix(torch.from_numpy(rotation[np.ix_(order, order)].copy())).numpy()
        found = coordinates(name, rotate_matrix(matrix, rotation, TENSOR_KINDS[name]), change)
        np.testing.assert_allclose(found, wigner @ coordinates(name, matrix, change), atol=1e-6)


@pytest.mark.parametrize("degrees", [(1, 1, 2), (1, 2, 2), (2, 2, 4), (1, 3, 2), (2, 3, 2), (3, 3, 4), (2, 4, 3)])
def test_products_of_parts_are_those_of_e3nn_up_to_a_factor(degrees: tuple[int, int, int]) -> None:
    points = np.random.default_rng(0).normal(size=(3, 12, 3))
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    own = [by_degree(some)[degree] for some, degree in zip(points, degrees, strict=True)]
    theirs = [
        o3.spherical_harmonics(degree, torch.from_numpy(some[:, [1, 2, 0]].copy()), normalize=True)
        for some, degree in zip(points, degrees, strict=True)
    ]
    found = np.einsum("na,nb,nc,abc->n", *own, coupling(*degrees))
    expected = np.einsum("na,nb,nc,abc->n", *(each.numpy() for each in theirs), o3.wigner_3j(*degrees).numpy())
    factor = found @ expected / (expected @ expected)
    np.testing.assert_allclose(found, factor * expected, atol=1e-6 * np.abs(found).max())
    assert abs(factor) > 1e-3
