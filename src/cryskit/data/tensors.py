"""Tensors as labels: the columns that hold them, their matrices, and the numbers that a network learns of a crystal.

A tensor is a matrix in Voigt's notation, in the frame of the lattice that stands in the same row: a list of rows, all components row by row in
one list, all Cartesian components, or a column for each component: `<property>_c11`, `<property>_11` or `c11` alone.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit import properties
from cryskit.data.targets import is_number, property_name
from cryskit.errors import UnreadableError
from cryskit.symmetry import NAMED_TOLERANCE
from cryskit.tensors.frames import ieee_rotation
from cryskit.tensors.kinds import tensor_kind
from cryskit.tensors.notation import cartesian_to_voigt, matrix_to_components
from cryskit.tensors.rotate import rotate_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryskit.types import Crystal, Property

_AVERAGED: Mapping[str, str] = MappingProxyType(
    {"dielectric_total": "dielectric_tensor", "dielectric_electronic": "dielectric_tensor_electronic"}
)
"""Tensors whose columns of lists have the name of their average over directions."""
_LETTERS: Mapping[str, str] = MappingProxyType(
    {"c": "elastic_tensor", "eps": "dielectric_tensor", "e": "piezoelectric_tensor"}
)
"""Letters of components that stand in columns without the name of a property, to the property."""
_COMPONENT = re.compile(
    r"(?:(?P<name>\w+?)_)??(?P<letters>c|eps|e)?_?(?P<row>[1-6])(?P<column>[1-6])", re.IGNORECASE | re.ASCII
)


@cache
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


class RowTensors(NamedTuple):
    """The tensors of a row.

    Attributes:
        tensors: Property name to matrix, of those that are known.
        columns: Columns of the row that hold tensors, or components of tensors of which all components are known.
    """

    tensors: dict[str, np.ndarray]
    columns: set[Any]


def tensors_in(row: Mapping[Any, Any]) -> RowTensors:
    """Return the tensors of a row; of a matrix and components for one property, the matrix counts.

    Args:
        row: Column to value: lists, arrays, JSON texts of lists, tensors of pymatgen, or numbers that are components.

    Raises:
        UnreadableError: A tensor has another shape, or something that is no number.
    """
    tensors, columns = tensors_of_components(row)
    for column, value in row.items():
        wanted = tensor_of_column(column) if isinstance(column, str) else None
        values = _nested(value) if wanted else None
        if wanted and values is not None:
            columns.add(column)
            if (matrix := _matrix(values, wanted)) is not None:
                tensors[wanted.name] = matrix
    return RowTensors(tensors, columns)


def tensors_of_components(row: Mapping[Any, Any]) -> RowTensors:
    """Return the tensors whose components all have columns of their own; the others of a symmetric matrix are taken from these.

    Args:
        row: Column to value.
    """
    parts: dict[str, dict[str, tuple[int, int]]] = {}
    for column, value in row.items():
        component = component_of(column) if isinstance(column, str) else None
        if component and is_number(value):
            parts.setdefault(component.property, {})[column] = component.row, component.column
    found = RowTensors({}, set())
    for name, places in parts.items():
        kind = tensor_kind(properties.get(name).symmetry)
        matrix = np.full(kind.matrix_shape, np.nan)
        for column, place in places.items():
            matrix[place] = row[column]
        if kind.symmetric:
            matrix = np.where(np.isnan(matrix), matrix.T, matrix)
        if np.isfinite(matrix).all():
            found.tensors[name] = matrix
            found.columns.update(places)
    return found


class Component(NamedTuple):
    """The place of a component in the matrix of a tensor.

    Attributes:
        property: Name of the tensor property.
        row: Row in the matrix, from 0.
        column: Column in the matrix, from 0.
    """

    property: str
    row: int
    column: int


@cache
def component_of(column: str) -> Component | None:
    """Return which component of which tensor a column holds, or None.

    Args:
        column: Name of the column: `elastic_tensor_c11`, `elastic_tensor_11`, or `c11`, `eps11` and `e11` alone.
    """
    match = _COMPONENT.fullmatch(column)
    if match is None:
        return None
    name, letters = match["name"] or "", (match["letters"] or "").lower()
    wanted = tensor_of_column(name) if name else properties.load().get(_LETTERS.get(letters, ""))
    if wanted is None or letters not in {"", tensor_kind(wanted.symmetry).prefix}:
        return None
    place = int(match["row"]) - 1, int(match["column"]) - 1
    inside = all(index < length for index, length in zip(place, tensor_kind(wanted.symmetry).matrix_shape, strict=True))
    return Component(wanted.name, *place) if inside else None


def _nested(value: Any) -> Any:
    """Return the numbers of a tensor as nested lists or an array, None if the value is no such thing."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"{value[:40]!r} is no list of numbers ({error})", "Give it as JSON") from error
    if isinstance(value, dict):  # tensors of pymatgen, and those of the Materials Project in both frames
        return next((value[key] for key in ("input_array", "data", "raw") if isinstance(value.get(key), list)), None)
    return value if isinstance(value, list | tuple | np.ndarray) else None


def _matrix(values: Any, wanted: Property) -> np.ndarray | None:
    """Return the matrix of a tensor, or None if it is not known."""
    kind = tensor_kind(wanted.symmetry)
    try:
        array = np.array([np.asarray(each, dtype=np.float64) for each in values], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableError(
            f"The {wanted.name} is no list of numbers ({error})", "Give a number for each component"
        ) from error
    if array.shape == kind.cartesian_shape:
        array = cartesian_to_voigt(array, kind)
    if array.ndim > 1 and array.shape != kind.matrix_shape:
        rows, columns = kind.matrix_shape
        shape = " x ".join(map(str, array.shape))
        raise UnreadableError(f"The {wanted.name} is {shape}", f"Give {rows} x {columns}, in Voigt's notation")
    return matrix_of(array.ravel(), wanted)


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


def from_ieee(crystal: Crystal) -> Crystal:
    """Return a crystal whose tensors were given in the IEEE standard frame with these in the frame of its lattice.

    Args:
        crystal: Crystal with tensors; one without stays as it is.
    """
    if not crystal.tensors:
        return crystal
    back = ieee_rotation(crystal, NAMED_TOLERANCE).T
    kinds = {name: tensor_kind(properties.get(name).symmetry) for name in crystal.tensors}
    turned = {name: rotate_matrix(matrix, back, kinds[name]) for name, matrix in crystal.tensors.items()}
    return replace(crystal, tensors=turned)
