"""Rotation of tensors of any rank, and of the matrices of the kinds of tensor properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.tensors.kinds import PAIRS
from cryskit.tensors.notation import cartesian_to_voigt, shaped, voigt_to_cartesian

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cryskit.tensors.kinds import TensorKind

_LETTERS = "abcdefgh"
_FIRST, _SECOND = np.array(PAIRS).T


def rotate(tensor: ArrayLike, rotation: ArrayLike, rank: int) -> np.ndarray:
    """Return a rotated tensor, (..., 3, ... 3): T'_ij... = R_ia R_jb ... T_ab...

    Leading axes of tensor and rotation are broadcast. Reflections and inversions are rotated with, too.

    Args:
        tensor: (..., 3, ... 3), the tensor in Cartesian indices.
        rotation: (..., 3, 3), the orthogonal matrix for Cartesian column vectors.
        rank: Number of Cartesian indices, the last axes of the tensor.

    Raises:
        DataError: An array has another shape.
    """
    turned = shaped(tensor, (3,) * rank, "tensor")
    matrix = shaped(rotation, (3, 3), "rotation")
    letters = _LETTERS[:rank]
    for letter in letters:
        turned = np.einsum(f"...z{letter},...{letters}->...{letters.replace(letter, 'z')}", matrix, turned)
    return turned


def rotate_matrix(matrix: ArrayLike, rotation: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the Voigt matrix of a rotated tensor, (..., 6, 6), (..., 3, 3) or (..., 3, 6).

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Voigt notation, of a stiffness if it is elastic.
        rotation: (..., 3, 3), the orthogonal matrix for Cartesian column vectors.
        kind: Kind of the tensor.

    Raises:
        DataError: An array has another shape.
    """
    return cartesian_to_voigt(rotate(voigt_to_cartesian(matrix, kind), rotation, kind.rank), kind)


def mandel_rotation(rotation: ArrayLike) -> np.ndarray:
    """Return the orthogonal matrix that rotates a symmetric pair of indices in Mandel notation, (..., 6, 6).

    A stiffness C in Mandel notation becomes M C M^T, piezoelectric constants e become R e M^T.

    Args:
        rotation: (..., 3, 3), the orthogonal matrix R for Cartesian column vectors.

    Raises:
        DataError: The rotation has another shape.
    """
    given = shaped(rotation, (3, 3), "rotation")
    rows = given[..., _FIRST, :], given[..., _SECOND, :]
    straight = rows[0][..., _FIRST] * rows[1][..., _SECOND]
    crossed = rows[0][..., _SECOND] * rows[1][..., _FIRST]
    weights = np.where(_FIRST == _SECOND, 1.0, np.sqrt(2.0))
    turned: np.ndarray = (straight + crossed) / 2 * np.outer(weights, weights)
    return turned
