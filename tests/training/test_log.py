"""The log of a run is read as it is after interruptions too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cryskit.errors import DataError
from cryskit.training.log import read_log

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


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [line(0, 1.0), line(1, 0.9)], '{"epoch": 2, "validation_l')
    assert [entry["epoch"] for entry in read_log(log)] == [0, 1]


@pytest.mark.parametrize("content", [None, "", "no json\n", "[]\n"])
def test_a_log_without_epochs_is_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "log.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"log\.jsonl"):
        read_log(path)
