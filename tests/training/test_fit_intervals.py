"""Intervals cover what they say on errors of known size, agree with another implementation, and treat groups by themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cryskit.errors import PlanError
from cryskit.reliability.groups import GROUPS
from cryskit.reliability.intervals import LEVELS, SCORES, Intervals
from cryskit.training.fit_intervals import fit_intervals

OXIDES = GROUPS.index("oxides")


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return scores, errors whose size grows with the first score and is three times as large for oxides, groups, formulas."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, 1, len(SCORES)))
    groups = np.zeros((count, len(GROUPS)), dtype=bool)
    groups[:, 0], groups[:, OXIDES] = True, rng.random(count) < 0.4
    size = np.exp(scores[:, 0, 0]) * np.where(groups[:, OXIDES], 3.0, 1.0)
    errors = np.abs(rng.normal(size=count) * size * 0.1)[:, None]
    return scores, errors, groups, [f"formula {i // 2}" for i in range(count)]


def half_widths(made: Intervals, scores: np.ndarray, groups: np.ndarray, level: float) -> np.ndarray:
    return made(torch.from_numpy(scores).float(), torch.from_numpy(groups), level).numpy()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.85, 0.9, 0.95])
def test_planted_errors_are_covered_as_often_as_asked(level: float) -> None:
    """Over 30 draws intervals cover the level, or a little more, as their lines were fitted to other crystals."""
    shares = []
    for seed in range(30):
        made = fit_intervals(*planted(200, seed))
        scores, errors, groups, _ = planted(500, 1000 + seed)
        shares.append((errors <= half_widths(made, scores, groups, level)).mean())
    noise = 3 * (level * (1 - level) / 200 / 30) ** 0.5
    assert level - noise <= np.mean(shares) <= level + noise + 0.02


def test_intervals_follow_the_size_of_errors_and_are_narrower_for_it() -> None:
    made = fit_intervals(*planted(1500, 0))
    scores, errors, groups, _ = planted(4000, 1)
    widths = half_widths(made, scores, groups, 0.9)[:, 0]
    size = np.exp(scores[:, 0, 0]) * np.where(groups[:, OXIDES], 3.0, 1.0)
    assert np.corrcoef(np.log(widths), np.log(size))[0, 1] > 0.9
    assert widths.mean() < 0.86 * np.quantile(errors, 0.9)
    for chosen in (groups[:, OXIDES], ~groups[:, OXIDES]):
        assert (errors[chosen, 0] <= widths[chosen]).mean() == pytest.approx(0.9, abs=0.06)


def test_the_widest_intervals_cover_about_as_often_as_the_others() -> None:
    """Rare errors much larger than expected, most where small ones are, make a low power the narrowest: it would leave out the widest."""
    scores, errors, groups, formulas = planted(3000, 2)
    rare = np.random.default_rng(3).random(3000) < 0.25 / (1 + np.exp(scores[:, 0, 0]))
    errors[rare] *= 8
    made = fit_intervals(scores[:1500], errors[:1500], groups[:1500], formulas[:1500])
    widths = half_widths(made, scores[1500:], groups[1500:], 0.9)[:, 0]
    widest = np.argsort(widths)[-300:]
    assert (errors[1500:, 0] <= widths)[widest].mean() > 0.82


@pytest.mark.parametrize("count", [20, 43])
def test_few_errors_give_the_interval_of_split_conformal_prediction(count: int) -> None:
    crepes = pytest.importorskip("crepes")
    scores, errors, groups, formulas = planted(count, 3)
    made = fit_intervals(scores, errors, groups, formulas)
    for level in (0.5, 0.8, 0.9):
        oracle = crepes.ConformalRegressor().fit(errors[:, 0]).predict_int(np.zeros(1), confidence=level)[0, 1]
        assert half_widths(made, scores[:1], groups[:1], level)[0, 0] == pytest.approx(oracle, rel=1e-4)


def test_too_few_errors_give_none() -> None:
    scores, errors, groups, formulas = planted(8, 0)
    made = fit_intervals(scores, errors, groups, formulas)
    assert np.isnan(half_widths(made, scores, groups, 0.9)).all()
    made = fit_intervals(*planted(60, 0))
    assert np.isinf(half_widths(made, scores, groups, 0.99)).all(), "60 errors do not tell where the last hundredth is"
    assert np.isfinite(half_widths(made, scores, groups, 0.95)).all()


def test_higher_levels_are_wider() -> None:
    made = fit_intervals(*planted(300, 5))
    scores, _, groups, _ = planted(50, 6)
    widths = [half_widths(made, scores, groups, level) for level in np.linspace(0.5, 0.99, 30)]
    assert (np.diff(widths, axis=0) >= 0).all()


def test_a_property_without_labels_has_no_interval_and_spoils_no_other() -> None:
    scores, errors, groups, formulas = planted(100, 0)
    both = np.concatenate([errors, np.full_like(errors, np.nan)], axis=1)
    made = fit_intervals(np.repeat(scores, 2, axis=1), both, groups, formulas)
    found = half_widths(made, np.repeat(scores, 2, axis=1), groups, 0.9)
    assert np.isfinite(found[:, 0]).all()
    assert np.isnan(found[:, 1]).all()


@pytest.mark.parametrize("level", [0.3, 1.0, 90.0])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(PlanError, match="no level of an interval"):
        half_widths(Intervals(1), *planted(3, 0)[:3:2], level)
    assert LEVELS[0] == 0.5
