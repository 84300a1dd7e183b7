"""Cross-validation: every label is predicted once, by a model that has seen neither it nor its formula, also after a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import preloaded
import pytest

import cryskit
from cryskit.data import splits
from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.errors import DataError, PlanError
from cryskit.evaluate.metrics import metrics
from cryskit.predict.load import load
from cryskit.training.cross_validation import means, splits_of
from cryskit.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.training.cross_validation import CrossValidation

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:60]
PLAN: dict[str, Any] = {
    "properties": ["bulk_modulus", "poisson_ratio"],
    "encoder": {"name": "cgcnn", "width": 8, "layers": 1},
    "optimisation": {"epochs": 1, "accelerator": "cpu"},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    spoiled = [replace(CRYSTALS[0], targets=CRYSTALS[0].targets | {"poisson_ratio": 7.0}), *CRYSTALS[1:]]
    return train(PLAN, spoiled, out=tmp_path_factory.mktemp("folds") / "unseen.parquet", folds=3)


def test_every_crystal_is_predicted_once_and_by_a_model_that_has_not_seen_its_formula(found: CrossValidation) -> None:
    assert list(found.table["id"]) == [crystal.id for crystal in CRYSTALS]
    assert found.table.groupby("formula")["fold"].nunique().max() == 1
    expected = splits.folds(CRYSTALS, 3, "formula", seed=0)
    for number, (fold, document) in enumerate(zip(expected, found.folds, strict=True)):
        assert set(found.table["id"][found.table["fold"] == number]) == set(fold.test)
        card = load(found.folder / document["model"]).card
        assert card.rows["training"] == len(fold.train)
        assert document["crystals"]["test"] == len(fold.test)
        kept = splits.Split.load(found.folder / f"fold-{number}" / "split.json")
        assert (kept.train, kept.validation, kept.test) == (fold.train, fold.validation, fold.test)


def test_the_table_holds_what_each_model_predicts(found: CrossValidation) -> None:
    for number in range(3):
        rows = found.table[found.table["fold"] == number]
        left_out = [crystal for crystal in CRYSTALS if crystal.id in set(rows["id"])]
        predicted = load(found.folder / f"fold-{number}.safetensors").predict(left_out)
        np.testing.assert_allclose(rows["bulk_modulus"], predicted["bulk_modulus"], rtol=1e-5)


def test_figures_are_means_and_deviations_over_folds(found: CrossValidation) -> None:
    errors = []
    for _, rows in found.table.groupby("fold"):
        errors.append(metrics(rows["bulk_modulus"], rows["bulk_modulus_true"], "log10")["mae_log10"])
    assert found.metrics["bulk_modulus"]["mae_log10"] == pytest.approx((np.mean(errors), np.std(errors)))
    summary = json.loads(found.summary.read_text(encoding="utf-8"))
    assert summary["metrics"]["bulk_modulus"]["mae_log10"]["deviation"] == pytest.approx(np.std(errors))
    assert summary["units"] == {"bulk_modulus": "GPa", "poisson_ratio": ""}
    assert (found.folder / "parity-poisson_ratio.png").exists()
    assert "bulk_modulus mae_log10 " in repr(found)
    assert means([{"a": {"n": 1, "mae": 2.0}}, {"a": {"n": 3}}]) == {"a": {"n": (2.0, 1.0), "mae": (2.0, 0.0)}}


def test_the_table_in_the_file_is_that_of_the_result(found: CrossValidation) -> None:
    written = pd.read_parquet(found.path)
    assert list(written.columns[:6]) == ["id", "path", "formula", "fold", "bulk_modulus", "bulk_modulus_true"]
    np.testing.assert_array_equal(written["poisson_ratio_true"], found.table["poisson_ratio_true"])


def test_a_label_that_cannot_be_is_not_judged(found: CrossValidation) -> None:
    assert np.isnan(found.table["poisson_ratio_true"][0])
    assert sum(one["metrics"]["poisson_ratio"]["n"] for one in found.folds) == len(CRYSTALS) - 1


def test_labels_of_the_test_part_do_not_reach_the_model_of_a_fold(found: CrossValidation, tmp_path: Path) -> None:
    hidden = set(splits.folds(CRYSTALS, 3, "formula", seed=0)[1].test)
    spoiled = [replace(c, targets=c.targets | {"bulk_modulus": 400.0}) if c.id in hidden else c for c in CRYSTALS]
    first = {"poisson_ratio": CRYSTALS[0].targets["poisson_ratio"] if CRYSTALS[0].id in hidden else 7.0}
    spoiled[0] = replace(spoiled[0], targets=spoiled[0].targets | first)
    other = train(PLAN, spoiled, out=tmp_path / "x.csv", folds=3)
    left, right = (load(one.folder / "fold-1.safetensors").predict(CRYSTALS[:9]) for one in (found, other))
    assert left["bulk_modulus"].tolist() == right["bulk_modulus"].tolist()


def test_a_second_call_repeats_nothing_and_another_one_is_refused(found: CrossValidation) -> None:
    folder, table = found.folder, found.path
    spoiled = [replace(CRYSTALS[0], targets=CRYSTALS[0].targets | {"poisson_ratio": 7.0}), *CRYSTALS[1:]]
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("fold-*.safetensors")}
    assert train(PLAN, spoiled, out=table, folds=3).metrics == found.metrics
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("fold-*.safetensors")}
    with pytest.raises(PlanError, match="holds another run"):
        train(PLAN, spoiled, out=table, folds=4)
    with pytest.raises(PlanError, match="labels"):
        train(PLAN, CRYSTALS, out=table, folds=3)


@pytest.mark.parametrize("split", ["split.json", splits.make(CRYSTALS)])
def test_a_split_and_folds_contradict_each_other(split: Any, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="contradict each other"):
        cryskit.train(PLAN, CRYSTALS, split, tmp_path / "x.csv", folds=3)
    assert not list(tmp_path.iterdir())


def test_folds_can_be_given_and_keep_together_what_is_asked_for() -> None:
    made = splits.folds(CRYSTALS, 4, "system", seed=2)
    assert splits_of(4, "system", CRYSTALS, 2) == made
    assert splits_of(made, None, CRYSTALS, 0) == made
    with pytest.raises(DataError, match="share crystals"):
        splits_of([made[0], made[0]], None, CRYSTALS, 0)
    with pytest.raises(PlanError, match="at least 2"):
        splits_of(made[:1], None, CRYSTALS, 0)


def test_a_fold_without_labels_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    few = [replace(c, targets={"bulk_modulus": 50.0} if i < 2 else {}) for i, c in enumerate(CRYSTALS)]
    with pytest.raises(DataError, match="has no label of bulk_modulus"):
        train(PLAN | {"properties": ["bulk_modulus"]}, few, out=tmp_path / "x.csv", folds=5)
    assert not list(tmp_path.iterdir())


def test_classes_are_cross_validated(tmp_path: Path) -> None:
    limit = float(np.median([c.targets["bulk_modulus"] for c in CRYSTALS]))
    named = [
        replace(c, targets={}, labels={"feel": "hard" if c.targets["bulk_modulus"] > limit else "soft"})
        for c in CRYSTALS
    ]
    found = train(PLAN | {"properties": ["feel"]}, named, out=tmp_path / "x.csv", folds=2)
    written = pd.read_csv(tmp_path / "x.csv")
    assert set(written["feel_true"]) == {"hard", "soft"}
    right = [(rows["feel"] == rows["feel_true"]).mean() for _, rows in written.groupby("fold")]
    assert found.metrics["feel"]["accuracy"] == pytest.approx((np.mean(right), np.std(right)))
    assert {"feel_p", "feel_set"} <= set(written)
    assert (found.folder / "classes-feel.png").exists()


@pytest.mark.slow
def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(tmp_path: Path) -> None:
    data = tmp_path / "data.parquet"
    write(data, CRYSTALS)
    (tmp_path / "plan.yaml").write_text(json.dumps(PLAN | {"optimisation": {"epochs": 4, "accelerator": "cpu"}}))
    call = ["train", "--data", str(data), "--config", "plan.yaml", "--folds", "3", "--out"]

    preloaded.run(*call, "whole.csv", folder=tmp_path)
    for waited in ("fold-0/log.jsonl", "fold-0.json", "fold-1/log.jsonl"):
        preloaded.kill(*call, "killed.csv", folder=tmp_path, when=tmp_path / "killed.csv.run" / waited)
        assert not (tmp_path / "killed.csv").exists()
    preloaded.run(*call, "killed.csv", folder=tmp_path)
    assert (tmp_path / "killed.csv").read_text() == (tmp_path / "whole.csv").read_text()
    summaries = [
        json.loads((tmp_path / f"{name}.csv.run" / "summary.json").read_text()) for name in ("whole", "killed")
    ]
    assert summaries[0]["metrics"] == summaries[1]["metrics"]
