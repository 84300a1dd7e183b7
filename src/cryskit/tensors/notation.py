"""Cartesian, Voigt and Mandel notation of stiffness, permittivity, piezoelectric constants, and compliance.

A symmetric pair of indices becomes one index in the order xx, yy, zz, yz, xz, xy. In Voigt notation the components of a
stiffness and of piezoelectric stress constants are those of the Cartesian tensor, c_44 = C_yzyz; those of a compliance are
multiplied by 2 for each pair of unequal indices, s_44 = 4 S_yzyz, so that the matrix of the compliance is the inverse of the
matrix of the stiffness. In Mandel notation each such pair multiplies by sqrt(2), for stiffness and compliance alike: the matrix
keeps norm and eigenvalues of the tensor, and rotations become orthogonal matrices (Mehrabadi and Cowin 1990, doi
10.1093/qjmam/43.1.15). A vector index stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import DataError
from cryskit.tensors.kinds import ELASTIC, PAIRS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cryskit.tensors.kinds import TensorKind

_MANDEL = np.array([1.0, 1.0, 1.0, *[np.sqrt(2.0)] * 3])
_FIRST, _SECOND = np.array(PAIRS).T
_INDEX = np.zeros((3, 3), dtype=np.int64)  # of Voigt notation, by Cartesian indices
_INDEX[_FIRST, _SECOND] = _INDEX[_SECOND, _FIRST] = np.arange(6)


def shaped(values: ArrayLike, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    """Return values as an array of float64 whose last axes have a shape.

    Args:
        values: The values.
        shape: Shape that the last axes must have.
        what: Name of the values, for the error message.

    Raises:
        DataError: The last axes have another shape.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape[array.ndim - len(shape) :] != shape or array.ndim < len(shape):
        raise DataError(f"The {what} has shape {array.shape}", f"Give an array of shape (..., {str(shape)[1:]}")
    return array


def cartesian_to_voigt(tensor: ArrayLike, kind: TensorKind) -> NDArray[np.float64]:
    """Return the Voigt matrix of a tensor, (..., 6, 6), (..., 3, 3) or (..., 3, 6).

    Pairs of indices that should be symmetric are averaged.

    Args:
        tensor: (..., 3, 3, 3, 3), (..., 3, 3) or (..., 3, 3, 3), the tensor in Cartesian indices.
        kind: Kind of the tensor.

    Raises:
        DataError: The tensor has another shape.
    """
    found = shaped(tensor, kind.cartesian_shape, f"{kind.name} tensor in Cartesian indices")
    start = found.ndim - kind.rank
    for rank in kind.axes:
        if rank == 2:
            moved = np.moveaxis(found, (start, start + 1), (0, 1))
            paired = (moved[_FIRST, _SECOND] + moved[_SECOND, _FIRST]) / 2
            found = np.moveaxis(paired, 0, start)
        start += 1
    return found


def voigt_to_cartesian(matrix: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return a tensor in Cartesian indices, (..., 3, 3, 3, 3), (..., 3, 3) or (..., 3, 3, 3).

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Voigt notation.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape.
    """
    found = shaped(matrix, kind.matrix_shape, f"{kind.name} matrix")
    start = found.ndim - 2
    for rank in kind.axes:
        if rank == 2:
            found = np.take(found, _INDEX, axis=start)
        start += rank
    return found


def mandel_weights(kind: TensorKind) -> NDArray[np.float64]:
    """Return the factors of a matrix in Mandel notation against the same tensor in Voigt notation, (6, 6), (3, 3) or (3, 6).

    Args:
        kind: Kind of the tensor.
    """
    rows, columns = (_MANDEL if rank == 2 else np.ones(3) for rank in kind.axes)
    weights: NDArray[np.float64] = rows[:, None] * columns
    return weights


def voigt_to_mandel(matrix: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the matrix in Mandel notation, in the shape of the one in Voigt notation.

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Voigt notation, of a stiffness if it is elastic.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape.
    """
    return shaped(matrix, kind.matrix_shape, f"{kind.name} matrix") * mandel_weights(kind)


def mandel_to_voigt(matrix: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the matrix in Voigt notation, of a stiffness if it is elastic.

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Mandel notation.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape.
    """
    return shaped(matrix, kind.matrix_shape, f"{kind.name} matrix") / mandel_weights(kind)


def cartesian_to_mandel(tensor: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the Mandel matrix of a tensor, (..., 6, 6), (..., 3, 3) or (..., 3, 6).

    Args:
        tensor: (..., 3, 3, 3, 3), (..., 3, 3) or (..., 3, 3, 3), the tensor in Cartesian indices.
        kind: Kind of the tensor.

    Raises:
        DataError: The tensor has another shape.
    """
    return cartesian_to_voigt(tensor, kind) * mandel_weights(kind)


def mandel_to_cartesian(matrix: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return a tensor in Cartesian indices, (..., 3, 3, 3, 3), (..., 3, 3) or (..., 3, 3, 3).

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix in Mandel notation.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape.
    """
    return voigt_to_cartesian(mandel_to_voigt(matrix, kind), kind)


def compliance_to_voigt(tensor: ArrayLike) -> np.ndarray:
    """Return the Voigt matrix of a compliance, (..., 6, 6): s_44 = 4 S_yzyz.

    Args:
        tensor: (..., 3, 3, 3, 3), the compliance in Cartesian indices.

    Raises:
        DataError: The tensor has another shape.
    """
    return cartesian_to_voigt(tensor, ELASTIC) * mandel_weights(ELASTIC) ** 2


def compliance_to_cartesian(matrix: ArrayLike) -> np.ndarray:
    """Return a compliance in Cartesian indices, (..., 3, 3, 3, 3).

    Args:
        matrix: (..., 6, 6), the compliance in Voigt notation, the inverse of the stiffness in Voigt notation.

    Raises:
        DataError: The matrix has another shape.
    """
    return voigt_to_cartesian(shaped(matrix, (6, 6), "compliance matrix") / mandel_weights(ELASTIC) ** 2, ELASTIC)


def matrix_to_components(matrix: ArrayLike, kind: TensorKind) -> NDArray[np.float64]:
    """Return the independent components of a matrix in the order of `kind.components`, (..., 21), (..., 6) or (..., 18).

    Args:
        matrix: (..., 6, 6), (..., 3, 3) or (..., 3, 6), the matrix, in Voigt or in Mandel notation.
        kind: Kind of the tensor.

    Raises:
        DataError: The matrix has another shape.
    """
    rows, columns = kind.positions
    return shaped(matrix, kind.matrix_shape, f"{kind.name} matrix")[..., rows, columns]


def components_to_matrix(components: ArrayLike, kind: TensorKind) -> np.ndarray:
    """Return the matrix, (..., 6, 6), (..., 3, 3) or (..., 3, 6), in the notation of the components.

    Args:
        components: (..., 21), (..., 6) or (..., 18), the independent components in the order of `kind.components`.
        kind: Kind of the tensor.

    Raises:
        DataError: There is another number of components.
    """
    rows, columns = kind.positions
    given = shaped(components, (len(rows),), f"list of {kind.name} components")
    matrix = np.zeros((*given.shape[:-1], *kind.matrix_shape))
    if kind.symmetric:
        matrix[..., columns, rows] = given
    matrix[..., rows, columns] = given
    return matrix
