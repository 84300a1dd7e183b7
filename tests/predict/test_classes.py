"""Probabilities are calibrated, sets have the true class as often as they say, and models with classes are kept whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from cryskit.errors import ModelError
from cryskit.graphs.build import build
from cryskit.predict.card import CARD, Card, read_card
from cryskit.predict.classes import UNCALIBRATED, ClassCalibration, calibrate, class_prediction, softmax
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.predict.tables import prediction_row
from cryskit.predict.writers import table_writer
from cryskit.properties import get
from cryskit.types import Crystal, GraphSpec, Property

if TYPE_CHECKING:
    from pathlib import Path

KIND = Property("kind", "", "", kind="class", classes=("a", "b", "c"))
SALT = Crystal("salt", np.eye(3) * 4.12, [[0.0, 0, 0], [0.5, 0.5, 0.5]], [55, 17])


def planted(count: int, seed: int, classes: int = 3, sharp: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are `sharp` times those that labels were drawn by, and the labels."""
    chance = np.random.default_rng(seed)
    true = chance.normal(size=(count, classes)) * 1.5
    cumulated = softmax(true).cumsum(1)
    return true * sharp, (chance.random(count)[:, None] > cumulated).sum(1).clip(max=classes - 1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("sharp", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_one_that_was_planted(classes: int, sharp: float) -> None:
    found = calibrate(*planted(5000, 0, classes, sharp))
    assert found.temperature == pytest.approx(sharp, rel=0.06)


def test_probabilities_are_what_they_say_after_calibration_and_not_before() -> None:
    known = calibrate(*planted(4000, 0))
    logits, labels = planted(20_000, 1)

    def error(temperature: float) -> float:
        chances = softmax(logits, temperature)
        sure, right = chances.max(1), chances.argmax(1) == labels
        bins = np.array_split(np.argsort(sure), 10)
        return float(np.mean([abs(sure[part].mean() - right[part].mean()) for part in bins]))

    assert error(known.temperature) < 0.015
    assert error(1.0) > 0.1


@pytest.mark.parametrize("classes", [2, 3])
def test_sets_cover_every_class_as_often_as_they_say(classes: int) -> None:
    """Over 200 draws of 300 crystals that calibrate, each class is covered nine times in ten, and at little more."""
    covered, sizes = [], []
    for seed in range(200):
        known = calibrate(*planted(300, seed, classes))
        logits, labels = planted(200, 1000 + seed, classes)
        inside = 1 - softmax(logits, known.temperature) <= np.array(known.thresholds)
        covered.append([inside[labels == k, k].mean() for k in range(classes)])
        sizes.append(inside.sum(1).mean())
    assert np.all(np.abs(np.mean(covered, axis=0) - 0.905) < 0.015)
    assert np.mean(sizes) < classes - 0.3


def test_a_class_of_which_too_little_is_known_is_in_every_set() -> None:
    labels = np.array([0] * 20 + [1] * 8)
    known = calibrate(np.array([[4.0, 0.0]] * 20 + [[0.0, 4.0]] * 8), labels)
    assert known.thresholds[1] == 1.0
    assert known.thresholds[0] < 0.1
    found = class_prediction(("insulator", "metal"), np.array([0.99, 0.01]), known.thresholds)
    assert found.members == ("insulator", "metal")
    assert calibrate(np.zeros((0, 2)), np.zeros(0, dtype=int)) == UNCALIBRATED


def test_few_crystals_that_are_told_apart_make_no_certainty() -> None:
    known = calibrate(np.array([[3.0, 0.0], [0.0, 3.0]] * 5), np.array([0, 1] * 5))
    assert known.temperature > 0.3


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    card = Card(
        name="tiny",
        encoder={"name": "cgcnn", "width": 8, "layers": 1},
        spec=GraphSpec(),
        properties=[get("metal"), get("band_gap"), KIND],
        class_calibration={"metal": ClassCalibration(temperature=2.0, thresholds=(0.9, 0.2), part="validation")},
    )
    path = tmp_path / "tiny.safetensors"
    predictor = Predictor.from_card(card)
    predictor.heads.mean[1] = 2.0  # a gap that is not negative
    predictor.save(path)
    return path


def test_a_model_with_classes_is_read_as_it_was_saved(model: Path) -> None:
    predictor = load(model)
    graph = predictor.predict([SALT])
    (outputs,) = predictor.values(build([SALT], predictor.card.spec))
    assert outputs.shape == (5,)
    metal = 1 / (1 + np.exp(-outputs[0] / 2.0))
    assert graph["metal"][0] == ("metal" if metal > 0.5 else "insulator")
    assert graph["metal_p"][0] == pytest.approx(max(metal, 1 - metal), rel=1e-5)
    assert graph["band_gap"][0] == pytest.approx(outputs[1])
    assert graph["kind_set"][0] == "a|b|c", "without calibration nothing is excluded"
    assert graph.attrs["units"] == predictor.units == {"band_gap": "eV"}
    assert list(graph)[2:9] == ["metal", "metal_p", "metal_set", "band_gap", "kind", "kind_p", "kind_set"]
    load(model).save(model)
    assert load(model).card == predictor.card


def test_a_card_without_classes_is_one_that_format_2_0_reads(model: Path, tmp_path: Path) -> None:
    """What only classes need is not written; a card with classes says what earlier versions do not know."""

    def written(path: Path) -> dict[str, object]:
        with safe_open(path, framework="np") as file:
            found: dict[str, object] = json.loads(file.metadata()[CARD])
        return found

    assert "class_calibration" in written(model)
    plain = tmp_path / "plain.safetensors"
    card = read_card(model)
    scalars = card.model_copy(update={"properties": [get("band_gap")], "class_calibration": {}})
    Predictor.from_card(scalars).save(plain)
    assert "class_calibration" not in written(plain)
    assert "classes" not in written(plain)["properties"][0]  # type: ignore[index]
    assert load(plain).card.properties == [get("band_gap")]


def test_a_calibration_of_other_classes_is_refused(model: Path) -> None:
    card = read_card(model)
    wrong = {"kind": {"temperature": 1.0, "thresholds": [0.5, 0.5]}}
    with pytest.raises(ValueError, match="does not fit its classes"):
        Card.model_validate(card.model_dump() | {"class_calibration": wrong})
    damaged = model.with_name("damaged.safetensors")
    broken = Predictor.from_card(card)
    broken.card = card.model_copy(update={"class_calibration": {"metal": ClassCalibration(thresholds=(0.5,) * 3)}})
    broken.save(damaged)
    with pytest.raises(ModelError, match="does not fit its classes"):
        load(damaged)


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
def test_every_table_has_class_probability_and_set(model: Path, tmp_path: Path, ending: str) -> None:
    predictor = load(model)
    schema = predictor.schema("is_metal")
    assert schema.names == ["id", "metal", "metal_p", "metal_set", "status", "reason"]
    rows = [prediction_row(one) for one in predictor.stream([SALT, replace(SALT, id="b", numbers=[11, 17])])]
    with table_writer(tmp_path / f"t{ending}", schema, predictor.facts(schema)) as write_row:
        for row in rows:
            write_row(row)
    if ending == ".json":
        found = pd.DataFrame(json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["rows"])
    else:
        found = pd.read_csv(tmp_path / "t.csv") if ending == ".csv" else pd.read_parquet(tmp_path / "t.parquet")
    assert found["metal"].tolist() == [row["metal"] for row in rows]
    assert found["metal_p"].tolist() == pytest.approx([row["metal_p"] for row in rows])
    assert found["metal_set"].tolist() == [row["metal_set"] for row in rows]
