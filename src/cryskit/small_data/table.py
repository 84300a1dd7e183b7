"""The table that a model is fitted to: crystals with a graph, their labels, and which of them have to stay together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit import properties
from cryskit.data.targets import property_name
from cryskit.elements import formula
from cryskit.errors import DataError, UnknownNameError, counted
from cryskit.graphs.build import build_usable
from cryskit.types import GraphSpec, Property

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
        values: (n,) the labels, in the unit of the property.
        groups: (n,) the number of the reduced formula of each crystal: polymorphs are never divided.
        graph: The graph of all crystals.
        transforms: Transforms under which the property may be learned; which is the better one is for the inner folds to say.
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


def table_of(crystals: Sequence[Crystal], target: str, cache: Path | None = None) -> Table:
    """Return the rows of a data set that have a usable label and a graph.

    Args:
        crystals: The data set; ids need not be unique.
        target: Name of the property, its alias, or a column that the registry does not know.
        cache: Folder where built graphs are kept.

    Raises:
        DataError: No crystal has the label, there are too few, or they look like classes.
    """
    name = property_name(target)
    known = [c for c in crystals if np.isfinite(c.targets.get(name, np.nan))]
    if not known:
        columns = sorted({column for crystal in crystals for column in crystal.targets})
        raise DataError(f"No crystal has a value of {target}", f"The data has {', '.join(columns) or 'no numbers'}")
    wanted = _property(name)
    low, high = wanted.range
    inside = [c for c in known if low <= c.targets[name] <= high]
    graph, errors = build_usable(inside, SPEC, cache=cache)
    usable = [crystal for row, crystal in enumerate(inside) if row not in errors]
    values = np.array([crystal.targets[name] for crystal in usable], dtype=np.float64)
    left_out = {c.id: f"{name} {c.targets[name]:g} is outside {low:g} to {high:g}" for c in known if c not in inside}
    left_out |= {inside[row].id: str(error) for row, error in errors.items()}
    _refuse_useless(values, name)
    formulas = np.array([formula(crystal.numbers) for crystal in usable])
    groups = np.unique(formulas, return_inverse=True)[1]
    return Table(usable, wanted, values, groups, graph, _transforms(wanted, values), left_out)


def _property(name: str) -> Property:
    """Return a registered property, or one of this name without unit."""
    try:
        return properties.get(name)
    except UnknownNameError:
        return Property(name, name, "")


def _refuse_useless(values: np.ndarray, name: str) -> None:
    """Refuse too few labels, and labels that do not differ or are classes."""
    if len(values) < LEAST:
        raise DataError(
            f"{counted(len(values), 'crystal')} with a value of {name} are too few to learn from",
            f"Give at least {LEAST}; {GUESS} or more for a result that can be trusted",
        )
    if len(np.unique(values)) < 3:
        raise DataError(
            f"{name} has {len(np.unique(values))} different values: these are classes, not a quantity",
            "Give a column of numbers; models of classes are not fitted yet",
        )


def _transforms(wanted: Property, values: np.ndarray) -> tuple[str, ...]:
    """Return the transforms that are tried: that of the registry, and the logarithm of positive, skewed labels."""
    if wanted.transform == "log10":
        return ("log10",)
    if values.min() <= 0:
        return ("none",)
    apart = (values - values.mean()) / max(values.std(), 1e-300)
    return ("none", "log10") if (apart**3).mean() > _SKEWED else ("none",)
