"""`cryskit tune`: a plan file comes out that `cryskit train --config` takes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from cryskit.predict.load import load
from cryskit.training.search_space import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]

SPACE = {"encoder.width": [8], "encoder.layers": [1, 2], "optimisation.epochs": [2]}


def test_a_tuned_plan_can_be_trained(cryskit: Call, data: Path, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(json.dumps(SPACE), encoding="utf-8")
    call = ("tune", "--data", data, "--property", "K_VRH", "--space", "space.yaml", "--accelerator", "cpu")
    result = cryskit(*call, "--trials", 2, "--split", "formula")
    assert result.exit_code == 0, result.output
    assert "2 of 2 trials, " in result.stdout
    assert "trial 1: " in result.stderr
    assert yaml.safe_load((tmp_path / "best.yaml").read_text(encoding="utf-8"))["optimisation"]["epochs"] == 2
    following = result.stdout.splitlines()[-1].split()
    assert following[:3] == ["next", "cryskit", "train"]
    trained = cryskit(*following[2:])
    assert trained.exit_code == 0, trained.output
    assert load(tmp_path / "model.safetensors").card.encoder["width"] == 8
    document = json.loads(cryskit(*call, "--trials", 2, "--split", "formula", "--json").stdout)
    assert len(document["trials"]) == 2
    assert document["settings"]["encoder.width"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least one property to learn"),
        (["--property", "K_VRH", "--out", "best.json"], "should be a file that ends in .yaml"),
        (["--property", "K_VRH", "--budget", "soon"], "'soon' is no time"),
        (["--property", "K_VRH", "--split", "random", "--split", "formula"], "give it once"),
        (["--property", "band_gap"], "no label of band_gap"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused_before_it_begins(
    cryskit: Call, data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = cryskit("tune", "--data", data, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_extra_it_is_named(cryskit: Call, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = cryskit("tune", "--data", data, "--property", "K_VRH")
    assert result.exit_code == 2
    assert result.stderr == "Error: Tuning needs Optuna, which is not installed. pip install 'cryskit[tune]'.\n"


def test_the_default_space_is_printed(cryskit: Call) -> None:
    assert cryskit("tune", "--print-space").stdout == DEFAULT
