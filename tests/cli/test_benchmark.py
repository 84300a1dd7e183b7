"""`cryskit benchmark`: from a plan to tables, and on from where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cryskit.benchmark import run
from cryskit.benchmark.plan import BenchmarkPlan
from cryskit.data.interchange import write
from cryskit.data.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Call = Callable[..., Result]

ROOT = Path(__file__).resolve().parents[2]
PLANS = sorted((ROOT / "benchmarks" / "plans" / "benchmark").glob("*.yaml"))
PLAN: dict[str, Any] = {
    "name": "small",
    "data": {"set": {"source": "set.parquet", "properties": ["bulk_modulus"]}},
    "encoders": {"net": {"name": "cgcnn", "width": 8, "layers": 1, "count": 6, "radius": 5.0}},
    "regimes": {"scratch": {}, "squared": {"objective": {"name": "property", "loss": "squared"}}},
    "plan": {"optimisation": {"edges": 1000, "accelerator": "cpu"}},
    "budget": {"epochs": 1},
}


def prepare(folder: Path, **changes: Any) -> Path:
    write(folder / "set.parquet", [c for c in open_source("elastic_tensor") if len(c) <= 5][:40])
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN | changes), encoding="utf-8")
    return path


def test_a_plan_becomes_tables_and_goes_on_when_asked(cryskit: Call, tmp_path: Path) -> None:
    prepare(tmp_path)
    first = cryskit("benchmark", "plan.yaml")
    assert first.exit_code == 0, first.stderr
    assert first.stdout.splitlines()[0].split() == [
        *("data", "property", "unit", "train", "encoder", "crystals", "scratch", "squared")
    ]
    assert "[2/2] set bulk_modulus net squared 1 seed 0: done, mae_log10" in first.stderr
    assert "2 of 2 rows done" in first.stderr
    assert (tmp_path / "plan" / "report.md").exists()
    shared = cryskit("benchmark", "plan.yaml", "--share", "1/2")
    assert shared.exit_code == 0
    assert "2 of 2 rows done" in shared.stderr
    again = cryskit("benchmark", "plan.yaml")
    assert again.exit_code == 0, "the same command goes on"
    assert "2 of 2 rows done" in again.stderr
    prepare(tmp_path, seeds=[7])
    other = cryskit("benchmark", "plan.yaml")
    assert other.exit_code == 2
    assert "plan holds rows of another benchmark" in other.stderr
    assert "--resume" in other.stderr
    broken = {"regimes": PLAN["regimes"] | {"broken": {"start": {"file": "none.safetensors"}}}}
    prepare(tmp_path, **broken)
    more = cryskit("benchmark", "plan.yaml", "--json")
    assert more.exit_code == 1
    said = json.loads(more.stdout)
    assert (said["rows"], [one["row"]["regime"] for one in said["failed"]]) == (3, ["broken"])
    assert [one["regime"] for one in said["gains"]] == ["squared"]
    assert [one["runs"] for one in said["errors"]] == [1, 1]


def test_a_fault_of_the_program_is_named_and_its_traceback_kept(
    cryskit: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_fault(*_: object, **__: object) -> None:
        raise TypeError("a fault of the program")

    prepare(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(run, "train", at_fault)
        answer = cryskit("benchmark", "plan.yaml")
    assert answer.exit_code == 1
    files = sorted((tmp_path / "plan" / "rows").glob("*.traceback.txt"))
    assert len(files) == 2
    assert all("in at_fault" in file.read_text(encoding="utf-8") for file in files)
    named = [line for line in answer.stderr.splitlines() if line.startswith("Fault of the program in the row set")]
    assert len(named) == 2
    assert all(any(file.name in line for line in named) for file in files)
    again = cryskit("benchmark", "plan.yaml")
    assert again.exit_code == 0
    assert "Fault" not in again.stderr
    assert not list((tmp_path / "plan" / "rows").glob("*.txt"))


def test_properties_that_are_learned_together_have_a_line_each(cryskit: Call, tmp_path: Path) -> None:
    source = {"source": "set.parquet", "properties": {"moduli": ["bulk_modulus", "shear_modulus"]}}
    prepare(tmp_path, data={"set": source}, regimes={"scratch": {}})
    answer = cryskit("benchmark", "plan.yaml")
    assert answer.exit_code == 0, answer.stderr
    assert [line.split()[1] for line in answer.stdout.splitlines()[1:3]] == ["bulk_modulus", "shear_modulus"]
    assert "[1/1] set moduli net scratch 1 seed 0: done, bulk_modulus mae_log10 0." in answer.stderr
    assert ", shear_modulus mae_log10 0." in answer.stderr


def test_a_plan_that_is_none_is_refused_before_anything_is_read(cryskit: Call, tmp_path: Path) -> None:
    prepare(tmp_path, budget={"epochs": 1, "steps": 3})
    (tmp_path / "set.parquet").unlink()
    answer = cryskit("benchmark", "plan.yaml")
    assert answer.exit_code == 2
    assert "either epochs or steps" in answer.stderr


@pytest.mark.parametrize(
    "path",
    [ROOT / "examples" / "benchmark.yaml", *PLANS],
    ids=lambda p: p.stem,
)
def test_the_plans_that_come_along_are_valid(path: Path) -> None:
    asked = BenchmarkPlan.from_yaml(path)
    for row in asked.rows():
        asked.training_plans(row, {"epochs": 1}, lambda other: f"{other.encoder}-{other.regime}.safetensors")
