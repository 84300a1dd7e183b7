"""What is doubtful about a tensor: its symmetry in its indices, its sign, its symmetry in the crystal, its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.symmetry import NAMED_TOLERANCE, point_group
from cryskit.tensors.frames import ieee_rotation
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
    if not np.isfinite(given).all():
        return [f"The {kind.name} tensor has components that are no numbers"]
    return [*_of_itself(given, kind), *_in_crystal(given, crystal, kind, tolerance)]


def _of_itself(matrix: np.ndarray, kind: TensorKind) -> list[str]:
    if not kind.symmetric:
        return []
    found = []
    mandel = voigt_to_mandel(matrix, kind)
    odd = 100 * np.linalg.norm(mandel - mandel.T) / (2 * np.linalg.norm(mandel) or 1.0)
    if odd > _ASYMMETRIC:
        found.append(f"The {kind.name} tensor is not symmetric: {odd:.1f} % of it change sign when it is transposed")
    lowest = float(np.linalg.eigvalsh((mandel + mandel.T) / 2)[0])
    if lowest <= 0:
        found.append(f"The {kind.name} tensor is not positive definite: its lowest eigenvalue is {lowest:.4g}")
    return found


def _in_crystal(matrix: np.ndarray, crystal: Crystal, kind: TensorKind, tolerance: float) -> list[str]:
    group = point_group(crystal, tolerance)
    outside = float(residual(matrix, group, kind))
    if outside <= LARGEST:
        return []
    sentence = f"The {kind.name} tensor does not have the symmetry of the crystal: {outside:.1f} % of it change under its operations"
    back = ieee_rotation(crystal, tolerance).T
    if (mended := float(residual(rotate_matrix(matrix, back, kind), group, kind))) <= LARGEST:
        sentence += (
            f". It may be in the IEEE standard frame, not in that of the lattice: turned back from there,"
            f" {mended:.1f} % are left"
        )
    return [sentence]
