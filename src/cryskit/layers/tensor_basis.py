"""Orthonormal bases of tensors in which a rotation mixes only the 2 l + 1 numbers of an irreducible part, and products of such parts.

A basis matrix is the integral over the sphere of a harmonic times a matrix that is made of the direction r alone, so it is turned as
the harmonic is. With m(r) = r r^T in Mandel's notation these are m m^T, m 1^T + 1 m^T for elastic tensors, r r^T for dielectric ones,
and r 1^T, r m^T and the cross product of r with r for piezoelectric ones. All integrals are sums over the points of a quadrature that
is exact for these polynomials.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cryskit.layers.harmonics import DEGREES, components
from cryskit.tensors.kinds import ELASTIC, PAIRS
from cryskit.tensors.notation import mandel_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IRREPS: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType(
    {
        "elastic": ((0, 1), (0, 1), (2, 1), (2, 1), (4, 1)),
        "dielectric": ((0, 1), (2, 1)),
        "piezoelectric": ((1, -1), (1, -1), (2, -1), (3, -1)),
    }
)
"""Kind of tensor to degree l and parity of each of its irreducible parts."""

_POLAR, _AZIMUTHAL = 8, 18  # points of the quadrature, exact up to degree 15
_STEP = 1e-30  # of derivatives by a complex step, which have no error of cancellation


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Return points on the sphere, (n, 3), and their weights, (n,), which add up to 1."""
    z, weights = np.polynomial.legendre.leggauss(_POLAR)
    angles = 2 * np.pi * np.arange(_AZIMUTHAL) / _AZIMUTHAL
    radius = np.sqrt(1 - z**2)[:, None]
    parts = np.broadcast_arrays(radius * np.cos(angles), radius * np.sin(angles), z[:, None])
    return np.stack(parts, axis=-1).reshape(-1, 3), np.repeat(weights / 2 / _AZIMUTHAL, _AZIMUTHAL)


def by_degree(points: np.ndarray) -> list[np.ndarray]:
    """Return the harmonics at points on the sphere, (n, 2 l + 1) for each degree l from 0.

    Args:
        points: (n, 3) unit vectors.
    """
    found = np.stack(components(*points.T), axis=1)
    starts = [degree**2 - 1 for degree in range(1, DEGREES + 2)]
    return [np.ones((len(points), 1)), *np.split(found, starts[1:-1], axis=1)]


@cache
def coupling(first: int, second: int, degree: int) -> np.ndarray:
    """Return the coefficients with which parts of two degrees make one of a third, (2 l1 + 1, 2 l2 + 1, 2 l + 1).

    They are those of Clebsch and Gordan for real harmonics, up to a factor: of l1 + l2 + l even the integral of three harmonics
    (Gaunt), else that of one harmonic times the triple product of r and the gradients of the others. The sum of the squares is
    2 l + 1.

    Args:
        first: Degree l1.
        second: Degree l2.
        degree: Degree l, from |l1 - l2| to l1 + l2.
    """
    points, weights = _quadrature()
    values = by_degree(points)
    if (first + second + degree) % 2 == 0:
        found = np.einsum("n,na,nb,nc->abc", weights, values[first], values[second], values[degree])
    else:
        left, right = _gradients(points, first), _gradients(points, second)
        triple = np.einsum("ni,naj,nbk,ijk->nab", points, left, right, _levi_civita())
        found = np.einsum("n,nab,nc->abc", weights, triple, values[degree])
    scaled: np.ndarray = found * np.sqrt((2 * degree + 1) / np.square(found).sum())
    return scaled


def _gradients(points: np.ndarray, degree: int) -> np.ndarray:
    """Return the gradients of the harmonics of a degree, (n, 2 l + 1, 3); their radial parts mean nothing."""
    steps = [by_degree(points + 1j * _STEP * axis)[degree].imag / _STEP for axis in np.eye(3)]
    return np.stack(steps, axis=2)


def _levi_civita() -> np.ndarray:
    found = np.zeros((3, 3, 3))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        found[i, j, k], found[i, k, j] = 1.0, -1.0
    return found


@cache
def tensor_basis(name: str) -> np.ndarray:
    """Return an orthonormal basis of the tensors of a kind, (components, rows, columns), part by part as in IRREPS.

    The matrices are in Mandel's notation where rows or columns are pairs of axes. The first basis matrix of an elastic tensor is the
    bulk, the second the shear part of an isotropic one.

    Args:
        name: Name of the kind of tensor.
    """
    points, weights = _quadrature()
    values, forms = by_degree(points), _FORMS[name](points)
    found: list[np.ndarray] = []
    for degree, parity in dict.fromkeys(IRREPS[name]):
        wanted = IRREPS[name].count((degree, parity))
        parts: list[np.ndarray] = []
        for form in forms:
            part = np.einsum("n,nm,nij->mij", weights, values[degree], form)
            for other in parts:
                part = part - np.einsum("mij,mij->", part, other) / len(other) * other
            norm = np.sqrt(np.square(part).sum() / len(part))
            if norm > 1e-6 and len(parts) < wanted:
                parts.append(part / norm)
        found += parts
    return np.concatenate(found)


def _elastic(points: np.ndarray) -> list[np.ndarray]:
    pairs, unit = _pair(points[:, :, None] * points[:, None]), _pair(np.eye(3))
    mixed = pairs[:, :, None] * unit
    return [mixed + mixed.transpose(0, 2, 1), pairs[:, :, None] * pairs[:, None]]


def _dielectric(points: np.ndarray) -> list[np.ndarray]:
    return [points[:, :, None] * points[:, None]]


def _piezoelectric(points: np.ndarray) -> list[np.ndarray]:
    pairs, unit = _pair(points[:, :, None] * points[:, None]), _pair(np.eye(3))
    crossed = np.einsum("ijl,nl,nk->nijk", _levi_civita(), points, points)
    turned = _pair(crossed + crossed.transpose(0, 1, 3, 2))
    return [points[:, :, None] * unit, points[:, :, None] * pairs[:, None], turned]


def _pair(tensors: np.ndarray) -> np.ndarray:
    """Return symmetric tensors, (..., 3, 3), as vectors in Mandel's notation, (..., 6)."""
    return np.stack([tensors[..., i, j] for i, j in PAIRS], axis=-1) * np.diag(mandel_weights(ELASTIC)) ** 0.5


_FORMS: Mapping[str, Callable[[np.ndarray], list[np.ndarray]]] = MappingProxyType(
    {"elastic": _elastic, "dielectric": _dielectric, "piezoelectric": _piezoelectric}
)


def pairs_for(degree: int, parity: int) -> list[tuple[int, int]]:
    """Return the degrees l1 <= l2 of two sums of harmonics whose product has a part of a degree and a parity.

    Args:
        degree: Degree of the part.
        parity: Its parity; that of a harmonic is (-1)^l.
    """
    degrees = range(1, DEGREES + 1)
    return [
        (first, second)
        for first, second in product(degrees, degrees)
        if first <= second and second - first <= degree <= first + second and (-1) ** (first + second) == parity
    ]
