"""The folds are those of Matbench v0.1, and the file of results is one that its package takes."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from benchmark.small import CRYSTALS, plan

from cryskit.benchmark import matbench
from cryskit.benchmark.draw import DataSet
from cryskit.benchmark.run import Benchmark
from cryskit.benchmark.submit import submissions
from cryskit.data.interchange import manifest
from cryskit.errors import UnreadableError
from cryskit.types import Failure

if TYPE_CHECKING:
    from pathlib import Path

OFFICIAL = {  # of the ids of the five test folds in matbench_v0.1_validation.json of the package matbench 0.6
    ("matbench_steels", 312): "2ecb0f63a1f158cc",
    ("matbench_jdft2d", 636): "a929c9a0bfbce7e8",
    ("matbench_phonons", 1265): "5a7c6b36c06d3da9",
    ("matbench_dielectric", 4764): "bf4b7d2a09fefedc",
    ("matbench_log_kvrh", 10987): "d7311d22047bce28",
    ("matbench_perovskites", 18928): "f9f5d13b18cf4313",
}


@pytest.mark.parametrize(("task", "rows"), OFFICIAL)
def test_the_folds_are_the_official_ones(task: str, rows: int) -> None:
    names = matbench.names(task, rows)
    listed = " ".join(names[i] for fold in matbench.folds(rows) for i in fold)
    assert hashlib.sha256(listed.encode()).hexdigest()[:16] == OFFICIAL[task, rows]


def test_the_folds_are_those_of_scikit_learn() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    for rows in (5, 23, 1000):
        theirs = selection.KFold(5, shuffle=True, random_state=18012019).split(np.zeros(rows))
        for mine, (_, test) in zip(matbench.folds(rows), theirs, strict=True):
            assert mine.tolist() == test.tolist()


def test_validation_is_nested_in_the_training_part_and_every_row_judges_once() -> None:
    bad = Failure("bad", UnreadableError("no", "none"))
    rows = [*CRYSTALS[:30], bad, *CRYSTALS[30:]]
    splits = matbench.divide(rows, 0.25, "task")
    assert sorted(i for split in splits for i in split.test) == sorted(crystal.id for crystal in CRYSTALS)
    for split in splits:
        assert len(split.train) + len(split.validation) + len(split.test) == len(CRYSTALS)
        assert len(split.validation) == pytest.approx(0.25 * (len(CRYSTALS) - len(split.test)), abs=1)


def test_scores_are_those_of_the_protocol() -> None:
    truth = {"a": 1.0, "b": 2.0, "c": 0.0}
    found = matbench.fold_results({"a": 1.5, "b": 1.0, "c": 0.25, "d": 9.0}, truth, {"epoch": 3})
    assert found["scores"] == {
        "mae": pytest.approx(1.75 / 3),
        "rmse": pytest.approx(np.sqrt((0.25 + 1 + 0.0625) / 3)),
        "mape": pytest.approx(0.5),
        "max_error": 1.0,
    }
    assert set(found["data"]) == {"a", "b", "c", "d"}
    assert found["uncertainty"] is None


def test_a_file_of_results_is_whole(tmp_path: Path) -> None:
    """Rows that cannot be read are predicted, too; the hash is that of the sorted document."""
    task = "matbench_log_kvrh"
    rows = [Failure("bad", UnreadableError("no", "none")), *CRYSTALS]
    data = DataSet(rows, CRYSTALS, manifest(CRYSTALS), matbench.divide(rows, 0.1, task), task)
    asked = plan(
        data={"elastic": {"source": "x", "properties": ["bulk_modulus"], "split": "matbench"}},
        regimes={"scratch": {}},
        budget={"epochs": 1},
        leakage=False,
        submission={"authors": "A. Uthor"},
    )
    benchmark = Benchmark(asked, {"elastic": data}, tmp_path)
    cards = benchmark.run(lambda *_: None)
    assert [card.row.fold for card in cards] == [0, 1, 2, 3, 4]
    (folder,) = submissions(benchmark, cards)
    document = json.loads(gzip.decompress((folder / "results.json.gz").read_bytes()))
    digest = document.pop("hash")
    assert hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest() == digest
    results = document["tasks"][task]["results"]
    names = matbench.names(task, len(rows))
    for fold, positions in enumerate(matbench.folds(len(rows))):
        assert list(results[f"fold_{fold}"]["data"]) == [names[i] for i in positions]
        assert results[f"fold_{fold}"]["parameters"]["predictions guessed"] == int(0 in positions)
        result = next(card.result for card in cards if card.row.fold == fold)
        assert result
        assert results[f"fold_{fold}"]["scores"]["mae"] == pytest.approx(result.properties[0].test["mae"])
    assert json.loads((folder / "info.json").read_text(encoding="utf-8"))["authors"] == "A. Uthor"
    assert not submissions(benchmark, cards[:4])
