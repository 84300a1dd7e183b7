"""Batches: promises are those of the formulas, and what was chosen makes its like less promising."""

from __future__ import annotations

import numpy as np
import pytest

from cryskit.errors import UnknownNameError
from cryskit.goals import Goal
from cryskit.suggestions.acquisition import ACQUISITIONS, batch_of
from cryskit.suggestions.surrogate import Prior, Space, Surrogate

GOAL = Goal("x", "max")


def prior(count: int, mean: float = 0.0, deviation: float = 1.0) -> Prior:
    return Prior(np.full(count, mean), np.full(count, deviation))


def test_every_acquisition_prefers_what_its_name_says() -> None:
    mean, deviation = np.array([1.0, 0.9, 0.0]), np.array([0.01, 0.3, 0.6])
    preferred = {name: int(ACQUISITIONS[name](GOAL, mean, deviation, 1.005).argmax()) for name in ACQUISITIONS}
    assert preferred == {"ei": 1, "pi": 1, "ucb": 1, "uncertainty": 2, "mean": 0}
    with pytest.raises(UnknownNameError, match="acquisition"):
        _ = ACQUISITIONS["eii"]


def test_a_batch_is_not_of_one_kind() -> None:
    """Ten twins promise most; one of them is enough as long as they are uncertain."""
    mean = np.array([1.0] * 10 + [0.9, 0.8])
    covariance = np.zeros((12, 12))
    covariance[:10, :10] = 0.25
    covariance[10, 10] = covariance[11, 11] = 0.25
    noise = np.full(12, 1e-4)
    for name in ("ei", "ucb", "uncertainty"):
        chosen = batch_of(GOAL, ACQUISITIONS[name], mean, covariance, 1.0, 3, noise)
        assert len(set(chosen)) == 3
        assert {10, 11} <= set(chosen), name
    greedy = batch_of(GOAL, ACQUISITIONS["mean"], mean, covariance, 1.0, 3, noise)
    assert max(greedy) < 10
    assert batch_of(GOAL, ACQUISITIONS["mean"], mean, covariance, 1.0, 99, noise)[-1] == 11, "no more than there are"


def test_measured_values_correct_what_is_like_them() -> None:
    chance = np.random.default_rng(0)
    points = chance.normal(size=(60, 2))
    truth = np.where(points[:, 0] > 0, 2.0, -1.0)
    surrogate = Surrogate(points[:50], truth[:50], prior(50))
    mean, deviation = surrogate.moments(points, prior(60))
    sure = np.abs(points[:, 0]) > 0.5
    assert np.abs(mean - truth)[50:][sure[50:]].mean() < 0.5
    assert (deviation < 1.5).all()
    far = np.array([[40.0, 0.0]])
    assert surrogate.moments(far, prior(1, mean=7.0))[0][0] == pytest.approx(7.0, abs=0.1), "the model alone"
    covariance, noise = surrogate.covariance(points[50:], prior(10))
    assert (noise == surrogate.noise).all()
    np.testing.assert_allclose(np.sqrt(np.diagonal(covariance)), deviation[50:], rtol=1e-3, atol=2e-3)


def test_without_measured_values_the_model_is_all_that_is_known() -> None:
    surrogate = Surrogate(np.zeros((0, 2)), np.zeros(0), prior(0))
    mean, deviation = surrogate.moments(np.eye(2), Prior(np.array([1.0, 2.0]), np.array([0.1, 0.2])))
    np.testing.assert_allclose(mean, [1, 2])
    np.testing.assert_allclose(deviation, [0.1, 0.2], rtol=1e-3)


def test_components_are_about_one_from_the_mean() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 50)).astype(np.float32) * np.linspace(1e-3, 5, 50)
    vectors[:, 7] = 3.0
    points = Space(vectors)(vectors)
    assert points.shape[1] <= 24
    assert np.sqrt((points**2).sum(1).mean()) == pytest.approx(1.0, rel=1e-3)
