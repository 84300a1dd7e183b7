"""Fit intervals to the errors of a model on crystals that it has not learned from.

Errors are compared with expected errors that were fitted without the formula of their crystal (cross-fitting), so every
calibration crystal serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cryskit.reliability.groups import GROUPS
from cryskit.reliability.intervals import LEVELS, Intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float

FEWEST = 9
"""Calibration crystals with a label that a property needs: fewer give no interval of the level 0.9."""
ENOUGH = 50
"""Calibration crystals from which on the expected error depends on the crystal; with fewer it is the same for all."""
OF_A_GROUP = 60
"""Calibration crystals that a group needs to have a factor of its own."""

_FOLDS = 5
_PENALTY = 10.0  # of the ridge regression, on standardised scores
_LEVEL = 0.9  # of the intervals by whose widths the power of the expected errors is chosen
_POWERS = np.linspace(0.2, 1.0, 9)
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of what its own errors say that a group is given: more makes intervals wider
_SHORT = 0.025  # share of a group by which its coverage may fall short of the level
_WIDEST = 0.2  # share of crystals whose intervals are the widest
_WIDEST_SHORT = 0.05  # by how much their coverage may fall short of the level
_NOTHING = 1e-9
_TINY = 1e-3  # of a standard deviation of labels: an error below this is as good as none


def fit_intervals(
    scores: Float[np.ndarray, "crystals properties scores"],
    errors: Float[np.ndarray, "crystals properties"],
    groups: Bool[np.ndarray, "crystals groups"],
    formulas: Sequence[str],
) -> Intervals:
    """Return intervals that are calibrated on errors.

    Args:
        scores: Scores of the predictions (`intervals.scores_of`).
        errors: Sizes of their errors on the standardised scale of the heads; NaN where there is no label.
        groups: Groups of the crystals (`groups.groups_of`).
        formulas: Their reduced formulas.
    """
    made = Intervals(errors.shape[1])
    for column in range(errors.shape[1]):
        known = np.isfinite(errors[:, column])
        if known.sum() >= FEWEST:
            names = np.array(formulas)[known]
            _fit_property(
                made, column, scores[known, column].astype(float), errors[known, column], groups[known], names
            )
    return made


def _fit_property(
    made: Intervals, column: int, scores: np.ndarray, errors: np.ndarray, groups: np.ndarray, formulas: np.ndarray
) -> None:
    from sklearn.model_selection import GroupKFold  # noqa: PLC0415 - takes a second to import

    wanted = np.log(errors + _TINY)
    weights = _line(scores, wanted)
    folds = min(_FOLDS, len(set(formulas)))
    if len(errors) < ENOUGH or folds < 2:
        expected = np.full(len(errors), weights[-1])
    else:
        expected = np.empty(len(errors))
        for train, rest in GroupKFold(folds).split(scores, groups=formulas):
            line = _line(scores[train], wanted[train])
            expected[rest] = scores[rest] @ line[:-1] + line[-1]
    power = _power(expected, errors)
    made.weights[column] = torch.from_numpy(power * weights)
    made.factors[column] = torch.from_numpy(_factors(np.log(errors + _NOTHING) - power * expected, groups))


def _line(scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the weights of the scores and a constant behind them, of a ridge regression."""
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    if len(wanted) < ENOUGH:
        return np.array([*np.zeros(scores.shape[1]), wanted.mean()])
    mean, deviation = scores.mean(0), scores.std(0)
    deviation[deviation < 1e-9] = np.inf  # a score that does not vary says nothing
    found = Ridge(alpha=_PENALTY).fit((scores - mean) / deviation, wanted)
    weights = found.coef_ / deviation
    return np.array([*weights, found.intercept_ - mean @ weights])


def _power(expected: np.ndarray, errors: np.ndarray) -> float:
    """Return the power of the expected errors whose multiples cover nine tenths of the errors with the narrowest intervals.

    A low power saves width at the crystals with the largest expected errors, which are then covered less often than the others. Powers
    by which the widest intervals fall short are passed over; where all do, the one by which they fall short least is taken.

    Args:
        expected: (n,) logarithms of the expected errors.
        errors: (n,) sizes of the errors.
    """
    widest = np.argsort(expected)[-max(1, round(_WIDEST * len(expected))) :]
    judged = []
    for power in _POWERS:
        widths = np.exp(power * expected)
        ratios = errors / widths
        factor = np.quantile(ratios, _LEVEL)
        short = max(0.0, _LEVEL - _WIDEST_SHORT - float((ratios[widest] <= factor).mean()))
        judged.append((short, widths.mean() * factor, power))
    return float(min(judged)[2])


def _factors(ratios: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return for each level what each group adds to the logarithm of the factor, no more than it takes to cover every group.

    Args:
        ratios: (n,) logarithms of error over expected error.
        groups: (n, groups) groups of the crystals; the first column is all of them.
    """
    from sklearn.linear_model import QuantileRegressor  # noqa: PLC0415

    count = len(ratios)
    found = np.zeros((len(LEVELS), len(GROUPS)))
    own = [g for g in range(1, len(GROUPS)) if OF_A_GROUP <= groups[:, g].sum() <= count - OF_A_GROUP]
    for row, level in enumerate(LEVELS):
        share = level * (count + 1) / count  # as if the new crystal were among them, on the safe side
        if share > 1 + 1e-12:
            found[row, 0] = np.inf
            continue
        parts = np.zeros(len(GROUPS))
        if own:
            line = QuantileRegressor(quantile=min(share, 1 - 1e-6), alpha=0.0, solver="highs")
            parts[own] = line.fit(groups[:, own].astype(float), ratios).coef_
        for given in _SHARES if own else (0.0,):
            left = ratios - groups @ (given * parts)
            common = np.sort(left)[int(np.ceil(level * (count + 1) - 1e-9)) - 1]
            found[row] = given * parts
            found[row, 0] = common
            if all((left[groups[:, g]] <= common).mean() >= level - _SHORT for g in own):
                break
    return found
