"""Predicted tensors: from what a model computes to matrices in a frame, and their columns in tables.

A row has each tensor twice: its components in columns of their own, `<property>_c11` and so on, and the whole matrix under the name of
the property. A schema has the columns of components; `units.with_matrices` puts a list in their place, for files that can hold one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa

from cryskit.errors import DataError, PlanError, UnknownNameError
from cryskit.predict.classes import by_property
from cryskit.predict.units import MATRIX, UNIT
from cryskit.properties import get
from cryskit.symmetry import NAMED_TOLERANCE, point_group
from cryskit.tensors.derived import derived, quantities
from cryskit.tensors.frames import ieee_rotation
from cryskit.tensors.kinds import TENSOR_KINDS
from cryskit.tensors.notation import components_to_matrix, matrix_to_components
from cryskit.tensors.project import project, residual
from cryskit.tensors.rotate import rotate_matrix
from cryskit.types import TensorPrediction

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from cryskit.tensors.derived import Quantities
    from cryskit.tensors.kinds import TensorKind
    from cryskit.types import Crystal, Property

Frame = Literal["input", "ieee"]
"""The frame in which tensors are given: that of the lattice as it was read, or the standard one (`tensors.frames`)."""
FRAME, ROTATION, ERROR = "frame", "rotation", "error"
"""Columns of every table with tensors, and the ending of the column of the expected error of each."""
TURNED = tuple(f"{ROTATION}_{row}{column}" for row in range(1, 4) for column in range(1, 4))
"""Columns of the numbers of the rotation from the frame of the lattice to the standard frame."""
_DIGITS = 6  # of the norm of a tensor that are more than the rounding of 32 bits
_ROUNDING = 1e-2  # percent of a tensor
_PLACES = 12  # behind the point of a rotation
_TYPES = {"number": pa.float64(), "truth": pa.bool_(), "words": pa.string()}
_ENDS = ("_std", "_lo", "_hi")


def require_frame(frame: str) -> None:
    """Refuse a frame that there is not.

    Raises:
        UnknownNameError: It is neither "input" nor "ieee".
    """
    if frame not in get_args(Frame):
        raise UnknownNameError("frame of tensors", frame, get_args(Frame))


def require_tensors(properties: Iterable[Property]) -> None:
    """Refuse properties from which nothing follows.

    Args:
        properties: The properties that are predicted.

    Raises:
        PlanError: None of them is a tensor from which something follows.
    """
    chosen = list(properties)
    if not any(map(quantities, chosen)):
        names = ", ".join(each.name for each in chosen)
        raise PlanError(f"Nothing follows from {names}", "Derive from an elastic or dielectric tensor")


def tensors_of(
    properties: Sequence[Property], outputs: np.ndarray, crystal: Crystal, errors: Mapping[str, float]
) -> dict[str, TensorPrediction]:
    """Return the predicted tensors of a crystal and what follows from them, by the name of the property.

    Components are rounded to a millionth of the tensor's size, so that those that symmetry makes zero or equal are.

    Args:
        properties: Properties of the model, in order.
        outputs: (outputs,) what the model computed of the crystal, as `Predictor.forward` gives it.
        crystal: The crystal.
        errors: Property name to the error that is expected of its tensor, where the model gives one.
    """
    parts = [part for part in zip(properties, by_property(properties, outputs[None]), strict=True) if part[0].tensor]
    rotation = ieee_rotation(crystal).round(_PLACES) + 0.0 if parts else np.eye(3)
    found = {}
    for wanted, part in parts:
        kind = TENSOR_KINDS[wanted.symmetry]
        matrix = _rounded(_symmetric(components_to_matrix(part[0], kind), crystal, kind))
        more = _derived(matrix, crystal, wanted)
        found[wanted.name] = TensorPrediction(matrix, rotation, more, errors.get(wanted.name, float("nan")))
    return found


def known_tensors(crystal: Crystal) -> dict[str, TensorPrediction]:
    """Return the tensors that a crystal has as labels and what follows from them, as if they were predicted.

    Args:
        crystal: Crystal with tensors in the frame of its lattice.
    """
    if not crystal.tensors:
        return {}
    rotation = ieee_rotation(crystal, NAMED_TOLERANCE).round(_PLACES) + 0.0
    return {
        name: TensorPrediction(matrix, rotation, _derived(matrix, crystal, get(name)))
        for name, matrix in crystal.tensors.items()
    }


def _symmetric(matrix: np.ndarray, crystal: Crystal, kind: TensorKind) -> np.ndarray:
    """Return a matrix without the rounding of 32 bits in its symmetry; one that has not that symmetry stays as it is."""
    group = point_group(crystal)
    return project(matrix, group, kind) if residual(matrix, group, kind) < _ROUNDING else matrix


def _rounded(matrix: np.ndarray) -> np.ndarray:
    largest = float(np.abs(matrix).max())
    return matrix.round(_DIGITS - int(np.ceil(np.log10(largest)))) + 0.0 if largest > 0 else matrix


def _derived(matrix: np.ndarray, crystal: Crystal, wanted: Property) -> Quantities:
    """Return what follows from a tensor; nothing if it is not positive definite, as heads without that constraint may give it."""
    try:
        found = derived(matrix, crystal, wanted)
    except DataError:
        return {}
    return {name: float(f"{value:.7g}") if isinstance(value, float) else value for name, value in found.items()}


def fields_of(wanted: Property, *, error: bool) -> list[pa.Field]:
    """Return the columns of a tensor, one for each independent component, and that of its expected error.

    Args:
        wanted: The tensor property.
        error: Whether the model gives expected errors.
    """
    about = {UNIT: wanted.unit, MATRIX: wanted.name}
    fields = [pa.field(name, pa.float64(), metadata=about) for name in wanted.columns]
    return fields + [pa.field(f"{wanted.name}_{ERROR}", pa.float64(), metadata={UNIT: ""})] * error


def frame_fields() -> list[pa.Field]:
    """Return the columns that say in which frame the tensors of a row are, and how to turn them into the other one."""
    about = {UNIT: "", MATRIX: ROTATION}
    return [pa.field(FRAME, pa.string()), *(pa.field(name, pa.float64(), metadata=about) for name in TURNED)]


def derived_fields(wanted: Iterable[Property], taken: Container[str], judged: Container[str]) -> list[pa.Field]:
    """Return the columns of the quantities that follow from tensors.

    Args:
        wanted: Properties of a table.
        taken: Names of quantities that have columns already.
        judged: Names of quantities that have intervals.
    """
    unique = {each.name: each for one in wanted for each in quantities(one) if each.name not in taken}
    fields = []
    for name, each in unique.items():
        about = {UNIT: each.unit} if each.kind == "number" else None
        ends = _ENDS if name in judged else ()
        fields += [pa.field(f"{name}{end}", _TYPES[each.kind], metadata=about) for end in ("", *ends)]
    return fields


def cells_of(tensors: Mapping[str, TensorPrediction], frame: Frame) -> dict[str, Any]:
    """Return what stands in the columns of tensors, and of what follows from them.

    Args:
        tensors: Property name to predicted tensor.
        frame: Frame in which the tensors are given.
    """
    row: dict[str, Any] = {}
    for name, found in tensors.items():
        kind = next(kind for kind in TENSOR_KINDS.values() if kind.matrix_shape == found.matrix.shape)
        row = {**found.derived, **row}
        matrix = _rounded(rotate_matrix(found.matrix, found.rotation, kind)) if frame == "ieee" else found.matrix
        values = zip(kind.components, matrix_to_components(matrix, kind).tolist(), strict=True)
        row |= {name: matrix, f"{name}_{ERROR}": found.error, **{f"{name}_{label}": value for label, value in values}}
        turned = zip(TURNED, found.rotation.ravel().tolist(), strict=True)
        row |= {FRAME: frame, ROTATION: found.rotation, **dict(turned)}
    return row
