"""The quantities that follow from a tensor and its crystal, by the names under which tables have them, with their units."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cryskit.errors import DataError
from cryskit.tensors.elastic import density_and_volume, moduli, sound, stability
from cryskit.tensors.notation import shaped
from cryskit.tensors.optical import refraction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from cryskit.property import Property
    from cryskit.types import Crystal

Quantities = dict[str, float | str | bool]


class Quantity(NamedTuple):
    """A quantity that follows from a tensor.

    Attributes:
        name: Name of its column in tables.
        unit: Unit, "" if it has no dimension or is no number.
        kind: What its values are: numbers, truth values or words.
    """

    name: str
    unit: str = ""
    kind: Literal["number", "truth", "words"] = "number"


class _Family(NamedTuple):
    """Quantities that are computed together.

    Attributes:
        quantities: The quantities, in the order of their columns.
        of: Function from a matrix and its crystal to their values.
    """

    quantities: tuple[Quantity, ...]
    of: Callable[[np.ndarray, Crystal], Quantities]


def quantities(wanted: Property) -> tuple[Quantity, ...]:
    """Return the quantities that follow from a tensor; of piezoelectric constants, and of what is no tensor, nothing does.

    Args:
        wanted: The tensor property.
    """
    family = _family(wanted)
    return family.quantities if family else ()


def derived(matrix: ArrayLike, crystal: Crystal, wanted: Property) -> Quantities:
    """Return the values of the quantities that follow from a tensor.

    Args:
        matrix: (6, 6), (3, 3) or (3, 6), the matrix in Voigt notation, in the unit of the property.
        crystal: The crystal.
        wanted: The tensor property.

    Raises:
        DataError: The matrix has another shape or is no finite number, the stiffness cannot be inverted, or the permittivity
            is not positive definite.
    """
    family = _family(wanted)
    if family is None or wanted.tensor is None:
        return {}
    given = shaped(matrix, wanted.tensor.matrix_shape, f"{wanted.symmetry} matrix")
    if not np.isfinite(given).all():
        raise DataError(f"The {wanted.symmetry} tensor has components that are no numbers", "Give every component")
    return family.of(given, crystal)


def _family(wanted: Property) -> _Family | None:
    return _OF_PROPERTY.get(wanted.name, _OF_SYMMETRY.get(wanted.symmetry))


def _elastic(stiffness: np.ndarray, crystal: Crystal) -> Quantities:
    found, stable = moduli(stiffness), stability(stiffness)
    bulk, shear = float(found.bulk), float(found.shear)
    speeds = sound(bulk, shear, *density_and_volume(crystal))
    return {
        "bulk_modulus": bulk,
        "shear_modulus": shear,
        "bulk_modulus_voigt": float(found.bulk_voigt),
        "bulk_modulus_reuss": float(found.bulk_reuss),
        "shear_modulus_voigt": float(found.shear_voigt),
        "shear_modulus_reuss": float(found.shear_reuss),
        "young_modulus": float(found.young),
        "poisson_ratio": float(found.poisson_ratio),
        "elastic_anisotropy": float(found.anisotropy),
        "sound_longitudinal": speeds.longitudinal,
        "sound_transverse": speeds.transverse,
        "sound_mean": speeds.mean,
        "debye_temperature": speeds.debye_temperature,
        "stable": stable.stable,
        "lowest_eigenvalue": float(stable.eigenvalues[0]),
    }


def _static(permittivity: np.ndarray, _crystal: Crystal) -> Quantities:
    values = np.linalg.eigvalsh((permittivity + permittivity.T) / 2)
    return {
        "dielectric_total": float(values.mean()),
        **{f"dielectric_total_{i + 1}": float(value) for i, value in enumerate(values)},
    }


def _optical(permittivity: np.ndarray, _crystal: Crystal) -> Quantities:
    found = refraction(permittivity)
    return {
        "dielectric_electronic": float(np.trace(permittivity)) / 3,
        "refractive_index": found.mean,
        **{f"refractive_index_{i + 1}": float(index) for i, index in enumerate(found.indices)},
        "birefringence": found.birefringence,
        "optical_class": found.optical_class,
    }


def _named(names: str, unit: str = "") -> tuple[Quantity, ...]:
    return tuple(Quantity(name, unit) for name in names.split())


_MECHANICS = _Family(
    (
        *_named("bulk_modulus shear_modulus bulk_modulus_voigt bulk_modulus_reuss", "GPa"),
        *_named("shear_modulus_voigt shear_modulus_reuss young_modulus", "GPa"),
        *_named("poisson_ratio elastic_anisotropy"),
        *_named("sound_longitudinal sound_transverse sound_mean", "m/s"),
        *_named("debye_temperature", "K"),
        Quantity("stable", kind="truth"),
        *_named("lowest_eigenvalue", "GPa"),
    ),
    _elastic,
)
_PERMITTIVITY = _Family(
    _named("dielectric_total dielectric_total_1 dielectric_total_2 dielectric_total_3"),
    _static,
)
_OPTICS = _Family(
    (
        *_named("dielectric_electronic refractive_index refractive_index_1 refractive_index_2 refractive_index_3"),
        *_named("birefringence"),
        Quantity("optical_class", kind="words"),
    ),
    _optical,
)
_OF_SYMMETRY: Mapping[str, _Family] = MappingProxyType({"elastic": _MECHANICS, "dielectric": _PERMITTIVITY})
_OF_PROPERTY: Mapping[str, _Family] = MappingProxyType({"dielectric_tensor_electronic": _OPTICS})
"""Tensors from which something else follows than from others of their symmetry: light has refractive indices in the electronic permittivity."""
