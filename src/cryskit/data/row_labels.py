"""All labels of a row on its crystal: numbers, words and tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryskit.data.targets import labels, targets
from cryskit.data.tensors import tensors_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Crystal


def with_labels(crystal: Crystal, row: Mapping[Any, Any]) -> Crystal:
    """Return a crystal with the labels of a row besides those that it has.

    Args:
        crystal: The crystal.
        row: Column to value, of which structures, ids and texts are no labels.

    Raises:
        UnreadableError: A tensor has another shape, or something that is no number.
    """
    tensors, columns = tensors_in(row)
    rest = {column: value for column, value in row.items() if column not in columns} if columns else row
    return replace(
        crystal,
        targets={**crystal.targets, **targets(rest)},
        labels={**crystal.labels, **labels(rest)},
        tensors={**crystal.tensors, **tensors},
    )
