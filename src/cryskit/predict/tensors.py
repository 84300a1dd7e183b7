"""Predicted tensors: from what a model computes to matrices, and their columns in tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cryskit.predict.classes import by_property
from cryskit.tensors.kinds import TENSOR_KINDS
from cryskit.tensors.notation import components_to_matrix, matrix_to_components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Property

_DIGITS = (
    6  # of the norm of a tensor: what its components are rounded to, below which everything is rounding of 32 bits
)


def tensors_of(properties: Sequence[Property], outputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the matrices of predicted tensors in Voigt's notation, by the name of the property.

    Components are rounded to a millionth of the tensor's size, so that those that symmetry makes zero or equal are.

    Args:
        properties: Properties of the model, in order.
        outputs: (outputs,) what the model computed of a crystal, as `Predictor.forward` gives it.
    """
    parts = zip(properties, by_property(properties, outputs[None]), strict=True)
    return {one.name: components_to_matrix(_rounded(part[0]), one.tensor) for one, part in parts if one.tensor}


def _rounded(components: np.ndarray) -> np.ndarray:
    values = components.astype(np.float64)
    largest = float(np.abs(values).max())
    return values.round(_DIGITS - int(np.ceil(np.log10(largest)))) + 0.0 if largest > 0 else values


def fields_of(wanted: Property, unit: str) -> list[pa.Field]:
    """Return the columns of a tensor, one for each independent component.

    Args:
        wanted: The tensor property.
        unit: Key of the unit in the metadata of a column.
    """
    return [pa.field(name, pa.float64(), metadata={unit: wanted.unit}) for name in wanted.columns]


def cells_of(name: str, matrix: np.ndarray) -> dict[str, float]:
    """Return what stands in the columns of a tensor.

    Args:
        name: Name of the tensor property.
        matrix: Its matrix in Voigt's notation, whose shape says of which kind it is.
    """
    kind = next(kind for kind in TENSOR_KINDS.values() if kind.matrix_shape == matrix.shape)
    components = matrix_to_components(matrix, kind)
    return {f"{name}_{component}": float(value) for component, value in zip(kind.components, components, strict=True)}
