"""From a small table to a model file: errors are those of formulas that nothing was chosen by, and a stopped fit goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import cryskit
from cryskit.cli import app
from cryskit.data.interchange import write
from cryskit.elements import formula
from cryskit.errors import DataError, ModelError, PlanError
from cryskit.evaluate.evaluate import evaluate
from cryskit.evaluate.likeness import NEW_FORMULA, SAME_FORMULA
from cryskit.exclusive import exclusive
from cryskit.explain.atoms import Explainer
from cryskit.small_data import tuning
from cryskit.small_data.fit import Fitted, fit_table
from cryskit.small_data.fit_scalars import _tuner
from cryskit.small_data.folds import folds_of, some
from cryskit.small_data.intervals import ORIGIN, of_other_folds
from cryskit.small_data.job import Job
from cryskit.small_data.joined import with_structures
from cryskit.small_data.judge import Kept, decide, mixed
from cryskit.small_data.model import assembled
from cryskit.small_data.report import expected_of_twice
from cryskit.small_data.search import Candidate, Choice, choose, fitted, mean_of
from cryskit.small_data.sources import MAGPIE, PUBLISHED, Source, Vectors, source_of, tried_by_default, usable_sources
from cryskit.small_data.table import table_of
from cryskit.small_data.tuning import Tuner, affordable, predicted
from cryskit.types import Crystal

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = list(islice(cryskit.read("elastic_tensor"), 60))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    out = tmp_path_factory.mktemp("fit") / "bulk.safetensors"
    return fit_table(CRYSTALS, "K_VRH", out, budget=1, encoders=["crysae"])


def test_the_file_predicts_better_than_the_mean_on_formulas_it_has_not_seen(done: Fitted) -> None:
    assert done.errors["fit"][0] < 0.5 * done.errors["mean of the labels"][0]
    assert done.unit == "log10 GPa"
    assert list(done.predictions["id"]) == [crystal.id for crystal in CRYSTALS]


def test_the_file_alone_gives_the_fitted_model(done: Fitted) -> None:
    table = cryskit.load(done.path).predict(CRYSTALS[:5])
    assert table["status"].tolist() == ["ok"] * 5
    expected = done.model.predict(CRYSTALS[:5])["bulk_modulus"]
    assert np.allclose(table["bulk_modulus"], expected, rtol=1e-5)
    labels = [crystal.targets["bulk_modulus"] for crystal in CRYSTALS[:5]]
    assert np.abs(np.log10(table["bulk_modulus"]) - np.log10(labels)).mean() < 0.05  # these trained it
    assert done.path.stat().st_size < 10e6


def test_a_fitted_model_has_intervals_that_cover_formulas_it_has_not_seen(done: Fitted) -> None:
    formulas = {crystal.formula for crystal in CRYSTALS}
    others = [c for c in cryskit.read("elastic_tensor") if isinstance(c, Crystal) and c.formula not in formulas]
    found = evaluate(cryskit.load(done.path), others[::5], "bulk_modulus")
    assert found.coverage["bulk_modulus"]["all"]["coverage"] > 0.75, "60 labels, each predicted without its formula"
    assert found.coverage["bulk_modulus"]["all"]["width_log10"] < 0.6
    assert set(found.table["domain"]) <= {"in", "edge", "out"}
    assert set(found.likeness["bulk_modulus"]) <= {SAME_FORMULA, NEW_FORMULA}
    assert done.model.card.calibration == {"origin": ORIGIN, "crystals": {"bulk_modulus": len(CRYSTALS)}}


def test_a_fitted_model_is_explained(done: Fitted) -> None:
    pytest.importorskip("captum")
    model = cryskit.load(done.path)
    (crystal,) = cryskit.read(EXAMPLES / "MgO.cif")
    found = Explainer(model, "bulk_modulus").explain(crystal)
    predicted = model.predict(crystal)["bulk_modulus"][0]
    assert found.learned == pytest.approx(np.log10(predicted), rel=1e-5)
    assert found.mean + found.geometry + sum(found.blocks.values()) == pytest.approx(found.learned, abs=0.01)
    assert found.mean == pytest.approx(float(done.model.heads.mean))


def test_rows_are_judged_by_rows_of_other_folds() -> None:
    torch.manual_seed(0)
    vectors, labels = torch.randn(40, 6), torch.randn(40, 1)
    folds = [np.arange(0, 40, 2), np.arange(1, 40, 2)]
    twins = torch.cat([vectors, vectors])
    apart = of_other_folds(vectors, torch.zeros(40, 1), labels, folds)
    together = of_other_folds(twins, torch.zeros(80, 1), labels.repeat(2, 1), [np.arange(40), np.arange(40, 80)])
    assert (apart[:, 0, 0] > -3).all(), "no row is its own neighbour"
    assert (together[:, 0, 0] < -3).all()
    assert (together[:, 0, 4].exp() > 0).all()


def test_the_report_is_one_page_that_loads_nothing(done: Fitted) -> None:
    page = done.report.read_text(encoding="utf-8")
    assert "crysae, kernel ridge" in page
    assert "What more labels would bring" in page
    assert "http" not in page
    assert all(warning in page for warning in done.warnings)


def test_a_fit_that_goes_on_repeats_no_step(done: Fitted) -> None:
    steps = {path: path.stat().st_mtime_ns for path in done.folder.iterdir() if path.suffix in {".npy", ".json"}}
    (gone,) = (path for path in steps if path.name == "step-frozen-3.json")
    gone.unlink()
    again = fit_table(CRYSTALS, "bulk_modulus", done.path, budget=1, encoders=["crysae"])
    repeated = {path for path, time in steps.items() if path.stat().st_mtime_ns != time} - {gone}
    assert {path.name for path in repeated} <= {"identity.json"}
    assert again.errors["fit"] == pytest.approx(done.errors["fit"], rel=1e-6)


def test_a_folder_of_another_fit_is_refused(done: Fitted) -> None:
    with pytest.raises(PlanError, match="holds another run"):
        fit_table(CRYSTALS, "bulk_modulus", done.path, budget=1, encoders=["crysgnn"])


def test_few_labels_are_called_a_guess_and_judged_one_formula_at_a_time(tmp_path: Path) -> None:
    found = fit_table(CRYSTALS[:12], "bulk_modulus", tmp_path / "m.safetensors", budget=1, encoders=["crysae"])
    assert found.warnings[0].startswith("This is a guess: 12 labels")
    assert len(list(found.folder.glob("step-frozen-*.json"))) == len({formula(c.numbers) for c in CRYSTALS[:12]})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuner, Vectors]:
    folder = tmp_path_factory.mktemp("tuned")
    table, source = table_of(CRYSTALS, "bulk_modulus"), source_of("crysae")
    return Tuner(table, source, folder, "key", 0), Vectors(table, [source], folder, "key")


def test_a_file_of_frozen_and_fine_tuned_gives_their_mean(small: tuple[Tuner, Vectors], tmp_path: Path) -> None:
    tuner, vectors = small
    rows = np.arange(len(tuner.table))
    choice = choose(tuner.table, vectors, rows, 0, 0)
    shares, values = decide(tuner, vectors, rows[:40], choice, tuner.pools, 1, "test", Kept(tmp_path), rows[40:])
    assert sum(shares) == 1
    assert {len(each) for each in values.values()} == {20}
    networks = [tuner.tuned(rows[:40], choice.transform, pool, 1, "test") for pool in tuner.pools]
    parts = fitted(tuner.table, vectors, rows[:40], choice)
    facts: dict[str, Any] = {"name": "both"}
    assembled(tuner.table, vectors, parts, networks, (0.5, 0.5), choice.transform, facts).save(
        tmp_path / "m.safetensors"
    )
    found = np.log10(cryskit.load(tmp_path / "m.safetensors").predict(CRYSTALS[40:])["bulk_modulus"])
    tuned = np.mean([predicted(network, tuner.table, rows[40:]) for network in networks], axis=0)
    assert np.allclose(found, (mean_of(parts, vectors, rows[40:]) + tuned) / 2, atol=1e-4)


@pytest.mark.slow
def test_with_time_networks_are_fine_tuned_and_judged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "EPOCHS", 1)
    call: dict[str, Any] = {"budget": 3600, "encoders": ["crysae"]}
    found = fit_table(CRYSTALS[:52], "bulk_modulus", tmp_path / "m.safetensors", **call)
    assert {"frozen", "fine-tuned", "mean of both", "fit", "fine-tuned, mean_max pooling"} <= found.errors.keys()
    singles = [found.errors[name][0] for name in ("frozen", "fine-tuned", "mean of both")]
    assert min(singles) - 1e-9 <= found.errors["fit"][0] <= max(singles) + 1e-9
    assert found.path.stat().st_size < 10e6
    again = fit_table(CRYSTALS[:52], "bulk_modulus", tmp_path / "m.safetensors", **call)
    assert again.errors == found.errors
    values = cryskit.load(found.path).predict(CRYSTALS[:3])["bulk_modulus"]
    assert np.allclose(values, found.model.predict(CRYSTALS[:3])["bulk_modulus"], rtol=1e-5)


def test_the_shares_of_frozen_and_fine_tuned_are_those_with_the_smallest_error(small: tuple[Tuner, Vectors]) -> None:
    table = small[0].table
    rows, truth = np.arange(len(table)), np.log10(table.values)
    noise = np.random.default_rng(0).normal(size=len(table))
    assert mixed(table, rows, truth, truth + noise, "log10") == (1.0, 0.0)
    assert mixed(table, rows, truth + noise, truth, "log10") == (0.0, 1.0)
    assert mixed(table, rows, truth + noise, truth - noise, "log10") == (0.5, 0.5)
    assert mixed(table, rows, truth + noise, truth - 3 * noise, "log10") == (0.75, 0.25)


def test_an_encoder_that_has_learned_the_target_is_not_tried() -> None:
    used, excluded = usable_sources(["crysae", "cryskit-mp"], "bulk_modulus")
    assert [source.name for source in used] == ["crysae"]
    assert excluded == {"cryskit-mp": "bulk_modulus"}


def test_an_encoder_of_another_graph_is_refused() -> None:
    with pytest.raises(ModelError, match="another graph"):
        source_of("crysmmnet")


def test_a_folder_in_which_another_process_fits_is_refused(done: Fitted) -> None:
    before = done.report.stat().st_mtime_ns
    with exclusive(done.folder, PlanError("nobody", "")), pytest.raises(PlanError, match="Another process fits in"):
        fit_table(CRYSTALS, "bulk_modulus", done.path, budget=1, encoders=["crysae"])
    assert done.report.stat().st_mtime_ns == before


def test_the_budget_is_counted_by_the_clock_that_is_given(tmp_path: Path) -> None:
    calls = iter(range(0, 1_000_000, 100))
    out = tmp_path / "m.safetensors"
    found = fit_table(
        CRYSTALS[:50], "bulk_modulus", out, budget=600, encoders=["crysae"], clock=lambda: float(next(calls))
    )
    assert any("left no time for fine-tuning" in warning for warning in found.warnings)


@pytest.mark.skipif(find_spec("matminer") is None, reason="needs matminer")
def test_magpie_is_a_candidate_whose_model_needs_no_matminer(tmp_path: Path) -> None:
    assert tried_by_default() == (*PUBLISHED, MAGPIE)
    found = fit_table(CRYSTALS[:20], "bulk_modulus", tmp_path / "m.safetensors", budget=1, encoders=[MAGPIE])
    assert {name.split(",")[0] for name in found.errors} >= {MAGPIE}
    loaded = [sys.executable, "-c", _WITHOUT, str(found.path), str(EXAMPLES / "MgO.cif")]
    value = subprocess.run(loaded, capture_output=True, text=True, check=True).stdout
    assert float(value) == pytest.approx(found.model.predict(EXAMPLES / "MgO.cif")["bulk_modulus"][0], rel=1e-5)


_WITHOUT = """
import sys
sys.modules["matminer"] = None
import cryskit
print(cryskit.load(sys.argv[1]).predict(sys.argv[2])["bulk_modulus"][0])
"""


def test_a_network_is_fine_tuned_where_another_source_is_the_best_frozen(
    small: tuple[Tuner, Vectors], tmp_path: Path
) -> None:
    table, source = small[0].table, small[0].source
    composition = Source(MAGPIE, "0" * 64, {"composition": 2}, {"table": torch.rand(101, 2)}, ())
    vectors = Vectors(table, [source, composition], tmp_path, "key")
    assert vectors.views == ["crysae", MAGPIE], "the composition is not joined with encoders"
    job = Job(table, vectors, Kept(tmp_path), "key", 0, 0.0, 1.0)
    best = [Candidate(MAGPIE, "ridge", {}, 0.1), Candidate("crysae", "ridge", {}, 0.2)]
    tuner = _tuner(job, Choice("log10", tuple(best), {0: 1.0}, 0.1))
    assert tuner is not None
    assert tuner.source is source
    assert _tuner(job, Choice("log10", tuple(best[:1]), {0: 1.0}, 0.1)) is None


def test_folds_never_divide_a_formula() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 200)
    folds = folds_of(groups, 5, seed=1)
    assert sorted(np.concatenate(folds)) == list(range(200))
    assert sum(len(set(groups[fold])) for fold in folds) == 30
    assert max(map(len, folds)) - min(map(len, folds)) <= np.bincount(groups).max()
    drawn = some(np.arange(200), groups, 50, seed=0)
    assert not set(groups[drawn]) & set(np.delete(groups, drawn))


def test_the_logarithm_of_skewed_positive_labels_is_tried() -> None:
    def transforms(values: np.ndarray) -> tuple[str, ...]:
        crystals = [replace(c, targets={"mine": float(v)}) for c, v in zip(CRYSTALS, values, strict=True)]
        return table_of(crystals, "mine").transforms

    normal = np.random.default_rng(0).normal(size=len(CRYSTALS))
    assert transforms(np.exp(2 * normal)) == ("none", "log10")
    assert transforms(normal + 10) == ("none",)
    assert transforms(np.exp(2 * normal) - 0.1) == ("none",)


@pytest.mark.parametrize(
    ("crystals", "target", "says"),
    [
        (CRYSTALS, "hardness", "No crystal has a value of hardness"),
        (CRYSTALS[:9], "bulk_modulus", "9 crystals with a value"),
        ([replace(c, targets={"mine": 3.0}) for c in CRYSTALS], "mine", "All values of mine are 3"),
    ],
)
def test_a_table_that_cannot_be_learned_is_refused(crystals: list[cryskit.Crystal], target: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        table_of(crystals, target)


def test_a_table_of_ids_is_joined_with_a_folder() -> None:
    table = pd.DataFrame({"name": ["Si.cif", "nowhere", "NaCl"], "hardness": [11.0, 1.0, 2.0]})
    rows = list(with_structures(table, EXAMPLES, 500))
    assert [row.id for row in rows] == ["Si", "nowhere", "NaCl"]
    assert [row.targets["hardness"] for row in rows if isinstance(row, cryskit.Crystal)] == [11.0, 2.0]
    with pytest.raises(DataError, match="None of the 1 ids"):
        list(with_structures(table[1:2], EXAMPLES, 500))


def test_the_time_decides_how_long_is_trained() -> None:
    assert affordable(1000, 1.0, 6, 2) == (2, 40)
    assert affordable(200, 1.0, 6, 2) == (2, 16)
    assert affordable(100, 1.0, 6, 2) == (1, 16)
    assert affordable(40, 1.0, 6, 2) == (0, 0)


def test_the_learning_curve_is_a_power_law() -> None:
    exponent, left = expected_of_twice([(n, 3 * n**-0.5) for n in (50, 100, 200)]) or (0, 0)
    assert exponent == pytest.approx(0.5)
    assert left == pytest.approx(2**-0.5)


def test_the_verb_writes_what_predict_reads(tmp_path: Path) -> None:
    write(tmp_path / "table.parquet", CRYSTALS[:12])
    out = tmp_path / "m.safetensors"
    call = ["fit", str(tmp_path / "table.parquet"), "--target", "shear_modulus", "--out", str(out), "--budget", "1s"]
    found = CliRunner().invoke(app, [*call, "--encoder", "crysae", "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert Path(document["report"]).is_file()
    assert document["errors"]["fit"]["mae"] > 0
    predicted_ = CliRunner().invoke(app, ["predict", str(EXAMPLES / "Si.cif"), "--model", str(out)])
    assert predicted_.exit_code == 0
    assert "shear_modulus" in predicted_.stdout


@pytest.mark.parametrize("budget", ["soon", "0m", "10 days"])
def test_a_budget_that_is_no_time_is_refused(budget: str) -> None:
    found = CliRunner().invoke(app, ["fit", "elastic_tensor", "--target", "K_VRH", "--budget", budget])
    assert found.exit_code == 2
    assert "is no time" in found.output


def test_an_id_of_two_different_structures_is_no_row(tmp_path: Path) -> None:
    rows = [
        *cryskit.read(EXAMPLES / "Si.cif"),
        *cryskit.read(EXAMPLES / "NaCl.cif"),
        *cryskit.read(EXAMPLES / "Fe.cif"),
    ]
    one, other, apart = (row for row in rows if isinstance(row, cryskit.Crystal))
    table = tmp_path / "hardness.csv"
    table.write_text("id,hardness\ntwice,1\nonce,2\n", encoding="utf-8")
    pool = [replace(one, id="twice"), replace(other, id="twice"), replace(apart, id="once"), replace(apart, id="once")]
    found = list(with_structures(table, pool, 500))
    assert [getattr(row, "targets", None) for row in found] == [None, {"hardness": 2.0}]
    table.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="is no table"):
        list(with_structures(table, pool, 500))
