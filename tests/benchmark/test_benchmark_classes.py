"""Rows of a benchmark learn classes; Matbench's classification tasks follow the protocol, and nothing else goes by their names."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from benchmark.small import CRYSTALS, plan
from sklearn.model_selection import StratifiedKFold

from cryskit.benchmark import compare, matbench
from cryskit.benchmark.draw import DataSet, load
from cryskit.benchmark.plan import Data
from cryskit.benchmark.report import write_report
from cryskit.benchmark.run import Benchmark
from cryskit.benchmark.submit import submissions
from cryskit.data import official
from cryskit.data.classes import with_class_targets
from cryskit.data.interchange import manifest, write
from cryskit.errors import DataError, UnreadableError
from cryskit.properties import get
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

STIFF = with_class_targets(
    [replace(c, targets={}, labels={"metal": str(c.targets["bulk_modulus"] > 90).lower()}) for c in CRYSTALS],
    [get("metal")],
)
TASK = "matbench_mp_is_metal"


def classes() -> list[int]:
    return [int(crystal.targets["metal"]) for crystal in STIFF]


def test_the_folds_of_classes_are_stratified_as_the_protocol_says() -> None:
    divided = StratifiedKFold(5, shuffle=True, random_state=18012019).split(np.zeros(60), classes())
    splits = matbench.divide(STIFF, 0.1, TASK, classes())
    for split, (_, test) in zip(splits, divided, strict=True):
        assert split.test == tuple(STIFF[i].id for i in test)
        shares = [np.mean([classes()[i] for i in test]), np.mean(classes())]
        assert shares[0] == pytest.approx(shares[1], abs=0.1)


def test_a_row_without_a_class_has_no_folds() -> None:
    rows: list[Crystal | Failure] = [*STIFF, Failure("bad", UnreadableError("no", "none"))]
    with pytest.raises(DataError, match="class of every row, and bad has none of metal"):
        matbench.classes_of(rows, "metal")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{TASK}.parquet", "not the published file of matbench_mp_is_metal: its SHA-256 begins with"),
        ("matbench_expt_is_metal.parquet", "compositions without structures"),
        ("matbench_glass.parquet", "compositions without structures"),
        ("matbench_mine.parquet", "has no task matbench_mine"),
    ],
)
def test_a_file_that_is_no_task_is_refused(name: str, words: str, tmp_path: Path) -> None:
    write(tmp_path / name, [replace(crystal, labels={}) for crystal in STIFF])
    data = Data(source=str(tmp_path / name), properties=("is_metal",), split="matbench")
    with pytest.raises(DataError, match=words):
        load(data, 500, lambda rows, _: iter(rows))


def test_rows_and_folds_have_to_be_the_published_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"{TASK}.parquet"
    write(path, [replace(crystal, labels={}) for crystal in STIFF])
    data = Data(source=str(path), properties=("is_metal",), split="matbench")
    monkeypatch.setattr(official, "require_file", lambda *_: None)
    with pytest.raises(DataError, match="has 106113 rows and this data 60, so it is not that task"):
        load(data, 500, lambda rows, _: iter(rows))
    few = official.TASKS[TASK]._replace(rows=60)
    monkeypatch.setattr(official, "TASKS", {**official.TASKS, TASK: few})
    with pytest.raises(DataError, match="are not the published ones"):
        load(data, 500, lambda rows, _: iter(rows))
    named = matbench.names(TASK, 60)
    digest = official.folds_digest([named[i] for fold in matbench.folds(60, classes()) for i in fold])
    monkeypatch.setattr(official, "TASKS", {**official.TASKS, TASK: few._replace(folds=digest)})
    assert len(load(data, 500, lambda rows, _: iter(rows)).splits) == 5


def test_every_task_has_what_is_published_of_it() -> None:
    assert len(official.TASKS) == 13
    assert {name for name, task in official.TASKS.items() if task.is_classification} == {
        "matbench_expt_is_metal",
        "matbench_glass",
        TASK,
    }
    assert all(len(task.sha256) == 64 and task.rows > 300 for task in official.TASKS.values())


def test_rows_of_classes_are_reported_and_submitted(tmp_path: Path) -> None:
    data = DataSet([*STIFF], STIFF, manifest(STIFF), matbench.divide(STIFF, 0.2, TASK, classes()), TASK)
    asked = plan(
        data={"metals": {"source": "x", "properties": ["is_metal"], "split": "matbench"}},
        regimes={"scratch": {}, "plain": {"objective": {"name": "property", "class_weights": "none"}}},
        budget={"epochs": 1},
        leakage=False,
    )
    benchmark = Benchmark(asked, {"metals": data}, tmp_path)
    cards = benchmark.run(lambda *_: None)
    assert [card.reason for card in cards] == [""] * 10
    results = [card.result.properties[0] for card in cards if card.result]
    assert all(one.figure == "error_rate" and one.error == pytest.approx(1 - one.test["accuracy"]) for one in results)
    report = write_report("classes", cards, "scratch", tmp_path)
    assert report
    assert report.classes["accuracy"].tolist() == pytest.approx((1 - report.errors["mean"]).tolist())
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "balanced_accuracy" in page
    assert (tmp_path / "plots" / "classes-metals-metal-cgcnn-scratch.png").exists()
    first, _ = submissions(benchmark, cards)
    document = json.loads(gzip.decompress((first / "results.json.gz").read_bytes()))
    folds = document["tasks"][TASK]["results"]
    assert set(folds["fold_0"]["scores"]) == {"accuracy", "balanced_accuracy", "f1", "rocauc"}
    assert all(isinstance(value, bool) for value in folds["fold_0"]["data"].values())
    assert folds["fold_0"]["scores"]["accuracy"] == pytest.approx(results[0].test["accuracy"])
    chances = json.loads((first / "probabilities.json").read_text(encoding="utf-8"))[TASK]
    assert chances.keys() == {crystal.id for crystal in STIFF}
    names = dict(zip((crystal.id for crystal in STIFF), matbench.names(TASK, 60), strict=True))
    recorded = {name: value for fold in folds.values() for name, value in fold["data"].items()}
    assert all(recorded[names[one]] == (p > 0.5) for one, p in chances.items() if abs(p - 0.5) > 1e-6)


def test_a_base_without_errors_has_a_gain() -> None:
    assert compare.gain(np.zeros((1, 4)), np.zeros((1, 4))) == 0
    assert compare.gain(np.zeros((1, 4)), np.ones((1, 4))) == -100
    assert np.isfinite(compare.bootstrap(np.eye(4)[:1], np.zeros((1, 4)), draws=20)).all()
    assert isinstance(compare.class_figures([]), pd.DataFrame)
