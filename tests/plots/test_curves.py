"""Loss curves from the log of a run, as it is after interruptions too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from cryskit.errors import DataError
from cryskit.plots.curves import best_epoch, draw_curves, plot_curves, read_log

if TYPE_CHECKING:
    from pathlib import Path


def line(epoch: int, *validation: float) -> dict[str, Any]:
    losses = dict(zip(("bulk_modulus", "band_gap"), validation, strict=False))
    training = {name: loss / 2 for name, loss in losses.items()}
    return {"epoch": epoch, "training": training, "validation": losses, "validation_loss": sum(losses.values())}


def write(path: Path, lines: list[dict[str, Any]], ending: str = "") -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in lines) + ending, encoding="utf-8")
    return path


def test_of_a_repeated_epoch_the_last_line_counts(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log.jsonl", [line(0, 1.0), line(1, 0.9), line(2, 0.1), line(1, 0.8), line(2, 0.7), line(3, 0.75)]
    )
    entries = read_log(log)
    assert [entry["validation_loss"] for entry in entries] == [1.0, 0.8, 0.7, 0.75]
    assert best_epoch(entries) == 2


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [line(0, 1.0), line(1, 0.9)], '{"epoch": 2, "validation_l')
    assert [entry["epoch"] for entry in read_log(log)] == [0, 1]


def test_a_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [line(0, float("nan")), line(1, 0.9), line(2, float("inf"))])
    assert best_epoch(read_log(log)) == 1
    plot_curves(log, tmp_path / "curve.png")


@pytest.mark.parametrize("content", [None, "", "no json\n", "[]\n"])
def test_a_log_without_epochs_is_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "log.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"log\.jsonl"):
        plot_curves(path, tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()


def test_one_panel_per_loss_and_one_for_their_sum() -> None:
    log = [line(0, 1.0, 2.0), line(1, 0.5, 1.5), line(2, 0.6, 1.6)]
    figure = draw_curves(log)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Sum", "Bulk modulus", "Band gap"]
    drawn = {str(drawn.get_label()): np.asarray(drawn.get_ydata()) for drawn in figure.axes[0].get_lines()}
    assert drawn["validation"] == pytest.approx([3.0, 2.0, 2.2])
    assert drawn["training"] == pytest.approx([1.5, 1.0, 1.1])
    assert drawn["best epoch, 1"] == pytest.approx([2.0])


def test_a_single_loss_has_no_sum() -> None:
    assert [axes.get_title(loc="left") for axes in draw_curves([line(0, 1.0)]).axes] == ["Bulk modulus"]


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_a_picture_is_written_whole(tmp_path: Path, epochs: int) -> None:
    log = write(tmp_path / "log.jsonl", [line(i, 1 / (i + 1), 2.0) for i in range(epochs)])
    plot_curves(log, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "curve.png"}
