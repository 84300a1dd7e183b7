"""Weights move between encoders of every kind, every tensor is accounted for, and what is frozen stays as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from contracts.settings import sized
from torch import nn

from cryskit import batching, properties
from cryskit.data.sources import open_source
from cryskit.encoders.cgcnn import CGCNN
from cryskit.errors import ModelError, PlanError
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.registry import ENCODERS
from cryskit.training.fit import fit
from cryskit.training.plan import Optimisation
from cryskit.training.transfer import Transfer, freeze, levels, rates, transfer
from cryskit.types import Property

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:32]
QUICK = Optimisation(epochs=2, edges=1000, accelerator="cpu")


def encoder(name: str, seed: int, **arguments: int) -> nn.Module:
    torch.manual_seed(seed)
    made: nn.Module = ENCODERS[name](**sized(name, **{"width": 16, "layers": 3, **arguments}))
    for buffer in (b for n, b in made.named_buffers() if "running" in n):
        buffer.uniform_(0.5, 1.5)
    return made


def in_file(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors as a model file names them, with those of some heads."""
    found = {f"encoder.{name}": tensor.clone() for name, tensor in module.state_dict().items()}
    return found | {"heads.bias": torch.zeros(3)}


def names(module: nn.Module) -> set[str]:
    return {f"encoder.{name}" for name in module.state_dict()}


@pytest.mark.parametrize("name", list(ENCODERS))
def test_all_of_the_encoder_moves(name: str) -> None:
    old, new = encoder(name, 1), encoder(name, 2)
    report = transfer(new, in_file(old))
    assert set(report.moved) == names(new)
    assert report.reinitialised == {}
    assert report.left == {"heads.bias": "it belongs to no encoder"}
    graph = build(CRYSTALS[:4], old.needs)
    assert torch.equal(new.eval()(graph).crystals, old.eval()(graph).crystals)


@pytest.mark.parametrize("name", list(ENCODERS))
def test_the_convolutions_move_without_the_embedding(name: str) -> None:
    old, new = encoder(name, 1), encoder(name, 2)
    before = {key: tensor.clone() for key, tensor in new.state_dict().items()}
    report = transfer(new, in_file(old), "convolutions")
    inputs = {key for key in names(new) if ".inputs." in key}
    assert inputs
    assert set(report.reinitialised) == inputs
    assert set(report.left) == inputs | {"heads.bias"}
    assert set(report.moved) == names(new) - inputs
    for key, tensor in new.state_dict().items():
        assert torch.equal(tensor, before[key] if f"encoder.{key}" in inputs else old.state_dict()[key])


@pytest.mark.parametrize("name", list(ENCODERS))
def test_levels_count_from_the_input(name: str) -> None:
    level = levels(encoder(name, 0))
    assert {at for key, at in level.items() if ".inputs." in key} == {0}
    assert set(level.values()) == set(range(max(level.values()) + 1))
    assert max(level.values()) >= 3, "three layers lie above the input"


def test_levels_of_what_stands_after_and_between_lists() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.inputs = nn.Linear(1, 1, bias=False)
            self.first = nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(11))
            self.between = nn.Linear(1, 1, bias=False)
            self.beside = nn.Linear(1, 1, bias=False)
            self.second = nn.ModuleList([nn.Linear(1, 1, bias=False)])
            self.last = nn.Linear(1, 1, bias=False)

    level = levels(Stack())
    found = {name: level[f"encoder.{name}.weight"] for name in ("inputs", "first.1", "first.10", "between", "beside")}
    assert found == {"inputs": 0, "first.1": 2, "first.10": 11, "between": 12, "beside": 12}
    assert level["encoder.scale"] == 0
    assert (level["encoder.second.0.weight"], level["encoder.last.weight"]) == (13, 14)


def test_what_does_not_fit_is_reported_and_stays_new() -> None:
    old, new = encoder("cgcnn", 1, layers=2), encoder("cgcnn", 2, layers=3)
    tensors = in_file(old) | {"encoder.convolutions.0.bond": torch.zeros(32, 40)}
    report = transfer(new, tensors)
    assert report.reinitialised["encoder.convolutions.0.bond"] == (
        "encoder.convolutions.0.bond is (32, 40) in the file and (32, 41) in the new encoder"
    )
    assert report.reinitialised["encoder.convolutions.2.bias"] == "the file has no such tensor"
    shorter = transfer(encoder("cgcnn", 3, layers=1), tensors)
    assert shorter.left["encoder.convolutions.1.bias"] == "the new encoder has no such tensor"
    assert report.counts["moved"] + report.counts["reinitialised"] == len(names(new))
    assert json.loads(json.dumps(report.to_json()))["moved"] == list(report.moved)


def test_an_encoder_that_nothing_fits_is_refused() -> None:
    with pytest.raises(ModelError, match="Nothing in the file fits"):
        transfer(encoder("cgcnn", 1, width=18), in_file(encoder("cgcnn", 2)))
    with pytest.raises(ModelError, match="Nothing in the file fits"):
        transfer(encoder("alignn", 1), {})


def objective(module: nn.Module) -> PropertyObjective:
    return PropertyObjective(module, PropertyHeads(int(module.width), [Property("bulk_modulus", "K", "GPa")]))


@pytest.mark.parametrize("name", list(ENCODERS))
def test_frozen_levels_stay_as_they_are_while_the_others_learn(name: str, tmp_path: Path) -> None:
    new = encoder(name, 2)
    report = transfer(new, in_file(encoder(name, 1)))
    freeze(new, 2, report)
    before = {f"encoder.{key}": tensor.clone() for key, tensor in new.state_dict().items()}
    labels = np.array([[c.targets["bulk_modulus"] / 100] for c in CRYSTALS])
    graph = batching.with_targets(build(CRYSTALS, new.needs), labels)
    fit(objective(new), graph, graph, QUICK, tmp_path)
    level, after = levels(new), {f"encoder.{key}": tensor for key, tensor in new.state_dict().items()}
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if level[key] >= 2}


def test_what_was_not_moved_is_never_frozen_and_has_the_full_rate() -> None:
    old, new = encoder("cgcnn", 1), encoder("cgcnn", 2)
    report = transfer(new, in_file(old), "convolutions")
    freeze(new, 2, report)
    assert new.inputs.linear.weight.requires_grad
    assert not new.convolutions[0].bias.requires_grad
    assert new.convolutions[1].bias.requires_grad
    assert "encoder.inputs.linear.weight" not in rates(new, 0.5, report)


@pytest.mark.parametrize("name", list(ENCODERS))
def test_rates_fall_towards_the_input(name: str) -> None:
    new = encoder(name, 2)
    factors = rates(new, 0.5, transfer(new, in_file(encoder(name, 1))))
    level = levels(new)
    top = max(level.values())
    assert set(factors) == {f"encoder.{key}" for key, _ in new.named_parameters()}
    assert all(factors[key] == 0.5 ** (top + 1 - level[key]) for key in factors)


def test_more_levels_than_there_are_cannot_be_frozen() -> None:
    everything = Transfer(tuple(names(CGCNN(layers=2))), {}, {})
    freeze(CGCNN(layers=2), 3, everything)
    with pytest.raises(PlanError, match="4 levels are to be frozen and the encoder has 3"):
        freeze(CGCNN(layers=2), 4, everything)


def test_heads_take_the_perceptrons_of_shared_properties_whatever_their_scale() -> None:
    gap, bulk, new = (properties.get(name) for name in ("band_gap", "bulk_modulus", "fermi_energy"))
    trained, heads = PropertyHeads(16, [bulk, gap], depth=2), PropertyHeads(16, [gap, new, bulk], depth=2)
    trained.fit_scale(torch.tensor([[10.0, 0.5], [200.0, 4.0], [90.0, 1.0]]))
    heads.fit_scale(torch.tensor([[2.0, 1.0, 40.0], [3.0, 4.0, 50.0]]))
    vectors = torch.randn(5, 16)
    before = heads.physical(heads(vectors))
    assert heads.take(trained) == ["band_gap", "bulk_modulus"]
    after, wanted = heads.physical(heads(vectors)), trained.physical(trained(vectors))
    torch.testing.assert_close(after[:, [0, 2]], wanted[:, [1, 0]], rtol=1e-4, atol=1e-5)
    assert torch.equal(after[:, 1], before[:, 1])


def test_heads_of_another_shape_or_other_properties_take_nothing() -> None:
    gap, bulk = properties.get("band_gap"), properties.get("bulk_modulus")
    heads = PropertyHeads(16, [gap])
    assert heads.take(PropertyHeads(16, [gap], hidden=32)) == []
    assert heads.take(PropertyHeads(16, [bulk])) == []
