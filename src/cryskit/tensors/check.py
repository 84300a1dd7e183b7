"""What is doubtful about a tensor: its symmetry in its indices, its eigenvalues, its symmetry in the crystal, its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cryskit.symmetry import NAMED_TOLERANCE, point_group
from cryskit.tensors.frames import ieee_rotation
from cryskit.tensors.kinds import LEAST
from cryskit.tensors.notation import shaped, voigt_to_mandel
from cryskit.tensors.project import residual
from cryskit.tensors.rotate import rotate_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cryskit.tensors.kinds import TensorKind
    from cryskit.types import Crystal

LARGEST = 5.0
"""Percent: the largest part of a tensor without the symmetry of its crystal that is not reported."""

_ASYMMETRIC = 1.0  # percent of the norm that a matrix may differ from its transpose


class Flaw(NamedTuple):
    """Why a tensor cannot be one of a stable crystal, whatever the crystal.

    Attributes:
        reason: What is wrong, as a sentence without the last full stop.
        value: The lowest eigenvalue where that is what is wrong, else NaN.
    """

    reason: str
    value: float


class Fit(NamedTuple):
    """How well a tensor fits the symmetry of its crystal.

    Attributes:
        outside: Part of it that changes under the operations of the point group, in percent of its norm.
        turned_back: The same if the tensor is in the IEEE standard frame and is turned back from there; NaN where that was not tried,
            because it fits as it is.
    """

    outside: float
    turned_back: float

    @property
    def frame(self) -> Literal["input", "ieee", "none"]:
        """The frame in which it has the symmetry of the crystal: that of the lattice, the IEEE standard one, or none of these."""
        if self.outside <= LARGEST:
            return "input"
        return "ieee" if self.turned_back <= LARGEST else "none"


def check_tensor(
    matrix: ArrayLike, crystal: Crystal, kind: TensorKind, tolerance: float = NAMED_TOLERANCE
) -> list[str]:
    """Return what is doubtful about a tensor, as sentences without the last full stop; none if nothing is.

    Args:
        matrix: (6, 6), (3, 3) or (3, 6), the matrix in Voigt notation, which should be in the frame of the crystal's lattice.
        crystal: The crystal.
        kind: Kind of the tensor.
        tolerance: Largest distance between an atom and the image of another one under an operation, in angstrom.

    Raises:
        DataError: The matrix has another shape.
    """
    given = shaped(matrix, kind.matrix_shape, f"{kind.name} matrix")
    found = [flaw.reason for flaw in flaws(given, kind)]
    return [*found, *misfit(fit(given, crystal, kind, tolerance), kind)] if np.isfinite(given).all() else found


def flaws(matrix: ArrayLike, kind: TensorKind) -> list[Flaw]:
    """Return why a tensor cannot be one of a stable crystal: such a tensor trains nothing.

    Args:
        matrix: (6, 6), (3, 3) or (3, 6), the matrix in Voigt notation.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape.
    """
    given = shaped(matrix, kind.matrix_shape, f"{kind.name} matrix")
    if not np.isfinite(given).all():
        return [Flaw(f"The {kind.name} tensor has components that are no numbers", float("nan"))]
    if not kind.symmetric:
        return []
    found = []
    mandel = voigt_to_mandel(given, kind)
    odd = 100 * np.linalg.norm(mandel - mandel.T) / (2 * np.linalg.norm(mandel) or 1.0)
    if odd > _ASYMMETRIC:
        changed = f"{odd:.1f} % of it change sign when it is transposed"
        found.append(Flaw(f"The {kind.name} tensor is not symmetric: {changed}", float("nan")))
    lowest = float(np.linalg.eigvalsh((mandel + mandel.T) / 2)[0])
    bound = LEAST[kind.name]
    if lowest <= bound:
        words = f"above that of the vacuum, {bound:g}" if bound else "positive definite"
        found.append(Flaw(f"The {kind.name} tensor is not {words}: its lowest eigenvalue is {lowest:.4g}", lowest))
    return found


def fit(matrix: ArrayLike, crystal: Crystal, kind: TensorKind, tolerance: float = NAMED_TOLERANCE) -> Fit:
    """Return how well a tensor fits the symmetry of its crystal, in the frame of the lattice and in the standard one.

    Args:
        matrix: (6, 6), (3, 3) or (3, 6), the matrix in Voigt notation, of finite numbers.
        crystal: The crystal.
        kind: Kind of the tensor.
        tolerance: Largest distance between an atom and the image of another one under an operation, in angstrom.
    """
    group = point_group(crystal, tolerance)
    outside = float(residual(matrix, group, kind))
    if outside <= LARGEST:
        return Fit(outside, float("nan"))
    back = ieee_rotation(crystal, tolerance).T
    return Fit(outside, float(residual(rotate_matrix(matrix, back, kind), group, kind)))


def misfit(found: Fit, kind: TensorKind) -> list[str]:
    """Return what is doubtful about the symmetry of a tensor, as sentences without the last full stop; none if nothing is.

    Args:
        found: How well the tensor fits.
        kind: Kind of the tensor.
    """
    if found.frame == "input":
        return []
    sentence = f"The {kind.name} tensor does not have the symmetry of the crystal: {found.outside:.1f} % of it change under its operations"
    if found.frame == "ieee":
        sentence += (
            f". It may be in the IEEE standard frame, not in that of the lattice: turned back from there,"
            f" {found.turned_back:.1f} % are left"
        )
    return [sentence]
