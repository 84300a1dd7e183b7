"""Learning curves show every model at every size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryskit.errors import DataError
from cryskit.plots.learning_curves import Point, draw_learning, plot_learning

if TYPE_CHECKING:
    from pathlib import Path

CURVES = {"small scratch": [Point(400, 0.2, 0.01), Point(100, 0.4, np.nan)], "small start": [Point(100, 0.3, 0.0)]}


def test_points_are_joined_in_the_order_of_their_size(tmp_path: Path) -> None:
    axes = draw_learning(CURVES, "Bulk modulus", "log10(GPa)").axes[0]
    lines = [container.lines[0] for container in axes.containers]
    assert [line.get_xdata().tolist() for line in lines] == [[100, 400], [100]]
    assert [line.get_ydata().tolist() for line in lines] == [[0.4, 0.2], [0.3]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(CURVES)
    plot_learning(CURVES, "Bulk modulus", "", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(DataError, match="no error"):
        draw_learning({"small": []}, "Bulk modulus", "GPa")
