"""Labels that cannot be: outside the physical range of their property, or infinite. They train nothing and choose no epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import write_json
from cryskit.data.classes import NONE
from cryskit.data.tensors import target_row
from cryskit.tensors.check import flaws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.tensors.kinds import TensorKind
    from cryskit.types import Crystal, Property

IMPOSSIBLE = "impossible-labels.json"
"""File of a run: every label that was left out, with its crystal and property."""
COUNT = "impossible labels"
"""Name of their number among the numbers of a card."""


class Impossible(NamedTuple):
    """A label that cannot be.

    Attributes:
        crystal: Id of the crystal.
        property: Name of the property.
        value: The label, in the unit of the property; -1 for a label that is none of its classes.
        reason: Why it cannot be.
    """

    crystal: str
    property: str
    value: float
    reason: str


def labels_of(crystals: Sequence[Crystal], wanted: Sequence[Property]) -> list[Any]:
    """Return the labels of crystals one after the other, None for one that is not known and the list of the components of a tensor.

    Args:
        crystals: Crystals with labels.
        wanted: What is learned.
    """
    return [
        target_row(crystal, [one]) if one.tensor else crystal.targets.get(one.name)
        for crystal in crystals
        for one in wanted
    ]


def without_impossible(
    crystals: Sequence[Crystal], wanted: Sequence[Property]
) -> tuple[list[Crystal], list[Impossible]]:
    """Return crystals without the labels that cannot be, and these labels.

    Args:
        crystals: Crystals with labels.
        wanted: What is learned; other labels stay as they are.
    """
    kept, found = [], []
    for crystal in crystals:
        wrong = [one for kind in wanted if (one := _impossible(crystal, kind))]
        found += wrong
        names = {one.property for one in wrong}
        targets = {name: value for name, value in crystal.targets.items() if name not in names}
        tensors = {name: value for name, value in crystal.tensors.items() if name not in names}
        kept.append(replace(crystal, targets=targets, tensors=tensors) if wrong else crystal)
    return kept, found


def _impossible(crystal: Crystal, kind: Property) -> Impossible | None:
    if kind.tensor:
        return _impossible_tensor(crystal, kind, kind.tensor)
    value = crystal.targets.get(kind.name, math.nan)
    low, high = kind.range
    if kind.classes and value == NONE:
        words = f"{crystal.labels.get(kind.name, '')!r} is none of the classes {', '.join(kind.classes)}"
        return Impossible(crystal.id, kind.name, value, words)
    if math.isnan(value) or (low <= value <= high and math.isfinite(value)):
        return None
    unit = f" {kind.unit}" if kind.unit else ""
    return Impossible(crystal.id, kind.name, value, f"It is outside the physical range of {low:g} to {high:g}{unit}")


def _impossible_tensor(crystal: Crystal, wanted: Property, kind: TensorKind) -> Impossible | None:
    """Return why a tensor cannot be, with its smallest eigenvalue as the value where that is the reason."""
    matrix = crystal.tensors.get(wanted.name)
    for flaw in flaws(matrix, kind) if matrix is not None else ():
        return Impossible(crystal.id, wanted.name, flaw.value, flaw.reason)
    return None


def note_impossible(found: Sequence[Impossible], folder: Path) -> None:
    """Write the labels that were left out into the folder of a run; nothing if there are none."""
    rows = [one._asdict() for one in found]
    for row in rows:
        if not math.isfinite(row["value"]):
            row["value"] = str(row["value"])  # JSON has no number for it
    if rows:
        write_json(rows, folder / IMPOSSIBLE)
