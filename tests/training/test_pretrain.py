"""From crystals without labels to an encoder, from that to a model that predicts; nothing is seen that must not be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cryskit.data import splits
from cryskit.data.interchange import manifest
from cryskit.data.sources import open_source
from cryskit.errors import PlanError
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.training.plan import Plan
from cryskit.training.pretrain import pretrain
from cryskit.training.train import train
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.predict.card import Card

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:60]
OTHERS = [replace(c, id=f"d{i}") for i, c in enumerate(open_source("dielectric_constant")) if len(c) <= 8][:20]
SPLIT = splits.make(CRYSTALS, fractions=(0.6, 0.2, 0.2))
NEEDLE = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]), targets={"bulk_modulus": 9.0})
ENCODER = {"name": "cgcnn", "width": 8, "layers": 2}


def plan(**values: object) -> Plan:
    loop = {"epochs": 2, "edges": 1000, "accelerator": "cpu"}
    return Plan.make({"encoder": ENCODER, "optimisation": loop, **values})


CRYSAE = plan(objective={"name": "crysae"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrained")


@pytest.fixture(scope="module")
def card(folder: Path) -> Card:
    """The card of the model in `folder`."""
    sources = {"elastic.parquet": CRYSTALS, "other": [*OTHERS, NEEDLE]}
    return pretrain(CRYSAE, sources, folder / "ae.safetensors", folder / "run", splits=[SPLIT])


def test_the_card_says_how_it_was_made(card: Card, folder: Path) -> None:
    assert load(folder / "ae.safetensors").card == card
    assert card.name == "ae"
    assert card.properties == []
    assert card.plan["objective"] == {"name": "crysae", "preset": "masked"}
    assert card.sources == {"elastic": manifest(CRYSTALS), "other": manifest([*OTHERS, NEEDLE])}
    assert card.split == {"elastic": SPLIT.hash}
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert {name: found["loss"] for name, found in card.metrics.items()} == log[card.epoch or 0]["validation"]
    assert (folder / "run" / "curve.png").exists()


def test_the_manifest_lists_what_was_seen_and_only_that(card: Card, folder: Path) -> None:
    path = folder / card.data["file"]
    assert path.name == "ae.manifest.parquet"
    assert card.data["manifest"] == digest(path)
    seen = pq.read_table(path).to_pydict()
    assert not set(SPLIT.test) & set(seen["id"])
    assert set(SPLIT.train) | set(SPLIT.validation) | {c.id for c in OTHERS} == set(seen["id"])
    assert card.rows == {
        "training": seen["part"].count("train"),
        "validation": seen["part"].count("validation"),
        "unusable": 1,
        "held out": len(SPLIT.test),
    }
    assert list(json.loads((folder / "run" / "unusable.json").read_text())) == ["needle"]


def test_labels_are_not_read(card: Card, folder: Path, tmp_path: Path) -> None:
    bare = [replace(c, targets={"bulk_modulus": float("nan")}) for c in CRYSTALS]
    sources = {"elastic.parquet": bare, "other": [*OTHERS, NEEDLE]}
    again = pretrain(CRYSAE, sources, tmp_path / "ae.safetensors", tmp_path / "run", splits=[SPLIT])
    assert again == card
    assert (tmp_path / "ae.safetensors").read_bytes() == (folder / "ae.safetensors").read_bytes()


def test_a_stream_is_read_once_and_a_structure_is_seen_once(tmp_path: Path) -> None:
    copies = [replace(c, id=f"moved {c.id}", fractional=c.fractional + 0.125) for c in CRYSTALS[:20]]
    sources = {"elastic": iter(CRYSTALS), "copies": iter([*copies, *OTHERS])}
    quick = plan(objective={"name": "crysae"}, optimisation={"epochs": 1, "edges": 1000, "accelerator": "cpu"})
    made = pretrain(
        quick, sources, tmp_path / "a.safetensors", tmp_path / "run", splits=[SPLIT], cache=tmp_path / "kept"
    )
    hidden = len({c.id for c in CRYSTALS[:20]} & set(SPLIT.test))
    assert made.rows["duplicates"] == 20 - hidden
    assert made.rows["held out"] == len(SPLIT.test) + hidden
    assert made.rows["training"] + made.rows["validation"] == len(CRYSTALS) - len(SPLIT.test) + len(OTHERS)
    assert len(list((tmp_path / "kept").glob("*.shard.arrow"))) == len(sources)
    assert made.elements == sorted(
        {int(z) for c in [*CRYSTALS, *OTHERS] if c.id in seen_in_training(tmp_path) for z in c.numbers}
    )


def seen_in_training(folder: Path) -> set[str]:
    rows = pq.read_table(folder / "a.manifest.parquet").to_pylist()
    return {row["id"] for row in rows if row["part"] == "train"}


@pytest.mark.usefixtures("card")
def test_a_model_starts_from_it(folder: Path, tmp_path: Path) -> None:
    start = {"file": str(folder / "ae.safetensors"), "freeze": 3}
    asked = Plan.make(plan(properties=["bulk_modulus"]).model_dump(exclude={"encoder"}) | {"start": start})
    made = train(asked, CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")
    old, new = load(folder / "ae.safetensors").state_dict(), load(tmp_path / "m.safetensors").state_dict()
    assert all(torch.equal(new[name], tensor) for name, tensor in old.items()), "all of the encoder was frozen"
    report = json.loads((tmp_path / "run" / "transfer.json").read_text())
    assert set(report["moved"]) == set(old)
    assert (made.start["moved"], made.start["reinitialised"], made.start["left"]) == (len(old), 0, 0)
    assert made.start["digest"] == digest(folder / "ae.safetensors")
    assert made.encoder["width"] == 8
    assert Plan.from_yaml(tmp_path / "run" / "plan.yaml").encoder == made.encoder


@pytest.mark.usefixtures("card")
def test_another_file_of_the_same_name_is_another_run(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    asked = plan(properties=["bulk_modulus"], start={"file": str(path), "freeze": 3})
    path.write_bytes((folder / "ae.safetensors").read_bytes())
    train(asked, CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")
    predictor = load(path)
    predictor.card.licence = "MIT"
    predictor.save(path)
    with pytest.raises(PlanError, match="holds another run"):
        train(asked, CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")


def test_crystals_that_cannot_be_built_are_left_out_of_training(tmp_path: Path) -> None:
    crystals = [*CRYSTALS, NEEDLE]
    division = replace(SPLIT, train=(*SPLIT.train, "needle"), data=manifest(crystals))
    asked = plan(properties=["bulk_modulus"])
    made = train(asked, crystals, division, tmp_path / "a.safetensors", tmp_path / "a")
    assert made.rows == {"training": len(SPLIT.train), "validation": len(SPLIT.validation), "unusable": 1}
    assert "angstrom" in json.loads((tmp_path / "a" / "unusable.json").read_text())["needle"]
    train(asked, CRYSTALS, SPLIT, tmp_path / "b.safetensors", tmp_path / "b")
    with_it, without = (load(tmp_path / f"{name}.safetensors").state_dict() for name in "ab")
    assert all(torch.equal(with_it[name], without[name]) for name in without)


def test_supervised_objectives_and_plans_without_properties_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="property learns from labels"):
        pretrain(plan(), {"elastic": CRYSTALS}, tmp_path / "a.safetensors", tmp_path / "run")
    with pytest.raises(PlanError, match="names no property"):
        train(plan(), CRYSTALS, SPLIT, tmp_path / "a.safetensors", tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_batch_norms_take_their_statistics_from_the_training_crystals(tmp_path: Path) -> None:
    train(plan(properties=["bulk_modulus"]), CRYSTALS, SPLIT, tmp_path / "a.safetensors", tmp_path / "run")
    state = load(tmp_path / "a.safetensors").encoder.state_dict()
    means = [tensor for name, tensor in state.items() if name.endswith("running_mean")]
    assert len(means) == 4
    assert all(float(mean.abs().max()) > 0 for mean in means)
