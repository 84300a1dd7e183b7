"""A plan says what its rows are, and refuses what would make them unequal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from benchmark.small import plan
from pydantic import ValidationError

from cryskit.benchmark.plan import BenchmarkPlan, Data, Row, merged
from cryskit.errors import PlanError

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_are_the_product_less_what_is_skipped() -> None:
    asked = plan(fractions=[1.0, 0.5], seeds=[0, 1], skip=[{"regime": "squared", "fraction": 0.5}])
    rows = list(asked.rows())
    assert rows[:3] == [
        Row("elastic", "bulk_modulus", "cgcnn", "scratch", 0.5, 0),
        Row("elastic", "bulk_modulus", "cgcnn", "scratch", 1.0, 0),
        Row("elastic", "bulk_modulus", "cgcnn", "squared", 1.0, 0),
    ]
    assert len(rows) == 6


def test_properties_of_a_list_are_learned_alone_and_those_under_a_name_together() -> None:
    source = {"source": "elastic_tensor", "properties": {"moduli": ["bulk_modulus", "shear_modulus"], "ratio": ["x"]}}
    asked = plan(data={"elastic": source}, regimes={"scratch": {}}, skip=[{"property": "ratio", "seed": 1}])
    moduli, ratio = asked.rows()
    assert (moduli.property, asked.learned(moduli)) == ("moduli", ("bulk_modulus", "shear_modulus"))
    (made,) = asked.training_plans(moduli, {"epochs": 1}, str)
    assert list(made.properties) == ["bulk_modulus", "shear_modulus"]
    assert asked.learned(ratio) == ("x",)
    alone = plan(data={"elastic": source | {"properties": ["bulk_modulus", "shear_modulus"]}})
    assert [alone.learned(row) for row in alone.rows() if row.regime == "scratch"] == [
        ("bulk_modulus",),
        ("shear_modulus",),
    ]


def test_a_regime_is_laid_over_the_plan_of_the_row() -> None:
    regimes = {"scratch": {}, "start": {"start": {"file": "{encoder}-{seed}.safetensors"}, "encoder": {"width": 16}}}
    asked = plan(regimes=regimes, grid={"optimisation.rate": [0.1, 0.2]}, seeds=[3])
    scratch, start = (asked.training_plans(row, {"epochs": 7}, str) for row in asked.rows())
    assert [one.optimisation.rate for one in start] == [0.1, 0.2]
    assert {(one.optimisation.epochs, one.optimisation.seed, one.optimisation.edges) for one in start} == {(7, 3, 1000)}
    assert start[0].start is not None
    assert start[0].start.file == "cgcnn-3.safetensors"
    assert start[0].encoder == scratch[0].encoder | {"width": 16}
    assert scratch[0].start is None


def test_a_regime_may_learn_from_the_model_of_another_row() -> None:
    teacher = {"row": {"regime": "scratch"}, "labels": True}
    asked = plan(regimes={"scratch": {}, "taught": {"teacher": teacher, "objective": {"name": "distill"}}})
    scratch, taught = asked.rows()
    (made,) = asked.training_plans(taught, {"epochs": 1}, lambda row: f"model of {row.regime}")
    assert scratch == taught._replace(regime="scratch")
    assert made.teacher is not None
    assert (made.teacher.file, made.teacher.labels) == ("model of scratch", True)


def test_a_regime_may_put_the_network_of_the_row_into_another_and_bring_words_along() -> None:
    around = {"name": "fused", "graph": "{network}", "text": "terms.safetensors"}
    asked = plan(regimes={"scratch": {}, "described": {"text": "texts.parquet", "encoder": around}})
    scratch, described = asked.rows()
    (made,) = asked.training_plans(described, {"epochs": 1}, str)
    assert made.encoder == around | {"graph": asked.encoders["cgcnn"]}
    assert (asked.texts(scratch), asked.texts(described)) == ("", "texts.parquet")


def test_arguments_of_one_part_are_not_mixed_with_those_of_another() -> None:
    below = {"encoder": {"name": "cgcnn", "width": 8}, "other": {"a": 1}}
    assert merged(below, {"encoder": {"name": "steinhardt"}})["encoder"] == {"name": "steinhardt"}
    assert merged(below, {"encoder": {"width": 9}, "other": {"b": 2}}) == {
        "encoder": {"name": "cgcnn", "width": 9},
        "other": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regimes": {"scratch": {}, "longer": {"optimisation": {"epochs": 9}}}}, r"longer sets optimisation\.epochs"),
        ({"grid": {"optimisation.seed": [1, 2]}}, r"grid sets optimisation\.seed"),
        ({"base": "none"}, "base 'none' is none of the regimes"),
        ({"budget": {}}, "either epochs or steps"),
        ({"budget": {"epochs": {0.5: 3}}}, r"no epochs for the fractions \[1\.0\]"),
        ({"skip": [{"model": "x"}]}, "skip names model"),
        ({"regimes": {"scratch": {}, "x": {"start": {"row": {"model": "x"}}}}}, "a regime names model"),
        ({"grid": {"optimisation.steps": [1, 2]}}, r"grid sets optimisation\.steps"),
        ({"speed": 3}, "Extra inputs"),
        ({"data": {"x": {"source": "x", "properties": ["a"], "split": "jarvis"}}}, "belong together"),
        ({"data": {"x": {"source": "x", "properties": ["a", "b"], "split": "matbench"}}}, "one property"),
        ({"data": {"x": {"source": "x", "properties": {"both": ["a", "b"]}, "split": "matbench"}}}, "one property"),
        ({"data": {"x": {"source": "x", "properties": {"both": ["a", "b"], "a": ["a"]}}}}, "a is learned twice"),
        ({"data": {"x": {"source": "x", "properties": {"none": []}}}}, "at least 1 item"),
    ],
)
def test_unequal_or_contradictory_plans_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        plan(**changes)


def test_a_file_is_refused_with_every_wrong_key(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan().model_dump(mode="json") | {"seeds": [-1], "speed": 2}), encoding="utf-8")
    with pytest.raises(PlanError, match=r"plan\.yaml is no plan.*seeds\.0.*speed"):
        BenchmarkPlan.from_yaml(path)


def test_properties_are_known_by_their_aliases() -> None:
    data = Data(source="phonons", properties=["last phdos peak", "mine"])
    assert data.targets() == {"phonon_peak_frequency": ("phonon_peak_frequency",), "mine": ("mine",)}
    together = Data(source="elastic_tensor", properties={"moduli": ["K_VRH", "G_VRH"]})
    assert together.targets() == {"moduli": ("bulk_modulus", "shear_modulus")}


def test_a_typo_in_the_training_plan_is_judged_when_the_plan_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        "name: x\ndata: {set: {source: elastic_tensor, properties: K_VRH}}\nencoders: {net: {name: cgcnn}}\n"
        "budget: {epochs: 1}\nplan: {optimisation: {lr: 0.1}}\n"
    )
    with pytest.raises(
        PlanError, match=r"optimisation\.lr: there is no such key; it is called optimisation\.rate here"
    ):
        BenchmarkPlan.from_yaml(tmp_path / "plan.yaml")
