"""Refractive indices, birefringence and optical class, from the electronic part of a permittivity.

Light along a principal axis of the permittivity has the refractive indices sqrt(eps) of the two others (Born and Wolf 2019,
Principles of Optics, doi 10.1017/9781108769914). The values hold for frequencies far below the band gap and above the phonons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cryskit.errors import DataError
from cryskit.tensors.kinds import DIELECTRIC
from cryskit.tensors.notation import shaped

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

EQUAL = 1e-3
"""Largest relative difference of two refractive indices that count as equal."""

OpticalClass = Literal["isotropic", "uniaxial", "biaxial"]


class Refraction(NamedTuple):
    """Refraction of light in a crystal.

    Attributes:
        indices: (3,) float64, principal refractive indices, the smallest first.
        axes: (3, 3) float64, unit vectors of the principal axes as rows, in the order of the indices.
        mean: Refractive index of a polycrystal: the square root of the mean of the principal permittivities.
        birefringence: Largest less smallest refractive index; in a uniaxial crystal extraordinary less ordinary, so with a sign.
        optical_class: Optical class of the crystal: isotropic, uniaxial or biaxial.
    """

    indices: np.ndarray
    axes: np.ndarray
    mean: float
    birefringence: float
    optical_class: OpticalClass


def refraction(permittivity: ArrayLike, equal: float = EQUAL) -> Refraction:
    """Return the refraction of light in a crystal.

    Args:
        permittivity: (3, 3), the electronic part of the relative permittivity; its symmetric part counts.
        equal: Largest relative difference of two refractive indices that count as equal.

    Raises:
        DataError: The permittivity has another shape, or is not positive definite.
    """
    given = shaped(permittivity, DIELECTRIC.matrix_shape, "permittivity")
    values, vectors = np.linalg.eigh((given + given.T) / 2)
    if values[0] <= 0:
        raise DataError(
            f"The permittivity has the eigenvalue {values[0]:.4g}, so light has no refractive index",
            "Give the electronic part of the relative permittivity, which is positive definite",
        )
    low, middle, high = indices = np.sqrt(values)
    lower, upper = middle - low <= equal * middle, high - middle <= equal * middle
    birefringence = high - low
    if lower and upper:
        found: OpticalClass = "isotropic"
    elif lower or upper:
        found = "uniaxial"
        birefringence = high - (low + middle) / 2 if lower else low - (middle + high) / 2
    else:
        found = "biaxial"
    return Refraction(indices, vectors.T, float(np.sqrt(values.mean())), float(birefringence), found)
