"""A tuning finds good settings by validation alone, ends the others early, and survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import preloaded
import pytest
import yaml

from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.data.splits import Split, make
from cryskit.errors import DataError, PlanError
from cryskit.training.log import read_log
from cryskit.training.plan import Plan
from cryskit.training.search_space import DEFAULT, Range, laid_over, space_of, suggested
from cryskit.training.train import train
from cryskit.training.tune import tune

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.training.tune import Tuned

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:60]
SPLIT = make(CRYSTALS, "formula", fractions=(0.5, 0.3, 0.2), seed=0)
PLAN: dict[str, Any] = {"properties": ["bulk_modulus"], "optimisation": {"accelerator": "cpu"}}
SPACE: dict[str, Any] = {
    "start": ["scratch", "crysae"],
    "encoder.width": [8, 16],
    "encoder.layers": {"low": 1, "high": 2},
    "optimisation.rate": {"low": 1e-5, "high": 0.03, "log": True},
    "optimisation.epochs": [4],
}
QUICK = {"encoder.width": [8], "encoder.layers": [1], "optimisation.epochs": [4]} | {
    "optimisation.rate": SPACE["optimisation.rate"]
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return tune(PLAN, CRYSTALS, SPLIT, tmp_path_factory.mktemp("tune") / "best.yaml", space=SPACE, trials=8)


def test_the_best_trial_is_that_with_the_lowest_validation_loss(found: Tuned) -> None:
    complete = found.table[found.table["state"] == "complete"]
    assert found.loss == complete["validation_loss"].min()
    assert found.trial == complete.loc[complete["validation_loss"].idxmin(), "trial"]
    for row in complete.to_dict("records"):
        log = read_log(found.folder / f"trial-{row['trial']}" / "log.jsonl")
        assert row["validation_loss"] == min(entry["validation_loss"] for entry in log)
        assert len(log) == 4


def test_trials_that_fall_behind_are_ended_early(found: Tuned) -> None:
    early = found.table[found.table["state"] == "ended early"]
    assert 2 <= len(early) <= 6
    assert set(early["reason"]) == {"fell behind"}
    for row in early.to_dict("records"):
        entries = read_log(found.folder / f"trial-{row['trial']}" / "log.jsonl")
        assert len(entries) == 4 * row["done"] < 4
        at_the_same_share = [
            read_log(found.folder / f"trial-{number}" / "log.jsonl")[len(entries) - 1]["validation_loss"]
            for number in range(row["trial"])
            if found.table["done"][number] >= row["done"]
        ]
        assert row["last_loss"] > np.median(at_the_same_share[:1] or at_the_same_share)


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_claim(tmp_path: Path) -> None:
    out = tmp_path / "best.yaml"
    code = "import sys, time; from pathlib import Path; from cryskit.exclusive import exclusive\n"
    code += "with exclusive(Path(sys.argv[1]), RuntimeError()): print('in', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code, str(tmp_path / "best.yaml.tune")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(PlanError, match=r"Another process tunes in .*best\.yaml\.tune\. Wait for it"):
            tune(PLAN, CRYSTALS, SPLIT, out, space=QUICK, trials=1)
        assert [path.name for path in (tmp_path / "best.yaml.tune").iterdir()] == ["lock"]
        other.kill()
    assert len(tune(PLAN, CRYSTALS, SPLIT, out, space=QUICK, trials=1).table) == 1


def test_the_plan_trains_the_model_of_the_best_trial_again(found: Tuned, tmp_path: Path) -> None:
    split = Split.load(found.folder / "split.json")
    assert split == SPLIT
    train(found.path, CRYSTALS, split, tmp_path / "again.safetensors", judging=False)
    best = read_log(found.folder / f"trial-{found.trial}" / "log.jsonl")
    again = read_log(tmp_path / "again.safetensors.run" / "log.jsonl")
    assert [one["validation_loss"] for one in again] == [one["validation_loss"] for one in best]


def test_table_and_figure_are_left(found: Tuned) -> None:
    table = pd.read_csv(found.folder / "trials.csv")
    assert list(table.columns[:3]) == ["trial", "state", "reason"]
    assert {"start", "optimisation.rate", "validation_loss", "error"} <= set(table)
    starts = table[table["start"] == "crysae"]
    assert len(starts)
    assert starts["encoder.width"].isna().all(), "who starts from a model takes its network over"
    assert (found.folder / "trials.png").stat().st_size > 10_000


def test_more_trials_go_on_and_another_tuning_is_refused(found: Tuned) -> None:
    said: list[str] = []
    more = tune(PLAN, CRYSTALS, SPLIT, found.path, space=SPACE, trials=9, announce=said.append)
    assert [line.split(":")[0] for line in said] == ["trial 8"]
    assert more.table["last_loss"][:8].tolist() == found.table["last_loss"].tolist()
    with pytest.raises(PlanError, match=r"space\.optimisation\.epochs"):
        tune(PLAN, CRYSTALS, SPLIT, found.path, space=SPACE | {"optimisation.epochs": [5]}, trials=9)


def test_test_labels_change_nothing(tmp_path: Path) -> None:
    hidden = set(SPLIT.test)
    spoiled = [replace(c, targets={"bulk_modulus": 499.0}) if c.id in hidden else c for c in CRYSTALS]
    tables = [
        tune(PLAN, data, SPLIT, tmp_path / f"{name}.yaml", space=QUICK, trials=3).table
        for name, data in (("left", CRYSTALS), ("right", spoiled))
    ]
    pd.testing.assert_frame_equal(*tables)


def test_a_budget_ends_a_call_and_the_next_goes_on(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No trial came to its end"):
        tune(PLAN, CRYSTALS, SPLIT, tmp_path / "a.yaml", space=QUICK, trials=2, budget=0.0)
    whole = tune(PLAN, CRYSTALS, SPLIT, tmp_path / "b.yaml", space=QUICK, trials=3)
    parts = []
    for _ in range(200):
        try:
            parts.append(tune(PLAN, CRYSTALS, SPLIT, tmp_path / "a.yaml", space=QUICK, trials=3, budget=0.7).table)
        except PlanError:
            continue
        if not (parts[-1]["state"] == "unfinished").any() and len(parts[-1]) == 3:
            break
    assert len(parts) > 1, "one call should not have sufficed"
    pd.testing.assert_frame_equal(parts[-1], whole.table)


def test_a_trial_that_diverges_does_not_stop_the_others(tmp_path: Path) -> None:
    space = QUICK | {"optimisation.rate": [1e30, 0.003], "optimisation.clip": [1e30]}
    found = tune(PLAN, CRYSTALS, SPLIT, tmp_path / "a.yaml", space=space, trials=5)
    assert "diverged" in set(found.table["reason"])
    assert found.settings["optimisation.rate"] == 0.003


def test_a_damaged_file_of_trials_is_said(tmp_path: Path) -> None:
    tune(PLAN, CRYSTALS, SPLIT, tmp_path / "a.yaml", space=QUICK, trials=1)
    (tmp_path / "a.yaml.tune" / "trials.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=r"trials\.sqlite is damaged"):
        tune(PLAN, CRYSTALS, SPLIT, tmp_path / "a.yaml", space=QUICK, trials=1)


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(PlanError, match=r"pip install 'cryskit\[tune\]'"):
        tune(PLAN, CRYSTALS, SPLIT, tmp_path / "a.yaml", trials=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"optimisation.speed": [1]}, "optimisation.speed"),
        ({"optimisation.rate": [-1.0]}, "rate"),
        ({"optimisation.rate": 0.1}, "no search space"),
        ({"optimisation.rate": {"low": 0.1, "high": 0.01}}, "no search space"),
        ({"optimisation.rate": {"low": 0, "high": 0.01, "log": True}}, "no search space"),
        ({"optimisation.rate": []}, "no search space"),
        ({}, "no search space"),
        ({"epochs": [3]}, "optimisation.epochs"),
        ({"encoder.depth": [3]}, "depth"),
        ({"start": ["crysea"]}, "crysae"),
        ({"properties.x": [3]}, "properties"),
    ],
)
def test_a_wrong_space_is_refused_before_anything_is_tried(space: dict[str, Any], message: str) -> None:
    from cryskit.errors import CryskitError

    with pytest.raises(CryskitError, match=message):
        space_of(space, Plan.make(PLAN))


def test_the_default_space_leaves_alone_what_the_plan_sets() -> None:
    every = set(yaml.safe_load(DEFAULT))
    assert set(space_of(None, Plan.make(PLAN))) == every
    fixed = PLAN | {"optimisation": {"epochs": 3}, "encoder": {"name": "cgcnn", "width": 8}}
    assert set(space_of(None, Plan.make(fixed))) == every - {"optimisation.epochs", "encoder.width", "start"}
    begun = PLAN | {"start": {"file": "crysae"}}
    assert set(space_of(None, Plan.make(begun))) == {key for key in every if key.startswith("optimisation")}


def test_a_space_in_yaml_takes_numbers_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("optimisation.rate: {low: 1e-4, high: 1e-2, log: true}\nencoder.layers: {low: 1, high: 3}\n")
    space = space_of(path, Plan.make(PLAN))
    assert space["optimisation.rate"] == Range(low=1e-4, high=1e-2, log=True)
    assert isinstance(space["encoder.layers"], Range)
    assert isinstance(space["encoder.layers"].low, int)


def test_values_are_laid_over_the_plan() -> None:
    import optuna

    plan = Plan.make(PLAN | {"encoder": {"name": "cgcnn", "pool": "mean_max"}})
    over = laid_over(plan, {"start": "scratch", "encoder.width": 16, "optimisation.rate": 0.1})
    assert over.encoder == {"name": "cgcnn", "pool": "mean_max", "width": 16}
    assert (over.optimisation.rate, over.optimisation.accelerator) == (0.1, "cpu")
    begun = laid_over(plan, {"start": "crysae"})
    assert begun.start is not None
    assert "encoder" not in begun.model_fields_set
    fixed = optuna.trial.FixedTrial({"start": "crysae", "optimisation.rate": 0.01, "optimisation.epochs": 4})
    assert suggested(space_of(SPACE, Plan.make(PLAN)), fixed) == fixed.params


@pytest.mark.slow
def test_a_killed_tuning_ends_with_the_trials_of_an_undisturbed_one(tmp_path: Path) -> None:
    write(tmp_path / "data.parquet", CRYSTALS)
    (tmp_path / "plan.yaml").write_text(json.dumps(PLAN))
    (tmp_path / "space.yaml").write_text(json.dumps(QUICK | {"optimisation.epochs": [8]}))
    call = ["tune", "plan.yaml", "--data", "data.parquet", "--space", "space.yaml", "--trials", "4", "--out"]

    def start(out: str, *command: str | Path) -> subprocess.Popen[bytes]:
        with (tmp_path / "said.txt").open("w") as said:
            return subprocess.Popen(
                [*command, *call, out], cwd=tmp_path, stdout=said, stderr=said, start_new_session=True
            )

    killed = (sys.executable, "-m", "cryskit")

    assert start("whole.yaml", preloaded.command()).wait(300) == 0
    for waited in ("trials.sqlite", "trial-0/log.jsonl", "trial-1/log.jsonl", "trial-2"):
        process, end = start("killed.yaml", *killed), time.monotonic() + 120
        while not (tmp_path / "killed.yaml.tune" / waited).exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start("killed.yaml", preloaded.command()).wait(300) == 0, (tmp_path / "said.txt").read_text()
    assert (tmp_path / "killed.yaml").read_text() == (tmp_path / "whole.yaml").read_text()
    whole, killed = (pd.read_csv(tmp_path / f"{name}.yaml.tune" / "trials.csv") for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(killed.drop(columns="trial"), whole.drop(columns="trial"))
