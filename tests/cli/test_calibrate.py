"""`cryskit calibrate` writes a model whose intervals are those of the crystals that were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.data.splits import make
from cryskit.predict.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Call

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:90]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data.parquet", CRYSTALS)
    make(CRYSTALS, fractions=(0.5, 0.1, 0.1, 0.3)).save(tmp_path / "split.json")
    return tmp_path / "data.parquet"


def test_a_model_is_trained_calibrated_and_calibrated_again(cryskit: Call, data: Path, tmp_path: Path) -> None:
    network = ["--width", 8, "--layers", 1, "--epochs", 1]
    learned = ["--data", data, "--property", "bulk_modulus", "--split", tmp_path / "split.json"]
    trained = cryskit("train", *learned, *network, "--no-intervals", "--out", "bare.safetensors")
    assert trained.exit_code == 0
    assert "intervals" not in trained.stdout
    assert "bulk_modulus_lo" not in cryskit("predict", data, "--model", "bare.safetensors", "--json").stdout

    refused = cryskit("calibrate", "bare.safetensors", "--data", data, "--out", "x.safetensors")
    assert refused.exit_code == 2
    assert "Give the crystals that it was trained on, too (--training)" in refused.stderr

    split = ["--split", tmp_path / "split.json", "--part", "calibration", "--part", "test"]
    result = cryskit("calibrate", "bare.safetensors", "--data", data, *split, "--out", "first.safetensors")
    assert result.exit_code == 0, result.stderr
    assert "calibrated on the calibration and test part of split" in result.stderr
    assert load(tmp_path / "first.safetensors").card.calibration["crystals"] == {"bulk_modulus": 36}

    again = cryskit("calibrate", "first.safetensors", "--data", data, "--out", "second.safetensors")
    assert again.exit_code == 0, again.stderr
    assert load(tmp_path / "second.safetensors").card.calibration == {
        "origin": "data.parquet",
        "crystals": {"bulk_modulus": 90},
    }
    shown = cryskit("predict", data, "--model", "second.safetensors", "--interval", "0.8")
    assert "80 %" in shown.stdout
    assert " to " in shown.stdout


def test_a_level_that_cannot_be_is_a_wrong_call(cryskit: Call, data: Path) -> None:
    result = cryskit("predict", data, "--interval", "90")
    assert result.exit_code == 2
    assert "Did you mean 0.9?" in result.stderr
