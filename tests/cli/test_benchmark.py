"""`cryskit benchmark`: from a plan to tables, and on from where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cryskit.benchmark.plan import BenchmarkPlan
from cryskit.data.interchange import write
from cryskit.data.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Call = Callable[..., Result]

ROOT = Path(__file__).resolve().parents[2]
PLANS = ("moduli", "distillation", "distillation-05", "distillation-80", "distillation-elastic", "words", "words-all")
PLAN: dict[str, Any] = {
    "name": "small",
    "data": {"set": {"source": "set.parquet", "properties": ["bulk_modulus"]}},
    "encoders": {"net": {"name": "cgcnn", "width": 8, "layers": 1, "neighbours": 6, "radius": 5.0}},
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
    assert "2 of 2 rows are done" in first.stderr
    assert (tmp_path / "plan" / "report.md").exists()
    shared = cryskit("benchmark", "plan.yaml", "--share", "1/2")
    assert shared.exit_code == 0
    assert "2 of 2 rows are done" in shared.stderr
    again = cryskit("benchmark", "plan.yaml")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    broken = {"regimes": PLAN["regimes"] | {"broken": {"start": {"file": "none.safetensors"}}}}
    prepare(tmp_path, **broken)
    more = cryskit("benchmark", "plan.yaml", "--resume", "--json")
    assert more.exit_code == 1
    said = json.loads(more.stdout)
    assert (said["rows"], [one["row"]["regime"] for one in said["failed"]]) == (3, ["broken"])
    assert [one["regime"] for one in said["gains"]] == ["squared"]
    assert [one["runs"] for one in said["errors"]] == [1, 1]


def test_a_plan_that_is_none_is_refused_before_anything_is_read(cryskit: Call, tmp_path: Path) -> None:
    prepare(tmp_path, budget={"epochs": 1, "steps": 3})
    (tmp_path / "set.parquet").unlink()
    answer = cryskit("benchmark", "plan.yaml")
    assert answer.exit_code == 2
    assert "either epochs or steps" in answer.stderr


@pytest.mark.parametrize(
    "path",
    [ROOT / "examples" / "benchmark.yaml", *(ROOT / "benchmarks" / "plans" / f"{name}.yaml" for name in PLANS)],
    ids=lambda p: p.stem,
)
def test_the_plans_that_come_along_are_valid(path: Path) -> None:
    asked = BenchmarkPlan.from_yaml(path)
    for row in asked.rows():
        asked.training_plans(row, {"epochs": 1}, lambda other: f"{other.encoder}-{other.regime}.safetensors")
