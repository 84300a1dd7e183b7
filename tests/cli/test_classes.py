"""`cryskit train`, `predict` and `evaluate` with a property that is a class."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from cryskit.cli.figures import print_likeness
from cryskit.data.interchange import write
from cryskit.predict.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from typer.testing import Result

    from cryskit.types import Crystal

    Call = Callable[..., Result]


def test_a_column_of_two_classes_is_learned_as_a_class_and_said_to_be(
    cryskit: Call, crystals: list[Crystal], tmp_path: Path
) -> None:
    marked = [replace(c, targets={"is_hard": float(number % 2)}) for number, c in enumerate(crystals)]
    write(tmp_path / "marked.parquet", marked)
    call = ("train", "--data", "marked.parquet", "--property", "is_hard", "--width", 8, "--layers", 1, "--epochs", 1)
    result = cryskit(*call, "--accelerator", "cpu", "--out", "model.safetensors")
    assert result.exit_code == 0, result.output
    assert "All labels of is_hard are 0 or 1" in result.stderr
    assert "so it is learned as a class, 0 or 1; to learn it as a number, say --kind scalar" in result.stderr
    assert "balanced accuracy" in result.stdout
    table = cryskit("predict", "marked.parquet", "--model", "model.safetensors", "--out", "found.csv")
    assert table.exit_code == 0, table.output
    first, second = (tmp_path / "found.csv").read_text(encoding="utf-8").splitlines()[:2]
    assert first == "id,path,formula,is_hard,is_hard_p,is_hard_set,domain,status,reason"
    assert second.split(",")[3] in {"0", "1"}
    judged = cryskit(
        "evaluate", "--model", "model.safetensors", "--data", "marked.parquet", "--plots", "plots", "--json"
    )
    assert 0 <= json.loads(judged.stdout)["metrics"]["is_hard"]["balanced_accuracy"] <= 1
    assert (tmp_path / "plots" / "classes-is_hard.png").exists()
    scalar = cryskit(*call, "--accelerator", "cpu", "--kind", "scalar", "--out", "scalar.safetensors")
    assert "learned as a class" not in scalar.stderr
    assert load(tmp_path / "scalar.safetensors").card.properties[0].kind == "scalar"


def test_crystals_are_counted_in_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_likeness({"kind": {"new formula": {"n": 10.0, "accuracy": 0.9}}}, {})
    assert capsys.readouterr().out.splitlines()[-1].split()[:5] == ["kind", "new", "formula", "10", "0.9000"]
