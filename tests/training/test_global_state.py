"""A run leaves the process as it found it: random generators, environment, foreign loggers; and says when few crystals choose."""

from __future__ import annotations

import logging
import os
import random
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cryskit.data import splits
from cryskit.data.sources import open_source
from cryskit.predict.load import load
from cryskit.training.fit import FewValidationCrystals, seeded
from cryskit.training.plan import Plan
from cryskit.training.pretrain import pretrain
from cryskit.training.sparsity import train_sparsest
from cryskit.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 6][:40]
SPLIT = splits.make(CRYSTALS, fractions=(0.6, 0.2, 0.2), seed=0)
FOREIGN = ("lightning.pytorch", "lightning.fabric", "lightning", "torch", "")


def plan(**values: Any) -> Plan:
    loop = {"epochs": 1, "edges": 1000, "accelerator": "cpu", "seed": 3}
    return Plan.make({"encoder": {"name": "cgcnn", "width": 8, "layers": 1}, "optimisation": loop, **values})


SUPERVISED = plan(properties=["bulk_modulus"])


def state() -> list[Any]:
    """Return the state of all that a run might change."""
    numbers = np.random.get_state(legacy=False)  # noqa: NPY002 - the global generator is what is looked at
    return [
        str(numbers),
        torch.random.get_rng_state().tolist(),
        torch.initial_seed(),
        {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        {name: logging.getLogger(name).level for name in FOREIGN},
        list(warnings.filters),
    ]


@pytest.mark.parametrize("verb", ["train", "pretrain", "sparsest"])
def test_a_run_leaves_everything_as_it_was(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "seed", None)  # not compared by its state: the type checks of the tests draw from it
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(5)
    torch.rand(3)
    logging.getLogger("lightning.pytorch").setLevel(logging.INFO)
    before, out = state(), tmp_path / "m.safetensors"
    if verb == "train":
        train(SUPERVISED, CRYSTALS, SPLIT, out, tmp_path / "run")
    elif verb == "pretrain":
        pretrain(plan(objective={"name": "crysae"}), {"a": CRYSTALS}, out, tmp_path / "run")
    else:
        train_sparsest(SUPERVISED, CRYSTALS, SPLIT, out, tmp_path / "run", (0.1,))
    assert state() == before


def test_the_seed_of_the_plan_decides_and_not_the_state_of_the_process(tmp_path: Path) -> None:
    found = []
    for name in "ab":
        torch.rand(len(found) + 1)
        train(SUPERVISED, CRYSTALS, SPLIT, tmp_path / f"{name}.safetensors", tmp_path / name)
        found.append(load(tmp_path / f"{name}.safetensors").state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_the_state_is_put_back_after_an_error_too() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"), seeded(0):
        torch.rand(1).view(2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_few_validation_crystals_are_a_warning(tmp_path: Path) -> None:
    with pytest.warns(FewValidationCrystals, match="The best epoch is chosen by 8 validation crystals;"):
        train(SUPERVISED, CRYSTALS, SPLIT, tmp_path / "m.safetensors", tmp_path / "few")
    half = splits.make(CRYSTALS, fractions=(0.4, 0.5, 0.1), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FewValidationCrystals)
        train(SUPERVISED, CRYSTALS, half, tmp_path / "m.safetensors", tmp_path / "enough")
