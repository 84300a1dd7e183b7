"""`cryskit train --folds`: means with deviations, an out-of-fold table, and contradictions that are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]

FOLDS = ("--property", "K_VRH", "--width", 8, "--layers", 1, "--epochs", 1, "--accelerator", "cpu", "--folds", 2)


def test_folds_print_means_with_deviations_and_say_where_the_table_is(
    cryskit: Call, data: Path, tmp_path: Path
) -> None:
    result = cryskit("train", "--data", data, *FOLDS, "--out", "bulk.safetensors")
    assert result.exit_code == 0, result.output
    rows = pd.read_csv(tmp_path / "bulk.safetensors.run" / "out-of-fold.csv")
    errors = [(part["bulk_modulus"] - part["bulk_modulus_true"]).abs().mean() for _, part in rows.groupby("fold")]
    assert len(errors) == 2
    assert f"{sum(errors) / 2:.4g} ± {abs(errors[0] - errors[1]) / 2:.2g}" in result.stdout
    assert "errors on 60 crystals that a model had not seen" in result.stdout
    assert [line for line in result.stderr.splitlines() if line.startswith("fold ")][1].startswith("fold 2 of 2: bulk")
    assert not (tmp_path / "bulk.safetensors").exists()
    again = cryskit("train", "--data", data, *FOLDS, "--out", "bulk.safetensors", "--json")
    assert json.loads(again.stdout)["metrics"]["bulk_modulus"]["mae"]["mean"] == pytest.approx(sum(errors) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "formula", "--split", "random"], "given 2 times (formula, random); give it once"),
        (["--folds", "3", "--split", "split.json"], "The split split.json and folds contradict each other"),
        (["--folds", "3", "--split", "formla"], "Did you mean formula?"),
        (["--folds", "3", "--selector-penalty", "auto"], "a number is needed with --folds"),
        (["--folds", "1"], "greater than or equal to 2"),
    ],
)
def test_options_that_contradict_folds_are_refused(
    cryskit: Call, data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = cryskit("train", "--data", data, "--property", "K_VRH", "--out", "m.safetensors", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())
