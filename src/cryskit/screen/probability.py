"""The probability that a condition holds, if each property is normal around its prediction with its calibrated deviation.

Properties are taken as independent of one another. A property that occurs twice in a condition is one property: that a band gap is above 1 and below 2
is not the product of two probabilities. What the condition says of composition, domain or ends of intervals holds or does not.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from cryskit.screen.values import NUMBER, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.screen.where import Condition

DRAWS = 1024
"""Values of each property that are tried: quantiles of equal probability, so that one property alone is exact within 0.001."""

_SEED = 20_26


def probability(condition: Condition, columns: Mapping[str, Value], uncertain: Sequence[str], rows: int) -> np.ndarray:
    """Return the probability that a condition holds for each row, (rows,) float; NaN where a deviation is missing.

    Args:
        condition: The condition.
        columns: Name of each column that it reads, and of the deviations, to its values.
        uncertain: Properties that have a deviation in a column `<property>_std`.
        rows: Number of rows.
    """
    chance = np.random.default_rng(_SEED)
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / DRAWS) for i in range(DRAWS)])
    draws = {name: chance.permutation(quantiles) for name in sorted(uncertain) if name in condition.names}
    found = np.empty(rows)
    for row in range(rows):
        tried = {
            name: Value(value.kind, np.repeat(value.array[row : row + 1], DRAWS)) for name, value in columns.items()
        }
        for name, quantile in draws.items():
            spread = columns[f"{name}_std"].array[row]
            tried[name] = Value(NUMBER, columns[name].array[row] + spread * quantile)
        held = condition.holds(tried)
        missing = any(np.isnan(columns[f"{name}_std"].array[row]) for name in draws)
        found[row] = np.nan if missing else held.mean()
    return found
