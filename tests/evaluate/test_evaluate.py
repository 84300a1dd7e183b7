"""A model judged on crystals: what is compared, what is counted, and what the JSON says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cryskit.data.interchange import manifest
from cryskit.data.sources import open_source
from cryskit.errors import DataError, UnknownNameError, UnreadableError
from cryskit.evaluate.evaluate import evaluate
from cryskit.evaluate.likeness import NEW_FORMULA, SAME_FORMULA, TRAINED
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.reliability.reliability import Reliability
from cryskit.reliability.training_record import TrainingRecord
from cryskit.types import Crystal, Failure, GraphSpec

NAMES = ("bulk_modulus", "poisson_ratio")
BAD = Failure("bad", UnreadableError("The file is empty", "Give a structure file", "bad.cif"))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    encoder = {"name": "cgcnn", "width": 8, "layers": 1}
    return Predictor.from_card(
        Card(name="tiny", encoder=encoder, spec=GraphSpec(), properties=[get(name) for name in NAMES])
    )


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    found = sorted((item for item in open_source("elastic_tensor") if isinstance(item, Crystal)), key=len)
    return found[:20]


def test_labels_that_are_the_predictions_leave_no_error(predictor: Predictor, crystals: list[Crystal]) -> None:
    predicted = predictor.predict(crystals)
    own = [replace(c, targets={n: float(predicted[n][i]) for n in NAMES}) for i, c in enumerate(crystals)]
    judged = evaluate(predictor, own)
    assert {name: figures["mae"] for name, figures in judged.metrics.items()} == dict.fromkeys(NAMES, 0.0)
    assert judged.metrics["bulk_modulus"]["r2_log10"] == 1
    assert judged.units == {"bulk_modulus": "GPa", "poisson_ratio": ""}


def test_predictions_stand_beside_the_labels_in_order(predictor: Predictor, crystals: list[Crystal]) -> None:
    items = [crystals[0], BAD, *crystals[1:]]
    judged = evaluate(predictor, iter(items), digest="abc")
    expected = predictor.predict(crystals)
    kept = judged.table.drop(index=1)
    assert judged.table["id"].tolist() == [item.id for item in items]
    assert list(judged.table) == ["id", *(c for n in NAMES for c in (n, f"{n}_true")), "status", "reason"]
    assert kept["bulk_modulus"].tolist() == pytest.approx(expected["bulk_modulus"].tolist(), rel=1e-6)
    assert kept["bulk_modulus_true"].tolist() == [c.targets["bulk_modulus"] for c in crystals]
    assert np.isnan(judged.table["bulk_modulus"][1])
    assert (judged.rows, judged.failed, judged.digest) == (21, 1, "abc")
    assert judged.data == manifest(crystals)


def test_a_property_without_labels_has_no_figures_unless_asked_for(
    predictor: Predictor, crystals: list[Crystal]
) -> None:
    some = [replace(c, targets={"bulk_modulus": c.targets["bulk_modulus"]}) for c in crystals]
    judged = evaluate(predictor, some)
    assert list(judged.metrics) == ["bulk_modulus"]
    assert judged.table["poisson_ratio_true"].isna().all()
    with pytest.raises(DataError, match="No crystal has a label of poisson_ratio"):
        evaluate(predictor, some, ["bulk_modulus", "poisson_ratio"])
    with pytest.raises(DataError, match="No crystal has a label of bulk_modulus, poisson_ratio"):
        evaluate(predictor, [replace(c, targets={}) for c in crystals])


def test_properties_may_be_named_by_alias(predictor: Predictor, crystals: list[Crystal]) -> None:
    assert list(evaluate(predictor, crystals, ["K_VRH"]).metrics) == ["bulk_modulus"]
    with pytest.raises(UnknownNameError, match="no property of the model tiny called 'band_gap'"):
        evaluate(predictor, crystals, ["gap pbe"])


def test_json_says_everything_with_null_for_what_is_unknown(predictor: Predictor, crystals: list[Crystal]) -> None:
    judged = evaluate(predictor, [BAD, *crystals], ["bulk_modulus"], digest="abc")
    document = json.loads(judged.to_json())
    rows = document.pop("table")
    assert document.pop("metrics") == judged.metrics
    assert document == {
        "model": "tiny",
        "digest": "abc",
        "data": manifest(crystals),
        "units": {"bulk_modulus": "GPa"},
        "coverage": {},
        "likeness": {},
        "interval": 0.9,
        "rows": 21,
        "failed": 1,
    }
    assert rows[0]["bulk_modulus"] is None
    assert rows[0]["bulk_modulus_true"] is None
    assert "bad.cif: The file is empty" in rows[0]["reason"]
    assert [row["bulk_modulus"] for row in rows[1:]] == judged.table["bulk_modulus"].tolist()[1:]


def test_figures_stand_apart_for_what_trained_the_model(predictor: Predictor, crystals: list[Crystal]) -> None:
    trained, other, new = crystals[:8], crystals[8:12], crystals[12:]
    squeezed = [replace(c, id=f"{c.id}-squeezed", lattice=c.lattice * 0.9) for c in other]
    recorded = Predictor.from_card(predictor.card)
    recorded.load_state_dict(predictor.state_dict())
    recorded.reliability = Reliability(2, {"crystals": 1, "width": 8, "components": 1, "properties": 2})
    recorded.reliability.record = TrainingRecord.of([*trained, *other])
    found = evaluate(recorded, [*new, BAD, *squeezed, *trained], "bulk_modulus")
    kinds = found.likeness["bulk_modulus"]
    formulas = {c.formula for c in [*trained, *other]}
    like = sum(c.formula in formulas for c in new)
    assert {kind: figures["n"] for kind, figures in kinds.items()} == {
        TRAINED: len(trained),
        SAME_FORMULA: len(squeezed) + like,
        NEW_FORMULA: len(new) - like,
    }
    assert kinds[TRAINED]["mae"] == pytest.approx(evaluate(predictor, trained).metrics["bulk_modulus"]["mae"], rel=1e-5)
    assert json.loads(found.to_json())["likeness"]["bulk_modulus"][TRAINED]["n"] == len(trained)
