"""From a small table of classes to a model file: figures are those of formulas that nothing was chosen by, and a stopped fit goes on."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss
from typer.testing import CliRunner

import cryskit
from cryskit.cli import app
from cryskit.data.interchange import write
from cryskit.errors import DataError, PlanError
from cryskit.small_data.fit import Fitted, fit_table
from cryskit.small_data.folds import folds_of
from cryskit.small_data.joined import with_structures
from cryskit.small_data.sources import origins_of, usable_sources
from cryskit.small_data.table import class_table_of
from cryskit.types import Crystal, Property

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = [row for row in islice(cryskit.read("elastic_tensor"), 60) if isinstance(row, Crystal)]
MODULI = np.array([crystal.targets["bulk_modulus"] for crystal in CRYSTALS])
STIFF = np.where(np.median(MODULI) < MODULI, "stiff", "soft").tolist()
GUESS = "most frequent class"


def labelled(labels: list[str], name: str = "feel") -> list[Crystal]:
    return [replace(c, targets={}, labels={name: label}) for c, label in zip(CRYSTALS, labels, strict=True)]


def numbered(values: list[float], name: str = "flag") -> list[Crystal]:
    return [replace(c, targets={name: value}) for c, value in zip(CRYSTALS, values, strict=True)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    out = tmp_path_factory.mktemp("fit") / "feel.safetensors"
    return fit_table(labelled(STIFF), "feel", out, budget=1, encoders=["crysae"])


def test_words_are_classes_that_are_told_apart_on_formulas_not_seen(done: Fitted) -> None:
    fit, guess = done.figures["fit"], done.figures[GUESS]
    assert fit["balanced_accuracy"][0] > 0.75
    assert fit["roc_auc"][0] > 0.85
    assert fit["log_loss"][0] < 0.8 * guess["log_loss"][0]
    assert guess["balanced_accuracy"][0] == pytest.approx(0.5)
    assert guess["roc_auc"][0] == pytest.approx(0.5)
    assert all(spread is not None and spread >= 0 for _, spread in fit.values())
    assert done.errors["fit"] == fit["log_loss"]
    assert "All labels of feel are words (60 labels), so it is learned as a class, soft or stiff" in done.warnings[0]
    assert "--kind scalar" not in done.warnings[0], "words are no numbers"


def test_the_table_of_unseen_predictions_gives_the_figures(done: Fitted) -> None:
    table = pd.read_csv(done.folder / "out-of-fold.csv")
    assert table["id"].tolist() == [crystal.id for crystal in CRYSTALS]
    assert table["label"].tolist() == STIFF
    found = balanced_accuracy_score(table["label"], table["prediction"])
    assert found == pytest.approx(done.figures["fit"]["balanced_accuracy"][0])
    chances = table[["probability of soft", "probability of stiff"]]
    assert log_loss(table["label"], chances) == pytest.approx(done.figures["fit"]["log_loss"][0])
    assert (table["prediction"] == chances.columns.str[15:].to_numpy()[chances.to_numpy().argmax(1)]).all()
    assert all(one in members.split("|") for one, members in zip(table["prediction"], table["set"], strict=True))
    assert done.model.card.metrics["feel"]["balanced_accuracy"] == pytest.approx(found)


def test_the_file_alone_gives_the_fitted_model(done: Fitted) -> None:
    table = cryskit.load(done.path).predict(CRYSTALS)
    again = done.model.predict(CRYSTALS)
    assert table["feel"].tolist() == again["feel"].tolist()
    assert np.allclose(table["feel_p"], again["feel_p"], rtol=1e-6)
    assert (table["feel"] == STIFF).mean() > 0.85
    assert set(table["domain"]) <= {"in", "edge", "out"}
    known = done.model.card.class_calibration["feel"]
    assert (known.crystals, len(known.thresholds)) == (60, 2)
    assert done.model.reliability is not None
    assert done.model.reliability.record is not None


def test_sets_hold_the_class_of_formulas_not_seen(done: Fitted) -> None:
    formulas = {crystal.formula for crystal in CRYSTALS}
    others = [c for c in cryskit.read("elastic_tensor") if isinstance(c, Crystal) and c.formula not in formulas][::5]
    table = cryskit.load(done.path).predict(others)
    truth = np.where([np.median(MODULI) < c.targets["bulk_modulus"] for c in others], "stiff", "soft")
    covered = [label in members.split("|") for label, members in zip(truth, table["feel_set"], strict=True)]
    assert np.mean(covered) > 0.8
    assert balanced_accuracy_score(truth, table["feel"]) > 0.75


def test_the_report_is_one_page_that_loads_nothing(done: Fitted) -> None:
    page = done.report.read_text(encoding="utf-8")
    for words in ("crysae, logistic regression", "ROC-AUC", "Prediction sets", "confusion matrix", "Balanced accuracy"):
        assert words in page
    assert "http" not in page
    assert page.count("data:image/png;base64,") == 1
    assert all(warning in page for warning in done.warnings)


def test_a_fit_that_goes_on_repeats_no_step(done: Fitted) -> None:
    steps = {path: path.stat().st_mtime_ns for path in done.folder.iterdir() if path.suffix in {".npy", ".json"}}
    gone = done.folder / "step-frozen-3.json"
    gone.unlink()
    again = fit_table(labelled(STIFF), "feel", done.path, budget=1, encoders=["crysae"])
    repeated = {path.name for path, time in steps.items() if path.stat().st_mtime_ns != time} - {gone.name}
    assert repeated <= {"identity.json"}
    assert again.errors["fit"] == pytest.approx(done.errors["fit"], rel=1e-6)
    with pytest.raises(PlanError, match="holds another run"):
        fit_table(labelled(STIFF[::-1]), "feel", done.path, budget=1, encoders=["crysae"])


def test_random_labels_give_chance(tmp_path: Path) -> None:
    labels = np.random.default_rng(1).permutation(STIFF).tolist()
    found = fit_table(labelled(labels), "feel", tmp_path / "m.safetensors", budget=1, encoders=["crysae"])
    assert abs(found.figures["fit"]["balanced_accuracy"][0] - 0.5) < 0.2
    assert abs(found.figures["fit"]["roc_auc"][0] - 0.5) < 0.2
    assert found.figures["fit"]["log_loss"][0] > 0.95 * found.figures[GUESS]["log_loss"][0]
    assert any("hardly knows more than the most frequent class" in warning for warning in found.warnings)


def test_three_classes_of_which_one_is_rare(tmp_path: Path) -> None:
    limits = np.sort(MODULI)[[25, -5]]
    labels = np.array(["soft", "middle", "stiff"])[np.digitize(MODULI, limits)].tolist()
    found = fit_table(labelled(labels), "feel", tmp_path / "m.safetensors", budget=1, encoders=["crysae"])
    assert found.figures["fit"]["balanced_accuracy"][0] > 0.45
    assert found.figures["fit"]["log_loss"][0] < found.figures[GUESS]["log_loss"][0]
    assert any("Few labels of stiff (5)" in warning for warning in found.warnings)
    table = cryskit.load(found.path).predict(CRYSTALS[:5])
    assert all("stiff" in members.split("|") for members in table["feel_set"])


def test_few_labels_of_0_and_1_are_a_guess(tmp_path: Path) -> None:
    crystals = numbered([float(stiff == "stiff") for stiff in STIFF])[:14]
    found = fit_table(crystals, "flag", tmp_path / "m.safetensors", budget=1, encoders=["crysae"])
    assert found.model.card.properties[0].classes == ("0", "1")
    assert any(warning.startswith("This is a guess: 14 labels") for warning in found.warnings)
    assert "roc_auc" not in found.figures["fit"], "rows of different models are not compared"
    assert found.figures["fit"]["balanced_accuracy"][1] is None


def test_0_and_1_are_numbers_if_that_is_asked_for(tmp_path: Path) -> None:
    crystals = numbered([float(stiff == "stiff") for stiff in STIFF], "metal")[:14]
    call = {"budget": 1, "encoders": ["crysae"]}
    found = fit_table(crystals, "metal", tmp_path / "m.safetensors", kind="scalar", **call)
    assert (found.model.card.properties[0].kind, found.figures) == ("scalar", {})
    assert cryskit.load(found.path).predict(CRYSTALS[:1])["metal"].dtype == float


@pytest.mark.parametrize(
    ("crystals", "says"),
    [
        (labelled(["same"] * 60), "All labels of feel are 'same'"),
        (labelled(["odd"] + ["same"] * 59), "1 formula have the feel 'odd'"),
        (labelled(STIFF)[:8], "8 crystals with a value of feel are too few"),
        (labelled([f"word {number}" for number in range(60)]), "too many for classes"),
        (CRYSTALS, "no column feel"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(crystals: list[Crystal], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        fit_table(crystals, "feel", tmp_path / "m.safetensors", budget=1, encoders=["crysae"])


def test_labels_that_are_none_of_the_classes_are_left_out() -> None:
    crystals = labelled(["glass", *["metal" if stiff == "stiff" else "insulator" for stiff in STIFF[1:]]], "metal")
    table = class_table_of(crystals, Property("metal", "metal", "", kind="class", classes=("insulator", "metal")))
    assert len(table) == 59
    assert table.left_out == {CRYSTALS[0].id: "metal 'glass' is none of insulator, metal"}


def test_an_encoder_that_has_learned_what_classes_are_made_of_is_not_tried() -> None:
    wanted = Property("feel", "feel", "", kind="class", classes=("soft", "stiff"))
    known = [replace(c, labels={"feel": label}) for c, label in zip(CRYSTALS, STIFF, strict=True)]
    assert ("bulk_modulus",) in origins_of(class_table_of(known, wanted))
    assert ("shear_modulus",) not in origins_of(class_table_of(known, wanted))
    metal = Property("metal", "metal", "", kind="class", classes=("insulator", "metal"))
    origins = origins_of(class_table_of(labelled(["metal", "insulator"] * 30, "metal"), metal))
    used, excluded = usable_sources(["crysae", "cryskit-mp"], "metal", origins)
    assert [source.name for source in used] == ["crysae"]
    assert excluded == {"cryskit-mp": "band_gap"}
    _, excluded = usable_sources(
        ["cryskit-mp"], "poisson", [("bulk_modulus", "hardness"), ("bulk_modulus", "shear_modulus")]
    )
    assert excluded == {"cryskit-mp": "bulk_modulus and shear_modulus"}
    scalar = replace(class_table_of(known, wanted), wanted=Property("refractive_index", "n", ""))
    assert origins_of(scalar) == [("dielectric_electronic",)]


def test_a_column_that_divides_a_rare_class_by_chance_excludes_no_encoder() -> None:
    wanted = Property("feel", "feel", "", kind="class", classes=("soft", "stiff"))
    stiffest = np.argsort(-MODULI)
    for count, expected in ((4, False), (5, True)):
        labels = ["stiff" if row in stiffest[:count] else "soft" for row in range(len(CRYSTALS))]
        known = [replace(c, labels={"feel": label}) for c, label in zip(CRYSTALS, labels, strict=True)]
        assert (("bulk_modulus",) in origins_of(class_table_of(known, wanted))) == expected


def test_words_that_a_spreadsheet_would_run_are_guarded(tmp_path: Path) -> None:
    labels = ["=HYPERLINK(1)" if stiff == "stiff" else "+soft" for stiff in STIFF]
    crystals = [replace(c, id=f"@{c.id}") for c in labelled(labels)][:14]
    found = fit_table(crystals, "feel", tmp_path / "m.safetensors", budget=1, encoders=["crysae"])
    with (found.folder / "out-of-fold.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"'=HYPERLINK(1)", "'+soft"}
    assert not [cell for row in rows for cell in row.values() if cell[0] in "=+-@"]
    assert rows[0]["id"] == f"'@{CRYSTALS[0].id}"


def test_folds_have_their_share_of_a_rare_class_and_never_divide_a_formula() -> None:
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.arange(200) % 60)
    classes = (groups % 12 == 0).astype(int)
    folds = folds_of(groups, 5, 1, classes)
    assert sorted(np.concatenate(folds)) == list(range(200))
    assert sum(len(set(groups[fold])) for fold in folds) == len(set(groups))
    assert [len(set(groups[fold][classes[fold] == 1])) for fold in folds] == [1] * 5


def test_words_of_a_table_of_ids_are_labels() -> None:
    table = pd.DataFrame({"id": ["Si", "NaCl"], "kind": ["hard", "soft"], "made": [True, False]})
    rows = [row for row in with_structures(table, EXAMPLES, 500) if isinstance(row, Crystal)]
    assert [dict(row.labels) for row in rows] == [{"kind": "hard", "made": "true"}, {"kind": "soft", "made": "false"}]


def test_the_verb_shows_the_figures_of_a_class(tmp_path: Path) -> None:
    metals = ["true" if stiff == "stiff" else "false" for stiff in STIFF]
    write(tmp_path / "table.parquet", labelled(metals, "is_metal")[:16])
    out = tmp_path / "m.safetensors"
    call = ["fit", str(tmp_path / "table.parquet"), "--target", "is_metal", "--out", str(out), "--budget", "1s"]
    shown = CliRunner().invoke(app, [*call, "--encoder", "crysae", "--encoder", "cryskit-mp"])
    assert shown.exit_code == 0, shown.output
    assert "balanced accuracy" in shown.stdout
    assert "cryskit-mp has learned band_gap, from which metal follows, and was not tried" in shown.stderr
    found = CliRunner().invoke(app, [*call, "--encoder", "crysae", "--kind", "class", "--json"])
    document = json.loads(found.stdout)
    assert document["errors"]["fit"]["log_loss"]["value"] > 0
    predicted = CliRunner().invoke(app, ["predict", str(EXAMPLES / "Si.cif"), "--model", str(out)])
    assert predicted.exit_code == 0
    assert "metal" in predicted.stdout
