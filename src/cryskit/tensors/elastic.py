"""Moduli, anisotropy, stability, sound and Debye temperature that follow from a stiffness.

    K, G of Voigt and Reuss    bounds of a polycrystal from the stiffness and from the compliance
    Hill                       their mean (Hill 1952, doi 10.1088/0370-1298/65/5/307)
    A_U                        5 G_V / G_R + K_V / K_R - 6 (Ranganathan and Ostoja-Starzewski 2008, doi 10.1103/PhysRevLett.101.055504)
    E(n)                       1 / (S_ijkl n_i n_j n_k n_l) (Nye 1985, ISBN 978-0-19-851165-6)
    stability                  every eigenvalue of the stiffness in Mandel notation is positive
                               (Mouhat and Coudert 2014, doi 10.1103/PhysRevB.90.224104)
    Debye temperature          from the mean of the sound speeds (Anderson 1963, doi 10.1016/0022-3697(63)90067-2)

Every stiffness is a matrix in Voigt notation, in GPa.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.data import atomic_masses

from cryskit.errors import DataError
from cryskit.tensors.kinds import ELASTIC, PAIRS
from cryskit.tensors.notation import compliance_to_cartesian, shaped, voigt_to_cartesian, voigt_to_mandel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cryskit.types import Crystal

_PLANCK, _BOLTZMANN, _DALTON = 6.62607015e-34, 1.380649e-23, 1.66053906892e-27  # J s, J/K, kg (CODATA 2022)
_SHOWN = 0.1  # least part of a strain that is named


class Moduli(NamedTuple):
    """Moduli of a polycrystal without texture; each is a number, or an array for several stiffnesses.

    Attributes:
        bulk_voigt: Upper bound of the bulk modulus, in GPa.
        bulk_reuss: Lower bound of the bulk modulus, in GPa.
        shear_voigt: Upper bound of the shear modulus, in GPa.
        shear_reuss: Lower bound of the shear modulus, in GPa.
    """

    bulk_voigt: NDArray[np.float64]
    bulk_reuss: NDArray[np.float64]
    shear_voigt: NDArray[np.float64]
    shear_reuss: NDArray[np.float64]

    @property
    def bulk(self) -> NDArray[np.float64]:
        """The bulk modulus of Hill, in GPa."""
        return (self.bulk_voigt + self.bulk_reuss) / 2

    @property
    def shear(self) -> NDArray[np.float64]:
        """The shear modulus of Hill, in GPa."""
        return (self.shear_voigt + self.shear_reuss) / 2

    @property
    def young(self) -> NDArray[np.float64]:
        """Young's modulus, in GPa, from the moduli of Hill."""
        return 9 * self.bulk * self.shear / (3 * self.bulk + self.shear)

    @property
    def poisson_ratio(self) -> NDArray[np.float64]:
        """The Poisson ratio, from the moduli of Hill."""
        return (3 * self.bulk - 2 * self.shear) / (6 * self.bulk + 2 * self.shear)

    @property
    def anisotropy(self) -> NDArray[np.float64]:
        """The universal anisotropy A_U, zero for an isotropic crystal."""
        return 5 * self.shear_voigt / self.shear_reuss + self.bulk_voigt / self.bulk_reuss - 6


def moduli(stiffness: ArrayLike) -> Moduli:
    """Return the moduli of a polycrystal.

    Args:
        stiffness: (..., 6, 6), the stiffness in Voigt notation, in GPa.

    Raises:
        DataError: The stiffness has another shape, or cannot be inverted.
    """
    c, s = shaped(stiffness, (6, 6), "stiffness"), compliance(stiffness)
    straight, mixed, shears = _sums(c)
    straight_s, mixed_s, shears_s = _sums(s)
    return Moduli(
        bulk_voigt=(straight + 2 * mixed) / 9,
        bulk_reuss=1 / (straight_s + 2 * mixed_s),
        shear_voigt=(straight - mixed + 3 * shears) / 15,
        shear_reuss=15 / (4 * (straight_s - mixed_s) + 3 * shears_s),
    )


def _sums(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 11 + 22 + 33, 12 + 13 + 23 and 44 + 55 + 66, (...) each; a matrix that is not symmetric is averaged."""
    upper, lower = matrix[..., :3, :3], matrix[..., 3:, 3:]
    straight = np.trace(upper, axis1=-2, axis2=-1)
    return straight, (upper.sum((-2, -1)) - straight) / 2, np.trace(lower, axis1=-2, axis2=-1)


def compliance(stiffness: ArrayLike) -> np.ndarray:
    """Return the compliance in Voigt notation, (..., 6, 6) in 1/GPa.

    Args:
        stiffness: (..., 6, 6), the stiffness in Voigt notation, in GPa.

    Raises:
        DataError: The stiffness has another shape, or cannot be inverted.
    """
    try:
        return np.linalg.inv(shaped(stiffness, (6, 6), "stiffness"))
    except np.linalg.LinAlgError as error:
        raise DataError(
            "The stiffness cannot be inverted: a strain costs no energy", "Check the components and their order"
        ) from error


def directional_young(stiffness: ArrayLike, directions: ArrayLike) -> np.ndarray:
    """Return Young's modulus along directions, (D,) in GPa.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        directions: (D, 3), vectors of any length in the frame of the stiffness.

    Raises:
        DataError: An array has another shape, or the stiffness cannot be inverted.
    """
    n = _units(directions)
    strain = np.einsum("ijkl,dk,dl->dij", compliance_to_cartesian(compliance(stiffness)), n, n)
    along: np.ndarray = 1 / np.einsum("dij,di,dj->d", strain, n, n)
    return along


def linear_compressibility(stiffness: ArrayLike, directions: ArrayLike) -> np.ndarray:
    """Return how much shorter lines become per pressure, (D,) in 1/GPa; it may be negative.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        directions: (D, 3), vectors of any length in the frame of the stiffness.

    Raises:
        DataError: An array has another shape, or the stiffness cannot be inverted.
    """
    n = _units(directions)
    strain = np.einsum("ijkk->ij", compliance_to_cartesian(compliance(stiffness)))
    along: np.ndarray = np.einsum("ij,di,dj->d", strain, n, n)
    return along


def sound_speeds(stiffness: ArrayLike, density: float, directions: ArrayLike) -> np.ndarray:
    """Return the speeds of the three sound waves along directions, (D, 3) in m/s, the slowest first.

    They are the roots of the Christoffel equation det(C_ijkl n_j n_l - density v^2 delta_ik) = 0; the speed of a wave without
    restoring force, in an unstable crystal, is NaN.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        density: Density, in g/cm3.
        directions: (D, 3), vectors of any length in the frame of the stiffness.

    Raises:
        DataError: An array has another shape.
    """
    n = _units(directions)
    matrices = np.einsum("ijkl,dj,dl->dik", voigt_to_cartesian(stiffness, ELASTIC), n, n)
    squares = np.linalg.eigvalsh((matrices + matrices.swapaxes(1, 2)) / 2) * 1e6 / density
    return np.sqrt(np.where(squares >= 0, squares, np.nan))


class Sound(NamedTuple):
    """Sound in a polycrystal without texture.

    Attributes:
        longitudinal: Speed of longitudinal sound, in m/s.
        transverse: Speed of transverse sound, in m/s.
        mean: Mean speed of Debye, in m/s.
        debye_temperature: Debye temperature, in K.
    """

    longitudinal: float
    transverse: float
    mean: float
    debye_temperature: float


def sound(bulk: float, shear: float, density: float, volume: float) -> Sound:
    """Return the sound speeds and the Debye temperature of a polycrystal; NaN where a modulus is not positive.

    Args:
        bulk: Bulk modulus, in GPa.
        shear: Shear modulus, in GPa.
        density: Density, in g/cm3.
        volume: Volume per atom, in cubic angstrom.
    """
    if min(bulk, shear) <= 0:
        return Sound(*[float("nan")] * 4)
    longitudinal, transverse = (1e3 * (modulus / density) ** 0.5 for modulus in (bulk + 4 * shear / 3, shear))
    mean = ((1 / longitudinal**3 + 2 / transverse**3) / 3) ** (-1 / 3)
    atoms = (3 / (4 * np.pi * volume * 1e-30)) ** (1 / 3)
    return Sound(longitudinal, transverse, mean, float(_PLANCK / _BOLTZMANN * atoms * mean))


def density_and_volume(crystal: Crystal) -> tuple[float, float]:
    """Return the density, in g/cm3, and the volume per atom, in cubic angstrom.

    Args:
        crystal: The crystal.
    """
    volume = abs(float(np.linalg.det(crystal.lattice)))
    mass = float(atomic_masses[crystal.numbers].sum())
    return mass * _DALTON / volume * 1e27, volume / len(crystal)


class Stability(NamedTuple):
    """Mechanical stability of a crystal without external stress.

    Attributes:
        stable: Whether every strain costs energy.
        eigenvalues: (6,) float64, eigenvalues of the stiffness in Mandel notation, in GPa, the lowest first.
        reason: Strains that cost no energy, as a sentence without its full stop; "" if there are none.
    """

    stable: bool
    eigenvalues: np.ndarray
    reason: str


def stability(stiffness: ArrayLike) -> Stability:
    """Return whether a crystal is mechanically stable, the condition of Born, and what strain it yields to if it is not.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa; its symmetric part counts.

    Raises:
        DataError: The stiffness has another shape.
    """
    mandel = voigt_to_mandel(stiffness, ELASTIC)
    values, strains = np.linalg.eigh((mandel + mandel.T) / 2)
    failing = [
        f"{value:.4g} GPa for the strain {_in_words(strain)}"
        for value, strain in zip(values, strains.T, strict=True)
        if value <= 0
    ]
    reason = f"eigenvalues of the stiffness are not positive: {'; '.join(failing)}" if failing else ""
    return Stability(not failing, values, reason)


def _in_words(strain: np.ndarray) -> str:
    """Return a strain in Mandel notation as words, "0.71 xx - 0.71 yy"; its largest part is positive."""
    signed = strain * np.sign(strain[np.abs(strain).argmax()])
    names = ["xyz"[first] + "xyz"[second] for first, second in PAIRS]
    parts = [
        f"{'-' if part < 0 else '+'} {abs(part):.2f} {name}"
        for part, name in zip(signed, names, strict=True)
        if abs(part) >= _SHOWN
    ]
    return " ".join(parts).removeprefix("+ ")


def _units(directions: ArrayLike) -> np.ndarray:
    vectors = shaped(directions, (3,), "list of directions").reshape(-1, 3)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise DataError("A direction is the zero vector", "Give vectors that have a length")
    units: np.ndarray = vectors / lengths
    return units
