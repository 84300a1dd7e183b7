"""The figures, against numbers worked out by hand and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryskit.errors import DataError
from cryskit.evaluate.metrics import metrics


def test_figures_worked_out_by_hand() -> None:
    found = metrics([1.0, 2.0, 5.0], [1.0, 4.0, 4.0])
    assert found == pytest.approx({"n": 3, "mae": 1.0, "rmse": (5 / 3) ** 0.5, "r2": 1 - 5 / 6, "mad": 4 / 3})


def test_the_logarithm_has_figures_of_its_own() -> None:
    found = metrics([10.0, 1000.0, 20.0], [100.0, 1000.0, 20.0], "log10")
    assert found["mae"] == pytest.approx(30)
    assert found["mae_log10"] == pytest.approx(1 / 3)
    assert found["rmse_log10"] == pytest.approx(3**-0.5)
    assert found["n_log10"] == 3


def test_rows_without_label_prediction_or_logarithm_are_left_out() -> None:
    nan, inf = float("nan"), float("inf")
    found = metrics([1.0, nan, 3.0, inf, 2.0, 10.0], [nan, 2.0, 3.0, 4.0, -1.0, 100.0], "log10")
    assert (found["n"], found["n_log10"]) == (3, 2)
    assert found["mae"] == pytest.approx((0 + 3 + 90) / 3)
    assert found["mae_log10"] == pytest.approx(0.5)


def test_without_any_logarithm_there_are_no_figures_of_it() -> None:
    assert "n_log10" not in metrics([1.0, 2.0], [-1.0, 0.0], "log10")


def test_equal_labels_have_no_r2() -> None:
    found = metrics([1.0, 2.0], [1.5, 1.5])
    assert found == {"n": 2, "mae": 0.5, "rmse": 0.5, "mad": 0.0}


@pytest.mark.parametrize(
    ("values", "truth", "message"),
    [
        ([], [], "No row has both"),
        ([np.nan, 1.0], [1.0, np.nan], "No row has both"),
        ([1.0, 2.0], [1.0], "Give one label per prediction"),
        ([[1.0]], [[1.0]], "Give one label per prediction"),
    ],
)
def test_nothing_to_compare_is_an_error(values: list[float], truth: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        metrics(values, truth)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-100, 100))
def test_guessing_the_mean_has_the_mad_as_error_and_no_skill(truth: list[float], shift: float) -> None:
    labels = np.array(truth) + shift
    guess = metrics(np.full(len(labels), labels.mean()), labels)
    assert guess["mae"] == pytest.approx(guess["mad"])
    assert guess.get("r2", 0.0) == pytest.approx(0, abs=1e-6)
    assert metrics(labels, labels)["rmse"] == 0
