"""`cryskit pretrain` and `cryskit train --start`: from crystals to an encoder, from that to a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from cryskit.cli import plans
from cryskit.data.splits import make
from cryskit.errors import ModelError, PlanError
from cryskit.predict.card import read_card
from cryskit.text.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from cryskit.training.plan import Plan
    from cryskit.types import Crystal

    Call = Callable[..., Result]

NOTHING = {"name": None, "width": None, "layers": None}
SMALL = ("--width", 8, "--layers", 1, "--epochs", 1, "--accelerator", "cpu")


def plan_of(*arguments: Any, **settings: Any) -> Plan:
    return plans.plan_of(*arguments, **settings).asked


def test_the_encoder_is_that_of_the_file_to_start_from(model: Path, tmp_path: Path) -> None:
    start = {"file": str(model), "freeze": 1, "parts": None, "decay": None}
    plan = plan_of(None, {"properties": ["band_gap"]}, NOTHING, {}, start=start)
    assert plan.encoder == read_card(model).encoder
    assert plan.start is not None
    assert (plan.start.freeze, plan.start.parts, len(plan.start.digest)) == (1, "encoder", 64)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"start": {"file": str(model), "decay": 0.5}, "properties": ["band_gap"]}), "utf-8")
    again = plan_of(path, {}, NOTHING | {"name": "cgcnn", "layers": 2}, {}, start={"file": None, "freeze": 2})
    assert again.start is not None
    assert (again.start.decay, again.start.freeze) == (0.5, 2)
    assert again.encoder == read_card(model).encoder | {"layers": 2}


@pytest.mark.parametrize("encoder", [{"width": 16}, {"name": "steinhardt"}])
def test_options_that_contradict_the_file_are_refused(model: Path, encoder: dict[str, object]) -> None:
    with pytest.raises(PlanError, match=r"The encoder should have .* but that of .*tiny\.safetensors has"):
        plan_of(None, {"properties": ["band_gap"]}, NOTHING | encoder, {}, start={"file": str(model)})
    with pytest.raises(ModelError, match="no model file"):
        plan_of(None, {"properties": ["band_gap"]}, NOTHING, {}, start={"file": "absent.safetensors"})


def test_another_objective_does_not_inherit_arguments(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("objective: {name: crysae, mask_fraction: 0.5}", encoding="utf-8")
    same = {"name": "crysae", "mask_fraction": 0.5, "preset": "paper"}
    for name, expected in (("crysae", same), ("crysgnn", {"name": "crysgnn", "preset": "paper"})):
        objective = {"name": name, "preset": "paper"}
        plan = plan_of(path, {}, NOTHING, {}, objective=objective, labels=False)
        assert plan.objective == expected
    assert plan.encoder == {"name": "cgcnn", "width": 64, "layers": 5}, "the encoder of the paper"


def test_descriptions_are_read_by_the_text_encoder_that_is_asked_for(model: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "terms.safetensors")
    Terms.fit(["cubic with octahedra", "layers of carbon", "cubic"], width=3, rarest=1).save(Path(path))
    reader = {"text": path, "text_width": 3}
    contrast = plan_of(None, {}, NOTHING, {}, objective={"name": "contrast"}, text_encoder=path, labels=False)
    assert contrast.encoder == {"name": "fused", **reader}
    labelled = plan_of(None, {"properties": ["band_gap"]}, NOTHING, {}, text_encoder=path)
    assert labelled.encoder == {"name": "fused", "graph": {"name": "cgcnn"}, **reader}
    named = {"name": "fused", "text": "minilm"}
    assert plan_of(None, {"properties": ["band_gap"]}, named, {}, text_encoder=path).encoder == named
    with pytest.raises(PlanError, match=r"Descriptions are given, and the encoder of .* reads none"):
        plan_of(None, {"properties": ["x"]}, NOTHING, {}, start={"file": str(model)}, text_encoder=path)


@pytest.mark.slow
def test_pretrain_then_train(cryskit: Call, data: Path, crystals: list[Crystal], tmp_path: Path) -> None:
    split = make(crystals, seed=3)
    split.save(tmp_path / "split.json")
    made = cryskit("pretrain", "crysae", "--data", data, "--split", "split.json", *SMALL, "--out", "ae.safetensors")
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith(
        f"Trained on {len(split.train)} crystals; losses on {len(split.validation)} validation crystals:"
    )
    assert made.stdout.splitlines()[-2].split() == ["manifest", "ae.manifest.parquet"]
    assert not set(split.test) & set(pq.read_table(tmp_path / "ae.manifest.parquet")["id"].to_pylist())

    shown = cryskit("models", "show", "ae.safetensors").stdout
    assert "ae.manifest.parquet" in shown
    assert "crysae" in shown
    assert ["bits"] in [line.split()[:1] for line in shown.splitlines()]
    assert cryskit("embed", data, "--model", "ae.safetensors", "--out", "v.parquet").exit_code == 0
    assert (pd.read_parquet(tmp_path / "v.parquet")["vector"].map(len) == 8).all()
    for verb in (("predict", data), ("evaluate", "--data", data)):
        refused = cryskit(*verb, "--model", "ae.safetensors")
        assert refused.exit_code == 2
        assert "cryskit train --start" in refused.stderr

    begin = ("train", "--data", data, "--property", "K_VRH", "--split", "split.json", "--start", "ae.safetensors")
    loop = ("--epochs", 1, "--accelerator", "cpu", "--out", "m.safetensors")
    told = cryskit(*begin, *loop, "--start-parts", "convolutions", "--rate-decay", 0.5)
    assert told.exit_code == 0, told.stderr
    card = read_card(tmp_path / "m.safetensors")
    assert f"tensors {card.start['moved']} moved, 3 reinitialised, 3 left" in told.stdout
    again = json.loads(cryskit(*begin, *loop, "--folder", "other", "--json").stdout)
    assert len(again["transfer"]["moved"]) == again["start"]["moved"] == card.start["moved"] + 3
    assert again["transfer"]["reinitialised"] == {}


def test_pretrain_in_json(cryskit: Call, data: Path, tmp_path: Path) -> None:
    where = ("--cache", "graphs", "--workers", 1)
    made = cryskit(
        "pretrain", "crysae", "--data", data, "--preset", "code", *SMALL, *where, "--out", "ae.safetensors", "--json"
    )
    document = json.loads(made.stdout)
    assert document["crystals"] == {"training": 54, "validation": 6}
    assert set(document["validation"]) == {"bits", "connectivity"}
    assert document["manifest"] == "ae.manifest.parquet"
    assert len(list((tmp_path / "graphs").glob("*.shard.arrow"))) == 1
    assert read_card(tmp_path / "ae.safetensors").plan["objective"] == {"name": "crysae", "preset": "code"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "property"], "property learns from labels"),
        (["pretrain", "crysgnm"], "There is no objective called 'crysgnm'"),
        (["pretrain", "crysae", "--encoder", "gcn"], "There is no encoder called 'gcn'"),
        (["pretrain", "crysae", "--split", "absent.json"], "absent.json is no split file"),
        (["train", "--property", "K_VRH", "--freeze", "1"], "name it, too"),
        (["train", "--property", "K_VRH", "--start", "absent"], "There is no model called 'absent'"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_it_begins(
    cryskit: Call, data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = cryskit(*arguments, "--data", data, "--out", "model.safetensors")
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
