"""A plan is settled in one place: what it names is found, and what contradicts itself is refused before any work is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cryskit.data import splits
from cryskit.data.read import read
from cryskit.errors import PlanError, UnknownNameError
from cryskit.predict.card import Card, digest
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.training import settle as module
from cryskit.training.plan import Plan
from cryskit.training.settle import SettledPlan, settle
from cryskit.training.train import train
from cryskit.types import Crystal

if TYPE_CHECKING:
    from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
NETWORK = {"name": "cgcnn", "width": 6, "layers": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    encoder = ENCODERS.build(NETWORK)
    card = Card(name="start", encoder=ENCODERS.config_of(encoder), spec=encoder.needs, properties=[])
    path: Path = tmp_path_factory.mktemp("start") / "start.safetensors"
    Predictor(encoder, None, card).save(path)
    return path


def plan(**values: Any) -> Plan:
    return Plan.make({"properties": ["x"], **values})


def test_files_are_found_and_the_encoder_is_that_of_the_file(model: Path) -> None:
    found = settle(plan(start={"file": str(model)}, objective={"name": "distill"}, teacher={"file": str(model)}))
    assert found.plan.start is not None
    assert found.plan.teacher is not None
    assert found.plan.start.digest == found.plan.teacher.digest == digest(model)
    assert found.plan.encoder == ENCODERS.complete(NETWORK)
    assert found.teacher is not None
    assert found.teacher.width == 6
    assert settle(found) is found
    assert found.with_encoder({"name": "megnet"}).plan.start == found.plan.start


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        ({"properties": []}, True, "properties"),
        ({"objective": {"name": "crysae"}}, True, "crysae does not learn from labels. Use `cryskit pretrain`"),
        (
            {"objective": {"name": "property"}},
            False,
            "property learns from labels. Use `cryskit train`, or one of crysae",
        ),
        ({"objective": {"name": "distill"}}, True, "distill needs a teacher"),
        ({"teacher": {"file": "absent.parquet"}}, True, "objective is property. Set the objective to distill"),
        ({"start": {"file": "MODEL"}, "encoder": {"width": 8}}, True, "has the width 6. Leave --width out"),
        ({"start": {"file": "MODEL"}, "encoder": {"radius": 5.0}}, True, "another graph"),
        ({"start": {"file": "MODEL", "digest": "0"}}, True, "SHA-256"),
    ],
)
def test_a_contradiction_is_refused(model: Path, values: dict[str, Any], *, labels: bool, message: str) -> None:
    if "start" in values:
        values = values | {"start": values["start"] | {"file": str(model)}}
    with pytest.raises(PlanError, match=message):
        settle(plan(**values), labels=labels)


def test_names_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="objective called 'propertie'"):
        settle(plan(objective={"name": "propertie"}))
    with pytest.raises(UnknownNameError, match="encoder called 'gcn'"):
        settle(plan(encoder={"name": "gcn"}))


def test_a_run_reads_its_files_once_and_builds_its_encoder_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, resolved = [], []
    kind = ENCODERS["cgcnn"]
    make, resolve = kind.__init__, module.with_start_resolved
    monkeypatch.setattr(kind, "__init__", lambda self, *a, **k: (built.append(self), make(self, *a, **k))[1])
    monkeypatch.setattr(module, "with_start_resolved", lambda asked: (resolved.append(asked), resolve(asked))[1])
    monkeypatch.setattr(kind.__init__, "__wrapped__", make, raising=False)
    crystals = [
        Crystal(c.id, c.lattice, c.fractional, c.numbers, None, {"x": float(len(c))})
        for c in read(EXAMPLES)
        if isinstance(c, Crystal)
    ]
    asked = plan(start={"file": str(model)}, optimisation={"epochs": 1, "edges": 500, "accelerator": "cpu"})
    settled = settle(asked)
    assert isinstance(settled, SettledPlan)
    assert len(built) == 1  # sketched, and compared with the tensors in the file
    built.clear()
    card = train(settled, crystals, splits.make(crystals), tmp_path / "m.safetensors", tmp_path / "run")
    assert len(built) == 1
    assert len(resolved) == 1
    assert card.start["digest"] == digest(model)
