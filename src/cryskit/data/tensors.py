"""Tensors as labels: the columns that hold them, their matrices, and the numbers that a network learns of a crystal.

A tensor is a list of its components, row by row, in Voigt's notation and in the frame of the lattice that stands in the same row.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cryskit import properties
from cryskit.data.targets import property_name
from cryskit.errors import UnreadableError
from cryskit.tensors.notation import matrix_to_components

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryskit.types import Crystal, Property

_AVERAGED: Mapping[str, str] = MappingProxyType(
    {"dielectric_total": "dielectric_tensor", "dielectric_electronic": "dielectric_tensor_electronic"}
)
"""Tensors whose columns of lists have the name of their average over directions."""


def tensor_of_column(column: str) -> Property | None:
    """Return the tensor property whose tensors stand in a column of lists, or None if that is none.

    Args:
        column: Name of the column: that of the property, an alias, or the registered name of its average over directions.
    """
    name = property_name(column)
    known = properties.load()
    wanted = known.get(_AVERAGED.get(name, name))
    return wanted if wanted and wanted.tensor else None


def matrix_of(values: np.ndarray, wanted: Property) -> np.ndarray | None:
    """Return the matrix of a tensor, or None if the list is empty or has a number that is not finite: then it is unknown.

    Args:
        values: All components of the matrix, row by row.
        wanted: The tensor property.

    Raises:
        UnreadableError: The list has another length.
    """
    if not values.size:
        return None
    rows, columns = wanted.tensor.matrix_shape if wanted.tensor else (1, 1)
    if values.size != rows * columns:
        raise UnreadableError(
            f"The {wanted.name} has {values.size} numbers, expected {rows * columns}",
            f"Give {rows} rows of {columns} one after the other, in Voigt's notation",
        )
    return values.reshape(rows, columns) if np.isfinite(values).all() else None


def target_row(crystal: Crystal, wanted: Iterable[Property]) -> list[float]:
    """Return what is learned of a crystal: the targets of scalars and classes, the components of tensors; NaN where unknown.

    Args:
        crystal: Crystal with labels.
        wanted: Properties in the order of the numbers.
    """
    return [number for one in wanted for number in _numbers(crystal, one)]


def _numbers(crystal: Crystal, wanted: Property) -> list[float]:
    if wanted.tensor is None:
        return [crystal.targets.get(wanted.name, math.nan)]
    matrix = crystal.tensors.get(wanted.name)
    if matrix is None:
        return [math.nan] * wanted.outputs
    symmetric = (matrix + matrix.T) / 2 if wanted.tensor.symmetric else matrix
    return [float(value) for value in matrix_to_components(symmetric, wanted.tensor)]
