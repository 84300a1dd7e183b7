"""Errors over widths: what is covered lies below the diagonal, and the line is the quantile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from cryskit import properties
from cryskit.errors import DataError
from cryskit.plots.intervals import draw_intervals, plot_intervals

if TYPE_CHECKING:
    from pathlib import Path


def table(name: str, count: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    half = np.exp(rng.normal(-2, 0.5, count))
    error = rng.normal(size=count) * half / 1.645
    value = rng.uniform(1, 2, count)
    ends = {"": value, "_true": value + error, "_lo": value - half, "_hi": value + half}
    known = 10.0 ** pd.DataFrame(ends) if properties.get(name).transform == "log10" else pd.DataFrame(ends)
    return known.add_prefix(name)


@pytest.mark.parametrize("name", ["formation_energy_per_atom", "bulk_modulus"])
def test_the_line_of_honest_intervals_lies_on_the_diagonal(name: str) -> None:
    figure = draw_intervals(table(name), properties.get(name), 0.9)
    diagonal, line = figure.axes[0].get_lines()
    assert np.allclose(*diagonal.get_data())
    half, quantile = line.get_data()
    np.testing.assert_allclose(np.array(quantile) / half, 1.0, atol=0.3)
    assert "of 400 labels covered, level 0.9" in figure.texts[-1].get_text()
    assert 0.86 < float(figure.texts[-1].get_text().split("%")[0]) / 100 < 0.94


def test_a_file_is_written_and_no_labels_are_refused(tmp_path: Path) -> None:
    plot_intervals(table("band_gap", 2000), properties.get("band_gap"), 0.8, tmp_path / "i.png")
    assert (tmp_path / "i.png").stat().st_size > 5000
    with pytest.raises(DataError, match="label and an interval"):
        draw_intervals(table("band_gap", 5) * np.nan, properties.get("band_gap"), 0.8)
