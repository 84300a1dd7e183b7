"""One model file, one predict: any input, every row, the same numbers wherever it is called."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ase.io import read as ase_read
from pymatgen.core import Structure
from safetensors.torch import load_file, save_file

from cryskit import properties
from cryskit.benchmark.plan import Data
from cryskit.data.interchange import write
from cryskit.data.read import read, read_one
from cryskit.encoders.cgcnn import CGCNN
from cryskit.errors import CoordinatesError, ModelError, PlanError, UnknownNameError
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.predict.card import Card, digest, read_card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.text.embed import vectors
from cryskit.text.terms import Terms
from cryskit.training.plan import Plan
from cryskit.training.start import tensors_of, with_start_resolved
from cryskit.types import Crystal, Failure, Property

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = list(read(EXAMPLES))
NAMES = ["formation_energy_per_atom", "bulk_modulus"]


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    encoder = CGCNN(width=8, layers=2)
    heads = PropertyHeads(8, [properties.get(name) for name in NAMES], hidden=4)
    heads.mean[1], heads.deviation[1] = 2.0, 0.3
    card = Card(
        name="small",
        encoder=ENCODERS.config_of(encoder),
        heads={"hidden": 4},
        spec=encoder.needs,
        properties=list(heads.properties),
        elements=list(range(1, 90)),
    )
    return Predictor(encoder, heads, card)


def test_one_row_per_structure_in_order(predictor: Predictor) -> None:
    table = predictor.predict(CRYSTALS)
    assert list(table.columns) == ["id", "formula", *NAMES, "status", "reason"]
    assert table["id"].tolist() == [crystal.id for crystal in CRYSTALS]
    assert (table["status"] == "ok").all()
    assert table.attrs["units"] == {"formation_energy_per_atom": "eV/atom", "bulk_modulus": "GPa"}
    assert (table["bulk_modulus"] > 0).all()


def test_a_reloaded_file_gives_the_same_numbers(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    predictor.save(path)
    pd.testing.assert_frame_equal(load(path).predict(CRYSTALS), predictor.predict(CRYSTALS))
    assert read_card(path) == predictor.card


def test_a_model_of_a_property_that_the_registry_does_not_know_can_be_read(
    predictor: Predictor, tmp_path: Path
) -> None:
    card = predictor.card.model_copy(
        update={"properties": [Property("colour", "c", ""), *predictor.card.properties[1:]]}
    )
    Predictor(predictor.encoder, predictor.heads, card).save(tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").card.properties == card.properties


def test_paths_and_objects_give_the_same_numbers(predictor: Predictor) -> None:
    path = EXAMPLES / "SrTiO3.cif"
    with warnings.catch_warnings(action="ignore"):  # pymatgen finds no formula to compare with
        structure = Structure.from_file(path)
    mixed = [path, str(path), structure, ase_read(path), next(c for c in CRYSTALS if c.id == "SrTiO3")]
    values = predictor.predict(mixed)[NAMES].to_numpy()
    np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), rtol=1e-4)


def test_a_crystal_alone_and_among_others_gives_the_same(predictor: Predictor) -> None:
    together = predictor.predict(CRYSTALS)[NAMES].to_numpy()
    alone = np.concatenate([predictor.predict(crystal)[NAMES].to_numpy() for crystal in CRYSTALS])
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_bad_rows_keep_their_place_and_their_reason(predictor: Predictor, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cif"
    bad.write_bytes(b"\x00\x01 not a crystal")
    needle = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
    failure = Failure("lost", CoordinatesError("It has no coordinates", "Give some", "lost"))
    items = [CRYSTALS[0], *read([bad]), failure, needle, CRYSTALS[1]]
    found = list(predictor.stream(items))
    assert [p.id for p in found] == [CRYSTALS[0].id, "bad", "lost", "needle", CRYSTALS[1].id]
    assert [p.status for p in found] == ["ok", "failed", "failed", "failed", "ok"]
    assert "no coordinates" in found[2].reason
    assert found[1].values == {}
    good = predictor.predict(CRYSTALS[:2])[NAMES].to_numpy()
    np.testing.assert_allclose([list(found[i].values.values()) for i in (0, 4)], good, rtol=1e-5)


def test_elements_it_never_saw_are_warned_of(predictor: Predictor) -> None:
    curium = Crystal("Cm", np.eye(3) * 4.0, np.zeros((1, 3)), np.array([96]))
    (prediction,) = predictor.stream([curium])
    assert prediction.status == "warned"
    assert "no Cm" in prediction.reason
    assert set(prediction.values) == set(NAMES)


def test_numbers_that_are_none_fail(predictor: Predictor) -> None:
    with torch.no_grad():
        predictor.heads.bias[0] = torch.nan
    assert {p.status for p in predictor.stream(CRYSTALS)} == {"failed"}


def test_properties_are_chosen_by_name_or_alias(predictor: Predictor) -> None:
    table = predictor.predict(CRYSTALS[0], ["K_VRH"])
    assert list(table.columns) == ["id", "formula", "bulk_modulus", "status", "reason"]
    with pytest.raises(UnknownNameError, match="small"):
        predictor.predict(CRYSTALS[0], ["band_gap"])


def test_no_structures_make_an_empty_table(predictor: Predictor) -> None:
    assert list(predictor.predict([]).columns) == ["id", "formula", *NAMES, "status", "reason"]


def test_embeddings_are_the_vectors_of_the_encoder(predictor: Predictor) -> None:
    table = predictor.embed([CRYSTALS[0], CRYSTALS[1]])
    assert np.stack(table["vector"]).shape == (2, 8)
    assert table["status"].tolist() == ["ok", "ok"]
    failed = predictor.embed([Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))])
    assert failed["status"].tolist() == ["failed"]


def test_files_that_are_no_models_are_refused(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    with pytest.raises(ModelError, match="no model file"):
        load(path)
    with pytest.raises(UnknownNameError, match="no model called"):
        load("cryskit-of-the-moon")
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="no model file of cryskit"):
        load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="no model file of cryskit"):
        load(path)
    predictor.save(path)
    weights = load_file(path)
    card = predictor.card.model_dump(mode="json")
    save_file(weights, path, {"cryskit": json.dumps(card | {"encoder": {"name": "os:system"}})})
    with pytest.raises(UnknownNameError, match="no encoder called"):
        load(path)
    save_file(weights, path, {"cryskit": json.dumps(card | {"encoder": {"name": "cgcnn", "width": 9}})})
    with pytest.raises(ModelError, match="do not fit"):
        load(path)


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A model file without heads."""
    torch.manual_seed(0)
    encoder = CGCNN(width=8, layers=1)
    card = Card(name="bare", encoder=ENCODERS.config_of(encoder), spec=encoder.needs, properties=[])
    Predictor(encoder, None, card).save(tmp_path / "bare.safetensors")
    return tmp_path / "bare.safetensors"


def test_a_pretrained_model_embeds_but_predicts_nothing(pretrained: Path) -> None:
    found = load(pretrained)
    assert all(name.startswith("encoder.") for name in load_file(pretrained))
    assert found.embed(CRYSTALS)["status"].tolist() == ["ok"] * len(CRYSTALS)
    calls = [
        lambda: found.predict(CRYSTALS[0]),
        lambda: list(found.stream(CRYSTALS)),
        lambda: found(build(CRYSTALS, found.card.spec)),
    ]
    for call in calls:
        with pytest.raises(ModelError, match=r"bare predicts nothing.*cryskit train --start"):
            call()


def test_a_plan_takes_the_encoder_of_the_file_it_starts_from(pretrained: Path) -> None:
    plan = with_start_resolved(Plan.make({"properties": ["band_gap"], "start": {"file": str(pretrained)}}))
    assert plan.encoder == read_card(pretrained).encoder
    assert plan.start is not None
    assert plan.start.digest == digest(pretrained)
    assert with_start_resolved(plan) == plan
    deeper = {"properties": ["band_gap"], "encoder": {"layers": 2}, "start": {"file": str(pretrained)}}
    assert with_start_resolved(Plan.make(deeper)).encoder == {**plan.encoder, "layers": 2}
    tensors = tensors_of(plan.start)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in load(pretrained).state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": {"width": 9}}, "the width 9, but that of .* has the width 8"),
        ({"encoder": {"name": "steinhardt"}}, "the name steinhardt, but that of .* has the name cgcnn"),
        ({"encoder": {"count": 8}}, "another graph"),
        ({"start": {"digest": "0"}}, "not the file that the plan was made with"),
    ],
)
def test_a_plan_that_contradicts_the_file_is_refused(
    pretrained: Path, changes: dict[str, dict[str, object]], message: str
) -> None:
    start = {"file": str(pretrained), **changes.get("start", {})}
    with pytest.raises(PlanError, match=message):
        with_start_resolved(Plan.make({"properties": ["band_gap"], **changes, "start": start}))


def test_a_plan_that_starts_from_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file"):
        with_start_resolved(
            Plan.make({"properties": ["band_gap"], "start": {"file": str(tmp_path / "absent.safetensors")}})
        )


def test_one_name_is_a_name_and_no_list_of_letters(tmp_path: Path) -> None:
    predictor = load("cryskit-mp")
    table = predictor.predict(EXAMPLES / "NaCl.cif", "gap pbe")
    assert [name for name in table if not name.startswith("band_gap_")] == [
        *("id", "path", "formula", "band_gap", "domain", "status", "reason")
    ]
    assert predictor.schema("band_gap") == predictor.schema(["band_gap"])
    crystal = read_one(EXAMPLES / "NaCl.cif")
    labelled = replace(crystal, targets={"band_gap": 5.0})
    assert list(evaluate(predictor, [labelled], "band_gap").metrics) == ["band_gap"]
    assert write(tmp_path / "one.parquet", [labelled], "band_gap").rows == 1
    assert Plan(properties="band_gap").properties == ("band_gap",)  # type: ignore[arg-type]
    assert Data(source="elastic_tensor", properties="bulk_modulus").targets() == {"bulk_modulus": ("bulk_modulus",)}
    assert vectors("cubic", Terms.fit(["cubic cell", "cubic"], width=1, rarest=1)).shape == (1, 1)
