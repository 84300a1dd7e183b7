"""A run goes from a plan to a model file that predicts what it was validated to predict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryskit.data import splits
from cryskit.data.sources import open_source
from cryskit.errors import DataError, PlanError
from cryskit.evaluate.evaluate import evaluate
from cryskit.exclusive import exclusive
from cryskit.graphs import build
from cryskit.predict.load import load
from cryskit.training.log import read_log
from cryskit.training.plan import Plan
from cryskit.training.train import train
from cryskit.types import Crystal, GraphSpec

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:80]
SPLIT = splits.make(CRYSTALS, "random", fractions=(0.6, 0.2, 0.2), seed=0)


def plan(*properties: str, **optimisation: object) -> Plan:
    settings = {"epochs": 2, "edges": 1000, "accelerator": "cpu", **optimisation}
    return Plan.make({"properties": properties, "encoder": {"name": "cgcnn", "width": 8}, "optimisation": settings})


def test_the_model_file_holds_what_was_trained(tmp_path: Path) -> None:
    out = tmp_path / "elastic.safetensors"
    card = train(plan("bulk_modulus", "shear_modulus"), CRYSTALS, SPLIT, out, tmp_path / "run", source="elastic_tensor")
    predictor = load(out)
    assert predictor.card == card
    assert card.rows == {"training": len(SPLIT.train), "validation": len(SPLIT.validation)}
    assert card.split == {"name": SPLIT.name, "hash": SPLIT.hash}
    validation = SPLIT.divide(CRYSTALS).validation
    assert evaluate(predictor, validation).metrics["bulk_modulus"]["mae"] == pytest.approx(
        card.metrics["bulk_modulus"]["mae"], rel=1e-5
    )
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"plan.yaml", "log.jsonl", "curve.png", "parity-bulk_modulus.png", "parity-shear_modulus.png"} <= written
    written = Plan.from_yaml(tmp_path / "run" / "plan.yaml")
    asked = plan("bulk_modulus", "shear_modulus")
    assert written.encoder == card.encoder
    assert {"layers", "neighbours", "radius"} < written.encoder.keys() - asked.encoder.keys()
    assert written.objective == {
        "name": "property",
        "loss": "absolute",
        "weights": None,
        "class_weights": "balanced",
    }
    assert written.model_copy(update={"encoder": asked.encoder, "objective": asked.objective}) == asked


def test_a_crystal_is_built_once_for_all_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: Counter[str] = Counter()
    whole = build._build_whole

    def counted(crystal: Crystal, spec: GraphSpec) -> build._Part:
        built[crystal.fingerprint] += 1
        return whole(crystal, spec)

    monkeypatch.setattr(build, "_build_whole", counted)
    train(plan("bulk_modulus", epochs=1), CRYSTALS[:40], out=tmp_path / "unseen.csv", folds=2)
    given = {crystal.fingerprint for crystal in CRYSTALS[:40]}
    assert {built[one] for one in given} == {1}
    assert built.keys() > given, "crystals that cannot be are built for the domain"


def test_repeated_crystals_lengthen_a_pass_and_count_once(tmp_path: Path) -> None:
    steps = {}
    for times in (1, 5):
        asked = plan("bulk_modulus", epochs=1).model_copy(update={"repeats": {2: times}})
        card = train(asked, CRYSTALS, SPLIT, tmp_path / f"{times}.safetensors", tmp_path / str(times), judging=False)
        assert card.rows["training"] == len(SPLIT.train)
        (epoch,) = read_log(tmp_path / str(times) / "log.jsonl")
        steps[times] = epoch["step"]
    assert steps[5] > steps[1]


def test_a_folder_in_which_another_process_trains_is_refused(tmp_path: Path) -> None:
    call = plan("bulk_modulus"), CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run"
    with (
        exclusive(tmp_path / "run", PlanError("nobody", "")),
        pytest.raises(PlanError, match="Another process trains in"),
    ):
        train(*call)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
    train(*call)


def test_the_test_crystals_cannot_be_reached(tmp_path: Path) -> None:
    """Labels of the test part may be anything, the weights stay the same."""
    hidden = set(SPLIT.test)
    spoiled = [replace(c, targets={"bulk_modulus": 1e6}) if c.id in hidden else c for c in CRYSTALS]
    for name, crystals in (("left", CRYSTALS), ("right", spoiled)):
        train(plan("bulk_modulus"), crystals, SPLIT, tmp_path / f"{name}.safetensors", tmp_path / name)
    left, right = (load(tmp_path / f"{name}.safetensors").predict(CRYSTALS) for name in ("left", "right"))
    assert left["bulk_modulus"].tolist() == right["bulk_modulus"].tolist()


def test_a_column_that_is_no_registered_property_can_be_learned(tmp_path: Path) -> None:
    crystals = [replace(c, targets={"volume": float(abs(np.linalg.det(c.lattice)))}) for c in CRYSTALS]
    card = train(plan("volume"), crystals, SPLIT, tmp_path / "v.safetensors", tmp_path / "run")
    assert [p.name for p in card.properties] == ["volume"]


def test_a_property_that_the_data_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column happiness"):
        train(plan("happiness"), CRYSTALS, SPLIT, tmp_path / "x.safetensors", tmp_path / "run")
    with pytest.raises((DataError, PlanError)):
        train(plan("band_gap"), CRYSTALS, SPLIT, tmp_path / "x.safetensors", tmp_path / "run")


def test_data_that_the_split_was_not_made_of_is_refused(tmp_path: Path) -> None:
    other = [
        *CRYSTALS[1:],
        Crystal("new", np.eye(3) * 4, np.zeros((1, 3)), np.array([26]), targets={"bulk_modulus": 1.0}),
    ]
    with pytest.raises(DataError, match="other data"):
        train(plan("bulk_modulus"), other, SPLIT, tmp_path / "x.safetensors", tmp_path / "run")


def test_plans_name_every_wrong_key() -> None:
    with pytest.raises(PlanError, match=r"optimisation\.epochs.*optimisation\.speed"):
        Plan.make({"properties": ["band_gap"], "optimisation": {"epochs": 0, "speed": 1}})
    with pytest.raises(PlanError, match="properties"):
        Plan.make({"properties": []})


def test_a_model_goes_on_with_the_heads_of_another(tmp_path: Path) -> None:
    first = tmp_path / "first.safetensors"
    train(plan("bulk_modulus"), CRYSTALS, SPLIT, first, tmp_path / "first")
    start = {"start": {"file": str(first), "parts": "model", "freeze": 4}}
    still = plan("bulk_modulus", "shear_modulus", epochs=1, rate=1e-12, weight_decay=0.0, averaging=0.0)
    still = Plan.make(still.model_dump(exclude={"encoder", "start"}) | start)
    card = train(still, CRYSTALS, SPLIT, tmp_path / "second.safetensors", tmp_path / "second")
    assert card.start["heads"] == ["bulk_modulus"]
    before, after = (
        load(path).predict(CRYSTALS[:9])["bulk_modulus"] for path in (first, tmp_path / "second.safetensors")
    )
    np.testing.assert_allclose(after, before, rtol=1e-4)
    foreign = Plan.make({"properties": ["poisson_ratio"], "optimisation": {"epochs": 1, "accelerator": "cpu"}} | start)
    with pytest.raises(PlanError, match="no heads that fit"):
        train(foreign, CRYSTALS, SPLIT, tmp_path / "x.safetensors", tmp_path / "third")
