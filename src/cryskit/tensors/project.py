"""Projection of tensors on the symmetry of a crystal, and what is left out by it.

A tensor property is unchanged by every operation of the point group (Neumann's principle), so its part with the symmetry of the
crystal is the mean over the group of its images (Nye 1985, Physical Properties of Crystals, ISBN 978-0-19-851165-6).
The operations are those of `symmetry.point_group`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.tensors.notation import (
    components_to_matrix,
    mandel_to_voigt,
    matrix_to_components,
    shaped,
    voigt_to_mandel,
)
from cryskit.tensors.rotate import mandel_rotation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cryskit.tensors.kinds import TensorKind


def project(matrix: ArrayLike, rotations: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the part of a tensor that has the symmetry of a crystal, as a Voigt matrix, (..., 6, 6), (..., 3, 3) or (..., 3, 6).

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Voigt notation, of a stiffness if it is elastic.
        rotations: (S, 3, 3), all operations of the point group as matrices for Cartesian column vectors.
        kind: Kind of the tensor.

    Raises:
        DataError: An array has another shape.
    """
    left, right = _axes(rotations, kind)
    given = voigt_to_mandel(matrix, kind)
    mean = np.einsum("sia,...ab,sjb->...ij", left, given, right, optimize=True) / len(left)
    return mandel_to_voigt((mean + mean.swapaxes(-1, -2)) / 2 if kind.symmetric else mean, kind)


def projector(rotations: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the matrix that projects independent components on the symmetry of a crystal, (C, C) for the C of `kind.components`.

    Multiplied by the components of a Voigt matrix, it returns the components of the projected Voigt matrix.

    Args:
        rotations: (S, 3, 3), all operations of the point group as matrices for Cartesian column vectors.
        kind: Kind of the tensor.

    Raises:
        DataError: The rotations have another shape.
    """
    units = components_to_matrix(np.eye(len(kind.components)), kind)
    return matrix_to_components(project(units, rotations, kind), kind).T


def residual(matrix: ArrayLike, rotations: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the part of a tensor without the symmetry of a crystal, in percent of the whole by the Frobenius norm, (...).

    The norm is that of the tensor in Cartesian indices. A tensor that is zero has no such part.

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Voigt notation, of a stiffness if it is elastic.
        rotations: (S, 3, 3), all operations of the point group as matrices for Cartesian column vectors.
        kind: Kind of the tensor.

    Raises:
        DataError: An array has another shape.
    """
    whole = _norm(matrix, kind)
    left_out = _norm(np.asarray(matrix, dtype=np.float64) - project(matrix, rotations, kind), kind)
    return 100 * left_out / np.where(whole > 0, whole, 1.0)


def free_constants(rotations: ArrayLike, kind: TensorKind) -> int:
    """Return how many constants the symmetry of a crystal leaves free in a tensor.

    A stiffness has 3 of them in cubic crystals, 5 in hexagonal, 6 or 7 in trigonal and tetragonal ones, 9 in orthorhombic, 13 in
    monoclinic and 21 in triclinic ones.

    Args:
        rotations: (S, 3, 3), all operations of the point group as matrices for Cartesian column vectors.
        kind: Kind of the tensor.

    Raises:
        DataError: The rotations have another shape.
    """
    return round(float(np.trace(projector(rotations, kind))))


def _axes(rotations: ArrayLike, kind: TensorKind) -> tuple[np.ndarray, np.ndarray]:
    """Return the operations as matrices on the rows and on the columns of a Mandel matrix."""
    vectors = shaped(rotations, (3, 3), "list of rotations").reshape(-1, 3, 3)
    left, right = (mandel_rotation(vectors) if rank == 2 else vectors for rank in kind.axes)
    return left, right


def _norm(matrix: ArrayLike, kind: TensorKind) -> np.ndarray:
    return np.asarray(np.linalg.norm(voigt_to_mandel(matrix, kind), axis=(-2, -1)))
