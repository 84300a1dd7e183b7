"""A trained model judges its predictions: intervals and a domain come with every table, and stay with the file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cryskit.data.sources import open_source
from cryskit.data.splits import make
from cryskit.errors import DataError, ModelError, PlanError
from cryskit.evaluate.evaluate import evaluate
from cryskit.explain.atoms import Explainer
from cryskit.predict.card import CARD
from cryskit.predict.load import load
from cryskit.training.calibrate import calibrate, calibrated
from cryskit.training.plan import Plan
from cryskit.training.train import train
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.predict.predictor import Predictor

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:260]
SPLIT = make(CRYSTALS, "formula", fractions=(0.5, 0.1, 0.1, 0.3), seed=0)
NAMES = ["bulk_modulus", "poisson_ratio"]
ENDS = ["", "_std", "_lo", "_hi"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    settings = {"epochs": 8, "edges": 1500, "rate": 0.01, "accelerator": "cpu"}
    plan = {"properties": NAMES, "encoder": {"name": "cgcnn", "width": 16, "layers": 2}, "optimisation": settings}
    train(Plan.make(plan), CRYSTALS, SPLIT, folder / "m.safetensors", folder / "run")
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def predictor(file: Path) -> Predictor:
    return load(file)


def test_every_prediction_comes_with_interval_and_domain(predictor: Predictor) -> None:
    table = predictor.predict(SPLIT.divide(CRYSTALS).test)
    assert [name for name in table if name in {f"{p}{end}" for p in NAMES for end in ENDS} | {"domain"}] == [
        *(f"{name}{end}" for name in NAMES for end in ENDS),
        "domain",
    ]
    for name in NAMES:
        low, value, high = (table[f"{name}{end}"] for end in ("_lo", "", "_hi"))
        assert ((low <= value) & (value <= high) & (table[f"{name}_std"] > 0)).all()
        assert (table[f"{name}_std"] < high - low).all()
    assert (table["bulk_modulus_lo"] > 0).all()
    assert table["domain"].isin(["in", "edge", "out"]).all()
    assert (table["status"] == np.where(table["domain"] == "out", "warned", "ok")).all()
    assert table.attrs["interval"] == 0.9
    assert table.attrs["units"]["bulk_modulus_lo"] == "GPa"
    assert predictor.card.calibration["origin"] == "calibration part of the split"
    assert predictor.card.calibration["crystals"]["bulk_modulus"] == len(SPLIT.calibration)


def test_intervals_of_moduli_are_symmetric_in_their_logarithm(predictor: Predictor) -> None:
    table = predictor.predict(CRYSTALS[:20])
    np.testing.assert_allclose(
        table["bulk_modulus"] ** 2, table["bulk_modulus_lo"] * table["bulk_modulus_hi"], rtol=1e-4
    )


def test_higher_levels_contain_lower_ones(predictor: Predictor) -> None:
    narrow, wide = (predictor.predict(CRYSTALS[:30], interval=level) for level in (0.5, 0.95))
    assert (wide["bulk_modulus_lo"] < narrow["bulk_modulus_lo"]).all()
    assert (wide["bulk_modulus_hi"] > narrow["bulk_modulus_hi"]).all()
    assert (wide["bulk_modulus"] == narrow["bulk_modulus"]).all()
    with pytest.raises(PlanError, match=r"90 is no level of an interval.*Did you mean 0.9"):
        predictor.predict(CRYSTALS[:1], interval=90)


def test_the_choice_of_cell_changes_no_interval(predictor: Predictor) -> None:
    crystal = CRYSTALS[0]
    larger = Crystal(
        "larger",
        np.diag([2, 1, 1]) @ crystal.lattice,
        np.concatenate([crystal.fractional, crystal.fractional + np.array([1.0, 0, 0])]) / [2, 1, 1],
        np.tile(crystal.numbers, 2),
    )
    one, other = predictor.predict([crystal]), predictor.predict([larger])
    for name in (f"{p}{end}" for p in NAMES for end in ENDS):
        np.testing.assert_allclose(one[name], other[name], rtol=2e-3)
    assert one["domain"][0] == other["domain"][0]


def test_squeezed_crystals_are_out_and_warned(predictor: Predictor) -> None:
    inside = [c for c in CRYSTALS if c.id in SPLIT.train][:20]
    squeezed = [replace(c, lattice=0.75 * c.lattice) for c in inside]
    table = predictor.predict(squeezed)
    assert (table["domain"] == "out").mean() > 0.8
    assert (table["status"][table["domain"] == "out"] == "warned").all()
    assert table["reason"].str.contains("cubic angstrom per atom").any()


def test_failures_keep_their_place_and_have_no_interval(predictor: Predictor) -> None:
    failure = Failure("broken", DataError("It is broken", "Mend it"))
    table = predictor.predict([CRYSTALS[0], failure, CRYSTALS[1]])
    assert table["status"].tolist()[1] == "failed"
    assert table.loc[1, ["bulk_modulus", "bulk_modulus_lo", "domain"]].isna().all()
    pd.testing.assert_frame_equal(
        table.drop(1).reset_index(drop=True), predictor.predict(CRYSTALS[:2]), check_exact=False, rtol=1e-5
    )


def test_evaluation_counts_what_intervals_cover(predictor: Predictor) -> None:
    test = SPLIT.divide(CRYSTALS).train
    found = evaluate(predictor, test, "bulk_modulus", interval=0.8)
    table = found.table
    inside = (table["bulk_modulus_lo"] <= table["bulk_modulus_true"]) & (
        table["bulk_modulus_true"] <= table["bulk_modulus_hi"]
    )
    whole = found.coverage["bulk_modulus"]["all"]
    assert whole["coverage"] == pytest.approx(inside.mean(), abs=0.02)
    assert whole["width"] == pytest.approx((table["bulk_modulus_hi"] - table["bulk_modulus_lo"]).mean())
    fifths = [kind for kind in found.coverage["bulk_modulus"] if kind.endswith("fifth")]
    assert len(fifths) == 5
    assert sum(found.coverage["bulk_modulus"][kind]["crystals"] for kind in fifths) == len(test)
    assert json.loads(found.to_json())["interval"] == 0.8


def test_a_model_can_be_calibrated_again(predictor: Predictor, file: Path) -> None:
    """Labels that are twice as large are covered after a calibration on such labels, and only then."""
    again = load(file)
    shifted = [replace(c, targets={"bulk_modulus": 2 * c.targets["bulk_modulus"]}) for c in CRYSTALS]
    divided = SPLIT.divide(CRYSTALS)
    ids = {c.id for c in divided.calibration}
    calibrated(again, calibrate(again, [], [c for c in shifted if c.id in ids]), "doubled")
    judged = [c for c in shifted if c.id in {c.id for c in [*divided.test, *divided.validation]}]
    before, after = (evaluate(p, judged, "bulk_modulus").coverage["bulk_modulus"]["all"] for p in (predictor, again))
    assert before["coverage"] < 0.6
    assert after["coverage"] > 0.75
    assert again.card.calibration == {"origin": "doubled", "crystals": {"bulk_modulus": len(ids)}}
    assert again.predict(CRYSTALS[:2])["poisson_ratio_lo"].isna().all(), "it has no labels to calibrate with"


def test_too_few_labels_or_no_reference_are_refused(predictor: Predictor, file: Path) -> None:
    with pytest.raises(DataError, match="labels of 9 crystals"):
        calibrate(predictor, [], CRYSTALS[:5])
    assert predictor.predict(CRYSTALS[:2])["bulk_modulus_lo"].notna().all(), "the model keeps what it had"
    bare = load(file)
    bare.reliability = None
    with pytest.raises(DataError, match="keeps nothing of its training crystals"):
        calibrate(bare, [], CRYSTALS)


def test_a_model_that_is_not_calibrated_predicts_as_before(file: Path, tmp_path: Path) -> None:
    bare = load(file)
    bare.reliability = None
    bare.card = bare.card.model_copy(update={"reliability": {}, "calibration": {}})
    bare.save(tmp_path / "bare.safetensors")
    table = load(tmp_path / "bare.safetensors").predict(CRYSTALS[:3])
    assert not [name for name in table if name.endswith(("_lo", "_hi", "_std")) or name == "domain"]
    assert table["bulk_modulus"].tolist() == load(file).predict(CRYSTALS[:3])["bulk_modulus"].tolist()
    assert "interval" not in table.attrs


@pytest.mark.parametrize(
    "sizes", [{"reference": {"crystals": 10**12}}, {"reference": {"width": "16"}}, {"refrence": {}}, {}]
)
def test_a_card_whose_sizes_are_not_those_of_the_tensors_is_refused(
    file: Path, tmp_path: Path, sizes: dict[str, dict[str, object]]
) -> None:
    with safe_open(file, framework="pt") as opened:
        card = json.loads(opened.metadata()[CARD])
    card["reliability"] = {k: {**card["reliability"].get(k, {}), **v} for k, v in sizes.items()}
    save_file(load_file(file), tmp_path / "x.safetensors", {CARD: json.dumps(card)})
    with pytest.raises(ModelError, match="do not fit its card"):
        load(tmp_path / "x.safetensors")


def test_an_explanation_predicts_the_same_number(predictor: Predictor) -> None:
    explanation = Explainer(predictor, "bulk_modulus").explain(CRYSTALS[3])
    assert explanation.prediction.values["bulk_modulus"] == pytest.approx(
        predictor.predict(CRYSTALS[3:4])["bulk_modulus"][0], rel=1e-5
    )


def test_quantities_that_cannot_be_negative_are_not() -> None:
    predictor = load("cryskit-mp")
    with torch.no_grad():
        column = predictor.properties.index("band_gap")
        predictor.heads.bias[column] -= 5.0
    table = predictor.predict("examples")
    assert (table["band_gap"] == 0).all()
    assert (table["formation_energy_per_atom"] < 0).any()
