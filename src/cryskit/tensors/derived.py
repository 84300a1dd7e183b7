"""The scalar quantities that follow from a tensor and its crystal, by the names under which tables have them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import DataError
from cryskit.tensors.elastic import density_and_volume, moduli, sound, stability
from cryskit.tensors.notation import shaped
from cryskit.tensors.optical import refraction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from cryskit.tensors.kinds import TensorKind
    from cryskit.types import Crystal

Quantities = dict[str, float | str | bool]

UNITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("bulk_modulus", "bulk_modulus_voigt", "bulk_modulus_reuss"), "GPa"),
        **dict.fromkeys(("shear_modulus", "shear_modulus_voigt", "shear_modulus_reuss", "young_modulus"), "GPa"),
        **dict.fromkeys(("sound_longitudinal", "sound_transverse", "sound_mean"), "m/s"),
        "debye_temperature": "K",
        "lowest_eigenvalue": "GPa",
    }
)
"""Name to unit of the quantities that have one."""


def derived(matrix: ArrayLike, crystal: Crystal, kind: TensorKind) -> Quantities:
    """Return what follows from a tensor; of piezoelectric constants nothing does.

    Args:
        matrix: (6, 6), (3, 3) or (3, 6), the matrix in Voigt notation: a stiffness in GPa, or the electronic part of a permittivity.
        crystal: The crystal.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape or is no finite number, the stiffness cannot be inverted, or the permittivity
            is not positive definite.
    """
    given = shaped(matrix, kind.matrix_shape, f"{kind.name} matrix")
    if not np.isfinite(given).all():
        raise DataError(f"The {kind.name} tensor has components that are no numbers", "Give every component")
    make = _QUANTITIES.get(kind.name)
    return make(given, crystal) if make else {}


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


def _dielectric(permittivity: np.ndarray, _crystal: Crystal) -> Quantities:
    found = refraction(permittivity)
    first, second, third = found.indices.tolist()
    return {
        "refractive_index": found.mean,
        "refractive_index_1": first,
        "refractive_index_2": second,
        "refractive_index_3": third,
        "birefringence": found.birefringence,
        "optical_class": found.optical_class,
    }


_QUANTITIES: Mapping[str, Callable[[np.ndarray, Crystal], Quantities]] = MappingProxyType(
    {"elastic": _elastic, "dielectric": _dielectric}
)
