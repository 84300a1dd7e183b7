"""What is looked for: the largest, the smallest, or a given value of a quantity; of properties in suggestions, of columns in screenings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cryskit.errors import PlanError, UnknownNameError, shortened
from cryskit.properties import registered_or_new

if TYPE_CHECKING:
    from collections.abc import Collection

    from jaxtyping import Float

_EXTREME = re.compile(r"(max|min)(?:imi[sz]e)?\s+(.+)", re.IGNORECASE)
_NEAR = re.compile(r"(.+?)\s+near\s+(\S+)", re.IGNORECASE)
_SHORT = re.compile(r"(-?)(?!(?:max|min|near)$)([^\s-]\S*)", re.IGNORECASE)


@dataclass(frozen=True)
class Goal:
    """What is looked for.

    Attributes:
        name: Name of the property or column.
        kind: "max", "min" or "near".
        value: The value that is looked for, in the unit of the property; only for "near".
    """

    name: str
    kind: Literal["max", "min", "near"]
    value: float = float("nan")

    @classmethod
    def parse(cls, text: str, columns: Collection[str] | None = None) -> Goal:
        """Return the goal that a text says: "max band_gap" (short: "band_gap"), "min band_gap" ("-band_gap") or "band_gap near 1.5".

        Args:
            text: The text; a property may be called by an alias.
            columns: Columns of which one is named; None for any property, registered or not.

        Raises:
            PlanError: It says no goal.
            UnknownNameError: There is no such column.
        """
        wanted = text.strip()
        if found := _EXTREME.fullmatch(wanted):
            return cls(_named(found[2], columns), "max" if found[1].lower() == "max" else "min")
        if (found := _NEAR.fullmatch(wanted)) and (value := _number(found[2])) is not None:
            return cls(_named(found[1], columns), "near", value)
        if found := _SHORT.fullmatch(wanted):
            return cls(_named(found[2], columns), "min" if found[1] else "max")
        raise PlanError(
            f"{shortened(text)!r} is no goal",
            'Say "max bulk_modulus", "min formation_energy_per_atom" or "band_gap near 1.5"',
        )

    def __str__(self) -> str:
        return f"{self.name} near {self.value:g}" if self.kind == "near" else f"{self.kind} {self.name}"

    def worth(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return how good values are, the more the better, on the scale of the values.

        Args:
            values: Values of the property.
        """
        if self.kind == "near":
            return -np.abs(values - self.value)
        return values if self.kind == "max" else -values

    def on(self, scale: float) -> Goal:
        """Return the goal with another number for the value that is looked for, on another scale of the property."""
        return Goal(self.name, self.kind, scale)


def _named(text: str, columns: Collection[str] | None) -> str:
    """Return the name of a property or, where columns are given, of one of these."""
    if columns is not None and text in columns:
        return text
    name = registered_or_new(text).name
    if columns is not None and name not in columns:
        raise UnknownNameError("column of numbers", text, columns)
    return name


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if np.isfinite(found) else None
