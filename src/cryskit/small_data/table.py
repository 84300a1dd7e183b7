"""The table that a model is fitted to: crystals with a graph, their labels, and which of them have to stay together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit import properties
from cryskit.data.classes import with_class_targets
from cryskit.data.targets import property_name
from cryskit.elements import formula
from cryskit.errors import DataError, counted
from cryskit.graphs.build import build_usable
from cryskit.types import GraphSpec, Property

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.predict.outside import OutsideVectors
    from cryskit.types import Crystal, Graph

SPEC = GraphSpec()
"""The graph that all encoders are given: smooth neighbourhoods, whatever they were pre-trained on."""
LEAST = 10
"""Fewer labels than these are no table to learn from."""
GUESS = 50
"""With fewer labels than these every crystal is judged alone (leave-one-out), and the result is called a guess."""

_SKEWED = 1.0  # skewness beyond which the logarithm of positive labels is tried


@dataclass(frozen=True)
class Table:
    """Crystals with known values of one property.

    Attributes:
        crystals: The crystals, in order.
        wanted: The property.
        values: (n,) the labels, in the unit of the property; of a class their numbers.
        groups: (n,) the number of the reduced formula of each crystal: polymorphs are never divided.
        graph: The graph of all crystals.
        transforms: Transforms under which the property may be learned; which is the better one is for the inner folds to say. Of a class
            "none".
        left_out: Id of a row to the reason why it is not used.
    """

    crystals: list[Crystal]
    wanted: Property
    values: np.ndarray
    groups: np.ndarray
    graph: Graph
    transforms: tuple[str, ...]
    left_out: dict[str, str]

    def __len__(self) -> int:
        return len(self.values)

    def learned(self, transform: str) -> np.ndarray:
        """Return the labels as they are learned under a transform, (n,)."""
        return learned_of(self.values, transform)

    def judged(self, values: Any) -> np.ndarray:
        """Return values of the property on the scale on which errors are counted: decimal logarithm or the value itself.

        Args:
            values: Any array of values, in the unit of the property.
        """
        if self.wanted.transform != "log10":
            return np.asarray(values)
        found: np.ndarray = np.log10(np.maximum(values, np.finfo(float).tiny))
        return found

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of the classes, (n,) int64; of a property that is a class."""
        return self.values.astype(np.int64)

    @property
    def unit(self) -> str:
        """Unit of the errors."""
        return f"log10 {self.wanted.unit}".rstrip() if self.wanted.transform == "log10" else self.wanted.unit

    def under(self, transform: Any) -> Property:
        """Return the property as it is learned under a transform."""
        return replace(self.wanted, transform=transform)


def learned_of(values: np.ndarray, transform: str) -> np.ndarray:
    """Return values of a property as they are learned.

    Args:
        values: Values in the unit of the property.
        transform: "log10" or "none".
    """
    found: np.ndarray = np.log10(values) if transform == "log10" else values
    return found


def physical(learned: Any, transform: str) -> np.ndarray:
    """Return learned values in the unit of the property.

    Args:
        learned: Values as they are learned.
        transform: "log10" or "none".
    """
    found: np.ndarray = np.power(10.0, learned) if transform == "log10" else np.asarray(learned)
    return found


def table_of(crystals: Sequence[Crystal], target: str | Property, cache: Path | None = None) -> Table:
    """Return the rows of a data set that have a usable label of a scalar and a graph.

    Args:
        crystals: The data set; ids need not be unique.
        target: The property or its name, its alias, or a column that the registry does not know.
        cache: Folder where built graphs are kept.

    Raises:
        DataError: No crystal has the label, there are too few, or they do not differ.
    """
    wanted = properties.registered_or_new(property_name(target)) if isinstance(target, str) else target
    name = wanted.name
    known = [c for c in crystals if np.isfinite(c.targets.get(name, np.nan))]
    if not known:
        columns = sorted({column for crystal in crystals for column in crystal.targets})
        raise DataError(f"No crystal has a value of {name}", f"The data has {', '.join(columns) or 'no numbers'}")
    low, high = wanted.range
    inside = [c for c in known if low <= c.targets[name] <= high]
    left_out = {c.id: f"{name} {c.targets[name]:g} is outside {low:g} to {high:g}" for c in known if c not in inside}
    made = _with_graphs(inside, wanted, left_out, cache)
    if np.ptp(made.values) == 0:
        raise DataError(f"All values of {name} are {made.values[0]:g}", "Give crystals that differ")
    return replace(made, transforms=_transforms(wanted, made.values))


def class_table_of(crystals: Sequence[Crystal], wanted: Property, cache: Path | None = None) -> Table:
    """Return the rows of a data set that have a usable label of a class and a graph; values are the numbers of the classes.

    Args:
        crystals: The data set; ids need not be unique.
        wanted: The property.
        cache: Folder where built graphs are kept.

    Raises:
        DataError: There are too few labels, or a class has crystals of fewer than two formulas.
    """
    name = wanted.name
    known = [c for c in with_class_targets(crystals, [wanted]) if name in c.targets]
    inside = [c for c in known if c.targets[name] >= 0]
    others = [c for c in known if c.targets[name] < 0]
    left_out = {c.id: f"{name} {c.labels[name]!r} is none of {', '.join(wanted.classes)}" for c in others}
    made = _with_graphs(inside, wanted, left_out, cache)
    for number, label in enumerate(wanted.classes):
        count = len(np.unique(made.groups[made.values == number]))
        if count < 2:
            raise DataError(
                f"Crystals of {counted(count, 'formula')} have the {name} {label!r}, too few to learn and to judge it",
                "Give crystals of two formulas or more of each class, or leave its rows out",
            )
    return made


def _with_graphs(crystals: list[Crystal], wanted: Property, left_out: dict[str, str], cache: Path | None) -> Table:
    """Return a table of the crystals that have a graph, all of which have a label."""
    graph, errors = build_usable(crystals, SPEC, cache=cache)
    usable = [crystal for row, crystal in enumerate(crystals) if row not in errors]
    values = np.array([crystal.targets[wanted.name] for crystal in usable], dtype=np.float64)
    if len(values) < LEAST:
        raise DataError(
            f"{counted(len(values), 'crystal')} with a value of {wanted.name} are too few to learn from",
            f"Give at least {LEAST}; {GUESS} or more for a result that can be trusted",
        )
    formulas = np.array([formula(crystal.numbers) for crystal in usable])
    groups = np.unique(formulas, return_inverse=True)[1]
    unusable = {crystals[row].id: str(error) for row, error in errors.items()}
    return Table(usable, wanted, values, groups, graph, ("none",), left_out | unusable)


def with_outside(table: Table, vectors: OutsideVectors) -> Table:
    """Return a table whose graph has the vectors of another program.

    Args:
        table: The table.
        vectors: The vectors.

    Raises:
        DataError: A crystal has none, or that of another crystal.
    """
    graph, reasons = vectors.attached(table.graph, table.crystals)
    lacking = [reason for reason in reasons if reason]
    if lacking:
        raise DataError(
            f"{counted(len(lacking), 'crystal')} of {len(table)} cannot be used with these vectors: {lacking[0]}",
            "Make the table of vectors from the same crystals (`cryskit data convert` writes them as they are read), or leave these rows out",
        )
    return replace(table, graph=graph)


def _transforms(wanted: Property, values: np.ndarray) -> tuple[str, ...]:
    """Return the transforms that are tried: that of the registry, and the logarithm of positive, skewed labels."""
    if wanted.transform == "log10":
        return ("log10",)
    if values.min() <= 0:
        return ("none",)
    apart = (values - values.mean()) / max(values.std(), 1e-300)
    return ("none", "log10") if (apart**3).mean() > _SKEWED else ("none",)
