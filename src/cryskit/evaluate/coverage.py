"""Whether intervals keep their word: how many labels they cover, and how wide they are, for all crystals and for kinds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cryskit.elements import ELEMENTS
from cryskit.reliability.groups import GROUPS, groups_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from jaxtyping import Bool
    from numpy.typing import ArrayLike

    from cryskit.types import Crystal, Failure, Property

LEAST = 20
"""Labelled crystals that a kind needs to be shown."""

SMALL, LARGE = 4, 40
"""Atoms of the cells that are shown apart."""

_FIFTHS = 5  # bins of equal numbers of crystals, by the width of their intervals
_SAME = 1e-4  # relative: floats of a network that are equal but for rounding


def coverage(table: pd.DataFrame, prop: Property, items: Sequence[Crystal | Failure]) -> dict[str, dict[str, float]]:
    """Return how well the intervals of a property cover its labels.

    Args:
        table: Predictions with intervals and labels, `<property>_lo`, `_hi` and `_true`, one row per item.
        prop: The property.
        items: The crystals and failures that were predicted, in the order of the rows.

    Returns:
        Kind of crystals to figures: crystals (rows compared), coverage (share of labels inside), width (mean width, in the
        unit of the property; of the logarithm as width_log10 where that is learned), rank (rank correlation of width and size of the error). The
        kinds are "all", groups by chemistry and size (`reliability.groups`) and fifths by width, narrowest first; those with fewer
        than 20 labelled crystals are left out. Empty if nothing has an interval.
    """
    truth, value, low, high = (table[f"{prop.name}{end}"].to_numpy(float) for end in ("_true", "", "_lo", "_hi"))
    logarithmic = prop.transform == "log10"
    known = np.isfinite(truth) & np.isfinite(low) & (truth > 0 if logarithmic else True)
    if not known.any():
        return {}
    scale = np.log10 if logarithmic else np.asarray
    truth, value, low, high = (scale(np.where(known, numbers, 1.0)) for numbers in (truth, value, low, high))
    width, error = high - low, np.abs(truth - value)
    rounding = _SAME * np.maximum(1.0, np.abs(truth))
    inside = (truth >= low - rounding) & (truth <= high + rounding)
    of_unit = table[f"{prop.name}_hi"].to_numpy(float) - table[f"{prop.name}_lo"].to_numpy(float)
    widths = {"width": of_unit} | ({"width_log10": width} if logarithmic else {})
    return figures_by_kind(items, known, width, error, inside, widths)


def figures_by_kind(
    items: Sequence[Crystal | Failure],
    known: Bool[np.ndarray, " rows"],
    width: np.ndarray,
    error: np.ndarray,
    inside: Bool[np.ndarray, " rows"],
    widths: Mapping[str, np.ndarray] | None = None,
) -> dict[str, dict[str, float]]:
    """Return coverage, mean width and rank correlation of width and error, for kinds of crystals.

    Args:
        items: Crystals and failures, in the order of the rows.
        known: Rows that have an interval and a label.
        width: (rows,) widths of the intervals, by which the fifths are made and which errors are compared with.
        error: (rows,) sizes of the errors.
        inside: Rows whose label is inside the interval.
        widths: Name of a figure to the widths whose mean it is; "width" alone by default.
    """
    found = {}
    for kind, chosen in _kinds(items, width, known).items():
        if chosen.sum() >= LEAST or kind == "all":
            found[kind] = {
                "crystals": int(chosen.sum()),
                "coverage": float(inside[chosen].mean()),
                **{name: float(each[chosen].mean()) for name, each in (widths or {"width": width}).items()},
                "rank": rank_correlation(width[chosen], error[chosen]),
            }
    return found


def groups_of_crystals(items: Sequence[Crystal | Failure]) -> Bool[np.ndarray, "rows groups"]:
    """Return the groups of crystals in the order of `GROUPS`; a failure is in none.

    Args:
        items: Crystals and failures.
    """
    none = np.zeros(0, dtype=np.int64)
    numbers = [getattr(item, "numbers", none) for item in items]
    counts = np.array([np.bincount(n[n <= ELEMENTS], minlength=ELEMENTS + 1) for n in numbers]).reshape(len(items), -1)
    found: np.ndarray = groups_of(torch.from_numpy(counts).float()).numpy() & (counts.sum(1) > 0)[:, None]
    return found


def rank_correlation(left: ArrayLike, right: ArrayLike) -> float:
    """Return Spearman's rank correlation; 0 where one side does not vary."""
    from scipy.stats import rankdata  # noqa: PLC0415 - takes a while to import

    one, other = rankdata(left), rankdata(right)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _kinds(
    items: Sequence[Crystal | Failure], width: np.ndarray, known: Bool[np.ndarray, " rows"]
) -> Mapping[str, np.ndarray]:
    member, atoms = groups_of_crystals(items), np.array([len(getattr(item, "numbers", ())) for item in items])
    kinds = {name: known & member[:, column] for column, name in enumerate(GROUPS)}
    kinds[f"cells of at most {SMALL} atoms"] = known & (atoms <= SMALL)
    kinds[f"cells of more than {LARGE} atoms"] = known & (atoms > LARGE)
    kinds["all"] = known
    order = np.argsort(np.argsort(np.where(known, width, np.inf), kind="stable"), kind="stable")
    fifth = order * _FIFTHS // known.sum()
    names = ("narrowest fifth", "second fifth", "third fifth", "fourth fifth", "widest fifth")
    return kinds | {name: known & (fifth == number) for number, name in enumerate(names)}
