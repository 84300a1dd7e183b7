"""The kinds of tensor properties: their shapes, the names of their components, and their parity under inversion.

A kind is described by the axes of its matrix. An axis of rank 1 is a vector x, y, z; an axis of rank 2 is a symmetric pair of
indices in the order of Voigt: xx, yy, zz, yz, xz, xy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cryskit.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""The two Cartesian indices of each index of Voigt notation: xx, yy, zz, yz, xz, xy."""

_LENGTHS = {1: 3, 2: 6}  # of an axis of a matrix, by rank


@dataclass(frozen=True)
class TensorKind:
    """A kind of tensor property.

    Attributes:
        name: Name in the registry: elastic, dielectric or piezoelectric.
        prefix: Letters before the two numbers of a component, for example "c" in "c11".
        axes: Ranks of the axes of its matrix: 1 for a vector, 2 for a symmetric pair of indices.
        symmetric: Whether its matrix is symmetric.

    Example:
        >>> from cryskit.tensors.kinds import TENSOR_KINDS
        >>> elastic = TENSOR_KINDS["elastic"]
        >>> elastic.cartesian_shape, elastic.matrix_shape, len(elastic.components), elastic.components[:2]
        ((3, 3, 3, 3), (6, 6), 21, ('c11', 'c12'))
    """

    name: str
    prefix: str
    axes: tuple[int, int]
    symmetric: bool

    @property
    def rank(self) -> int:
        """The number of Cartesian indices."""
        return sum(self.axes)

    @property
    def cartesian_shape(self) -> tuple[int, ...]:
        """The shape in Cartesian indices: (3, 3, 3, 3), (3, 3) or (3, 3, 3)."""
        return (3,) * self.rank

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """The shape as a matrix: (6, 6), (3, 3) or (3, 6)."""
        return _LENGTHS[self.axes[0]], _LENGTHS[self.axes[1]]

    @property
    def vanishes_with_inversion(self) -> bool:
        """Whether it is zero in every centrosymmetric crystal, as tensors of odd rank are."""
        return self.rank % 2 == 1

    @cached_property
    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows and the columns in the matrix of the independent components, each (C,) int64."""
        rows, columns = np.indices(self.matrix_shape).reshape(2, -1)
        kept = rows <= columns if self.symmetric else rows >= 0
        return rows[kept], columns[kept]

    @cached_property
    def components(self) -> tuple[str, ...]:
        """The names of the independent components, row by row: c11, c12, ... c66."""
        return tuple(f"{self.prefix}{row + 1}{column + 1}" for row, column in zip(*self.positions, strict=True))


TENSOR_KINDS: Mapping[str, TensorKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            TensorKind("elastic", "c", (2, 2), symmetric=True),
            TensorKind("dielectric", "eps", (1, 1), symmetric=True),
            TensorKind("piezoelectric", "e", (1, 2), symmetric=False),
        )
    }
)
"""Name to kind of tensor property: stiffness, permittivity, and the piezoelectric stress constants."""

LEAST: Mapping[str, float] = MappingProxyType({"elastic": 0.0, "dielectric": 1.0})
"""Kind of tensor to the number above which its eigenvalues are, where there is one: of a stable crystal's stiffness in GPa, of a permittivity."""

ELASTIC = TENSOR_KINDS["elastic"]
DIELECTRIC = TENSOR_KINDS["dielectric"]
PIEZOELECTRIC = TENSOR_KINDS["piezoelectric"]


def tensor_kind(name: str) -> TensorKind:
    """Return a kind of tensor property by its name.

    Args:
        name: Name of the kind: elastic, dielectric or piezoelectric.

    Raises:
        UnknownNameError: There is no such kind.
    """
    try:
        return TENSOR_KINDS[name]
    except KeyError:
        raise UnknownNameError("kind of tensor", name, TENSOR_KINDS) from None
