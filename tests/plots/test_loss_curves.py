"""Loss curves from the log of a run, as it is after interruptions too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from cryskit.plots.loss_curves import best_epoch, draw_curves, plot_curves

if TYPE_CHECKING:
    from pathlib import Path


def line(epoch: int, *validation: float) -> dict[str, Any]:
    losses = dict(zip(("bulk_modulus", "band_gap"), validation, strict=False))
    training = {name: loss / 2 for name, loss in losses.items()}
    return {"epoch": epoch, "training": training, "validation": losses, "validation_loss": sum(losses.values())}


def test_a_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    log = [line(0, float("nan")), line(1, 0.9), line(2, float("inf"))]
    assert best_epoch(log) == 1
    plot_curves(log, tmp_path / "curve.png")


def test_one_panel_per_loss_and_one_for_their_sum() -> None:
    log = [line(0, 1.0, 2.0), line(1, 0.5, 1.5), line(2, 0.6, 1.6)]
    figure = draw_curves(log)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Sum", "Bulk modulus", "Band gap"]
    drawn = {str(drawn.get_label()): np.asarray(drawn.get_ydata()) for drawn in figure.axes[0].get_lines()}
    assert drawn["validation"] == pytest.approx([3.0, 2.0, 2.2])
    assert drawn["training"] == pytest.approx([1.5, 1.0, 1.1])
    assert drawn["best epoch, 2"] == pytest.approx([2.0])


def test_a_single_loss_has_no_sum() -> None:
    assert [axes.get_title(loc="left") for axes in draw_curves([line(0, 1.0)]).axes] == ["Bulk modulus"]


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_a_picture_is_written_whole(tmp_path: Path, epochs: int) -> None:
    log = [line(i, 1 / (i + 1), 2.0) for i in range(epochs)]
    plot_curves(log, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert {path.name for path in tmp_path.iterdir()} == {"curve.png"}
