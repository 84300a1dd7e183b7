"""What is looked for: the largest, the smallest, or a given value of a property; and what a value gains on the best one known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import norm

from cryskit.data.targets import property_name
from cryskit.errors import PlanError, shortened

if TYPE_CHECKING:
    from jaxtyping import Float

_EXTREME = re.compile(r"(max|min)(?:imi[sz]e)?\s+(.+)")
_NEAR = re.compile(r"(.+?)\s+near\s+(\S+)")


@dataclass(frozen=True)
class Goal:
    """What is looked for.

    Attributes:
        name: Name of the property.
        kind: "max", "min" or "near".
        value: The value that is looked for, in the unit of the property; only for "near".
    """

    name: str
    kind: Literal["max", "min", "near"]
    value: float = float("nan")

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Return the goal that a text says: "max bulk_modulus", "min formation_energy_per_atom" or "band_gap near 1.5".

        Args:
            text: The text; the property may be called by an alias.

        Raises:
            PlanError: It says no goal.
        """
        wanted = text.strip()
        if found := _EXTREME.fullmatch(wanted):
            return cls(property_name(found[2]), "max" if found[1] == "max" else "min")
        if (found := _NEAR.fullmatch(wanted)) and (value := _number(found[2])) is not None:
            return cls(property_name(found[1]), "near", value)
        raise PlanError(
            f"{shortened(text)!r} is no goal",
            'Say "max bulk_modulus", "min formation_energy_per_atom" or "band_gap near 1.5"',
        )

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

    def chance(
        self, mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], best: float
    ) -> Float[np.ndarray, " n"]:
        """Return the probabilities that values are better than the best one known.

        Args:
            mean: Expected values.
            deviation: Their standard deviations; values are taken for normally distributed.
            best: Worth of the best value known.
        """
        if self.kind != "near":
            found: np.ndarray = norm.cdf((self.worth(mean) - best) / deviation)
            return found
        inside: np.ndarray = norm.cdf((self.value - best - mean) / deviation) - norm.cdf(
            (self.value + best - mean) / deviation
        )
        return inside

    def gain(
        self, mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], best: float
    ) -> Float[np.ndarray, " n"]:
        """Return by how much values are expected to be better than the best one known: E[max(worth - best, 0)].

        Args:
            mean: Expected values.
            deviation: Their standard deviations; values are taken for normally distributed.
            best: Worth of the best value known.
        """
        if self.kind != "near":
            z = (self.worth(mean) - best) / deviation
            found: np.ndarray = deviation * (z * norm.cdf(z) + norm.pdf(z))
            return found
        below, above = self.value + best, self.value - best  # best is minus the distance of the best value
        ramps: np.ndarray = _ramp(mean, deviation, below, self.value) + _ramp(-mean, deviation, -above, -self.value)
        return ramps


def _ramp(
    mean: Float[np.ndarray, " n"], deviation: Float[np.ndarray, " n"], start: float, end: float
) -> Float[np.ndarray, " n"]:
    """Return the mean of (y - start) for start < y < end, and of 0 elsewhere."""
    low, high = (start - mean) / deviation, (end - mean) / deviation
    share = norm.cdf(high) - norm.cdf(low)
    found: np.ndarray = (mean - start) * share + deviation * (norm.pdf(low) - norm.pdf(high))
    return found


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if np.isfinite(found) else None
