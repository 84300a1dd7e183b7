"""A folder belongs to one run; another is refused with what differs, and changes nothing in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cryskit.data import splits
from cryskit.data.sources import open_source
from cryskit.errors import PlanError
from cryskit.training.identity import Identity, claim, flat
from cryskit.training.plan import Plan
from cryskit.training.pretrain import pretrain
from cryskit.training.settle import settle
from cryskit.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.types import Crystal

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:60]
SPLIT = splits.make(CRYSTALS, seed=0)
VALUES = {
    "properties": ["bulk_modulus"],
    "encoder": {"name": "cgcnn", "width": 8, "layers": 1},
    "optimisation": {"epochs": 1, "edges": 1000, "accelerator": "cpu"},
}


def run(folder: Path, crystals: list[Crystal] = CRYSTALS, split: splits.Split = SPLIT, **values: object) -> None:
    train(Plan.make(VALUES | values), crystals, split, folder / "m.safetensors", folder / "run")


def test_nested_settings_have_names_with_dots() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": {}}, "e": [2]}) == {"a.b.c": 1, "a.d": {}, "e": [2]}


@pytest.mark.parametrize(
    ("known", "given", "said"),
    [
        (
            {"encoder.width": 32},
            {"encoder.width": 64},
            r"another run \(encoder.width 32 -> 64\)\. Choose another --out",
        ),
        ({"data": "0123456789abcdef" * 4}, {"data": "f" * 64}, r"\(data 0123456789ab\.\.\. -> ffffffffffff\.\.\.\)"),
        ({}, {"start.file": "a"}, r'start\.file null -> "a"'),
        (
            {"optimisation.epochs": 5},
            {"optimisation.epochs": 10},
            r"epochs 5 -> 10\)\. A run cannot be made longer.*--start",
        ),
        ({str(i): 0 for i in range(9)}, {str(i): 1 for i in range(9)}, r"5 0 -> 1, and 3 more\)"),
        ({"text": "a"}, {"text": "b" * 900}, r'"b{59}\.\.\.\)'),
    ],
)
def test_another_run_is_refused_with_what_differs(
    tmp_path: Path, known: dict[str, object], given: dict[str, object], said: str
) -> None:
    claim(tmp_path, Identity(known))
    before = (tmp_path / "identity.json").read_bytes()
    with pytest.raises(PlanError, match=said):
        claim(tmp_path, Identity(given))
    assert (tmp_path / "identity.json").read_bytes() == before


def test_a_setting_that_an_older_run_does_not_know_is_left_alone(tmp_path: Path) -> None:
    claim(tmp_path, Identity({"optimisation.epochs": 5}))
    claim(tmp_path, Identity({"optimisation.epochs": 5, "optimisation.steps": None}))


def test_a_run_that_an_earlier_version_began_is_known_by_its_hash(tmp_path: Path) -> None:
    note = tmp_path / "identity.json"
    note.write_text(json.dumps({"identity": "former"}), encoding="utf-8")
    with pytest.raises(PlanError, match="another run"):
        claim(tmp_path, Identity({"optimisation.epochs": 5}, "other"))
    claim(tmp_path, Identity({"optimisation.epochs": 5}, "former"))
    assert json.loads(note.read_bytes())["facts"] == {"optimisation.epochs": 5}


def test_the_written_plan_goes_on_with_its_run(tmp_path: Path) -> None:
    run(tmp_path)
    written = Plan.from_yaml(tmp_path / "run" / "plan.yaml")
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert written.hash != Plan.make(VALUES).hash
    assert settle(Plan.make(VALUES)).asked.hash == Plan.make(VALUES).hash
    train(written, CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "run")
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before


def test_what_a_refused_run_would_have_written_is_not_written(tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "run" / "plan.yaml").read_bytes()
    with pytest.raises(PlanError, match=r"optimisation\.epochs 1 -> 2\)\. A run cannot be made longer"):
        run(tmp_path, optimisation=VALUES["optimisation"] | {"epochs": 2})
    with pytest.raises(PlanError, match=r"encoder\.width 8 -> 4\)"):
        run(tmp_path, encoder=VALUES["encoder"] | {"width": 4})
    with pytest.raises(PlanError, match=r"run \(split \w{12}\.\.\. -> \w{12}\.\.\., labels"):
        run(tmp_path, split=splits.make(CRYSTALS, seed=1))
    assert (tmp_path / "run" / "plan.yaml").read_bytes() == before


def test_corrected_labels_are_another_run(tmp_path: Path) -> None:
    run(tmp_path)
    corrected = [replace(c, targets={"bulk_modulus": 1.1 * c.targets["bulk_modulus"]}) for c in CRYSTALS]
    with pytest.raises(PlanError, match=r"run \(labels \w{12}\.\.\. -> \w{12}\.\.\.\)"):
        run(tmp_path, corrected)


def test_pretraining_on_other_data_says_so(tmp_path: Path) -> None:
    plan = Plan.make({key: VALUES[key] for key in ("encoder", "optimisation")} | {"objective": {"name": "crysae"}})
    out, folder = tmp_path / "m.safetensors", tmp_path / "run"
    pretrain(plan, {"elastic": CRYSTALS}, out, folder)
    assert Plan.from_yaml(folder / "plan.yaml").objective == {"name": "crysae", "preset": "masked"}
    with pytest.raises(PlanError, match=r"run \(data\.elastic \w{12}\.\.\. -> \w{12}\.\.\., crystals\.training"):
        pretrain(plan, {"elastic": CRYSTALS[:-5]}, out, folder)
