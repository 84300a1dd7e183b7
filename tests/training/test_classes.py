"""Classes are learned next to scalars, with labels missing; what is saved predicts, explains and is judged as what was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryskit.data import splits
from cryskit.data.sources import open_source
from cryskit.errors import DataError
from cryskit.evaluate.evaluate import evaluate
from cryskit.explain.atoms import Explainer
from cryskit.explain.document import document, row
from cryskit.explain.report import page
from cryskit.predict.load import load
from cryskit.training.plan import Plan
from cryskit.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal


def labelled(crystal: Crystal, number: int) -> Crystal:
    """Return a crystal with a truth value, a word and a number as labels, of which some are missing."""
    stiff = crystal.targets["bulk_modulus"]
    words = {"metal": "true" if stiff > 80 else "false"} if number % 3 else {}
    words |= {"grade": "low" if stiff < 50 else "middle" if stiff < 120 else "high"} if number % 4 else {}
    return replace(crystal, targets={"bulk_modulus": stiff} if number % 5 else {}, labels=words)


CRYSTALS = [c for c in open_source("elastic_tensor") if len(c) <= 8][:120]
CRYSTALS = [labelled(crystal, number) for number, crystal in enumerate(CRYSTALS)]
SPLIT = splits.make(CRYSTALS, "random", fractions=(0.5, 0.1, 0.2, 0.2), seed=0)
PARTS = SPLIT.divide(CRYSTALS)


def plan(*properties: str, epochs: int = 6, **values: object) -> Plan:
    network = {"name": "cgcnn", "width": 16, "layers": 1, "count": 8}
    loop = {"epochs": epochs, "edges": 2000, "accelerator": "cpu"}
    return Plan.make({"properties": properties, "encoder": network, "optimisation": loop, **values})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("classes")
    train(plan("metal", "bulk_modulus", "grade"), CRYSTALS, SPLIT, folder / "model.safetensors", folder / "run")
    assert {"classes-metal.png", "classes-grade.png", "parity-bulk_modulus.png"} <= {
        p.name for p in (folder / "run").iterdir()
    }
    return load(folder / "model.safetensors")


def test_every_task_is_learned_and_calibrated_on_the_part_that_calibrates(model: Predictor) -> None:
    metal, modulus, grade = model.card.properties
    assert (metal.classes, modulus.classes, grade.classes) == (("insulator", "metal"), (), ("high", "low", "middle"))
    assert model.card.format >= "2.1"
    known = [crystal for crystal in PARTS.calibration if "metal" in crystal.labels]
    calibration = model.card.class_calibration
    assert (calibration["metal"].part, calibration["metal"].crystals) == ("calibration", len(known))
    assert calibration.keys() == {"metal", "grade"}
    assert model.card.metrics["metal"]["accuracy"] > model.card.metrics["metal"]["most_frequent"] - 0.2


def test_what_is_judged_is_what_is_predicted(model: Predictor) -> None:
    found = evaluate(model, PARTS.test)
    table = found.table.set_index("id")
    both = table[table["grade_true"].notna()]
    assert found.metrics["grade"]["n"] == len(both) == sum("grade" in crystal.labels for crystal in PARTS.test)
    assert found.metrics["grade"]["accuracy"] == pytest.approx((both["grade"] == both["grade_true"]).mean())
    assert all(one in members.split("|") for one, members in zip(table["metal"], table["metal_set"], strict=True))
    assert table["metal_p"].between(0.5, 1).all()
    labels = {crystal.id: crystal.labels.get("metal") for crystal in PARTS.test}
    assert set(zip(table["metal_true"], map(labels.get, table.index), strict=True)) <= {
        ("metal", "true"),
        ("insulator", "false"),
        (None, None),
    }
    assert json.loads(found.to_json())["table"][0]["metal"] in {"metal", "insulator"}
    assert found.units == {"bulk_modulus": "GPa"}


def test_labels_that_a_model_has_no_class_for_are_counted(model: Predictor) -> None:
    strange = [replace(crystal, labels=dict(crystal.labels) | {"grade": "odd"}) for crystal in PARTS.test[:3]]
    assert evaluate(model, [*PARTS.test, *strange]).metrics["grade"]["n_other"] == 3


@pytest.mark.parametrize("name", ["metal", "grade", "bulk_modulus"])
def test_explanations_add_up_to_the_log_odds_of_what_is_predicted(model: Predictor, name: str) -> None:
    explainer = Explainer(model, name)
    for crystal in PARTS.test[:2]:
        found = explainer.explain(crystal)
        assert found.contributions.sum() + found.residual == pytest.approx(found.learned, abs=1e-4)
        assert abs(found.residual) < 0.02 * found.scale
        if name == "bulk_modulus":
            continue
        predicted = found.prediction.classes[name]
        shown = predicted.probabilities[1] if name == "metal" else predicted.probability
        assert 1 / (1 + np.exp(-found.learned)) == pytest.approx(shown, abs=1e-5)
        whole = document(explainer, [row(found)])
        assert whole["rows"][0]["value"] == predicted.name
        assert "log-odds of" in whole["space"]
        assert f"{predicted.name} ({predicted.probability:.0%})" in page(whole)


def test_validation_crystals_calibrate_where_no_part_does(tmp_path: Path) -> None:
    plain = replace(SPLIT, train=(*SPLIT.train, *SPLIT.calibration), calibration=())
    card = train(plan("metal", epochs=1), CRYSTALS, plain, tmp_path / "m.safetensors", tmp_path / "run")
    assert card.class_calibration["metal"].part == "validation"


def test_a_class_may_be_learned_as_a_number(tmp_path: Path) -> None:
    asked = plan("metal", epochs=1, kinds="scalar")
    assert asked.kinds == {"metal": "scalar"}
    assert Plan.from_yaml(_written(tmp_path / "plan.yaml", asked)) == asked
    card = train(asked, CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")
    assert card.properties[0].kind == "scalar"
    assert "mae" in card.metrics["metal"]


def test_a_plan_without_classes_has_the_hash_of_earlier_versions() -> None:
    asked = plan("bulk_modulus")
    assert "kinds" not in asked.decisive
    weighted = plan("bulk_modulus", objective={"name": "property", "class_weights": "balanced"})
    assert weighted.hash == plan("bulk_modulus", objective={"name": "property"}).hash
    assert plan("bulk_modulus", objective={"name": "property", "class_weights": "none"}).hash != weighted.hash


def test_a_label_that_is_no_class_is_left_out_and_listed(tmp_path: Path) -> None:
    spoiled = [replace(c, labels={"metal": "glass"}) if c.id == SPLIT.train[0] else c for c in CRYSTALS]
    card = train(plan("metal", epochs=1), spoiled, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")
    assert card.rows["impossible labels"] == 1
    (listed,) = json.loads((tmp_path / "run" / "impossible-labels.json").read_text(encoding="utf-8"))
    assert listed["reason"] == "'glass' is none of the classes insulator, metal"


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column nothing"):
        train(plan("nothing"), CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")


def _written(path: Path, asked: Plan) -> Path:
    path.write_text(asked.to_yaml(), encoding="utf-8")
    return path
