"""The selector finds what a target depends on, closes what nothing depends on, and begins as the layer without it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from cryskit import elements
from cryskit.encoders.cgcnn import CGCNN
from cryskit.errors import UnknownNameError
from cryskit.layers.inputs import ElementFeatures, make_input
from cryskit.layers.selector import FeatureSelector
from cryskit.registry import ENCODERS

if TYPE_CHECKING:
    from collections.abc import Sequence

ATOMS = torch.arange(elements.ELEMENTS + 1)
FEATURES = torch.from_numpy(elements.features().copy())
NAMES = [elements.feature_name(feature) for feature in range(elements.FEATURE_COUNT)]
HEAVIEST = 94


def planted(weights: dict[str, float], seed: int, crystals: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Return compositions of three elements, and a sum over the shares of atoms that have the named features."""
    chance = np.random.default_rng(seed)
    compositions = torch.zeros(crystals, len(ATOMS))
    for row in compositions:
        numbers = chance.choice(np.arange(1, HEAVIEST + 1), 3, replace=False)
        row[numbers] = torch.from_numpy(chance.dirichlet([2.0] * 3)).float()
    shares = compositions @ FEATURES
    target = sum((weight * shares[:, NAMES.index(name)] for name, weight in weights.items()), torch.zeros(crystals))
    return compositions, (target - target.mean()) / target.std()


def fitted(layer: FeatureSelector, compositions: torch.Tensor, target: torch.Tensor, steps: int) -> float:
    """Fit a linear model of the mean input vector as the training loop would; return its mean absolute error."""
    head = torch.nn.Linear(layer.linear.out_features, 1)
    whole = torch.nn.ModuleList([layer, head])
    averaged = copy.deepcopy(whole)
    optimizer = torch.optim.AdamW(whole.parameters(), lr=1e-2, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps + 1, pct_start=0.15)
    for _ in range(steps):
        optimizer.zero_grad()
        error = (head(compositions @ layer(ATOMS))[:, 0] - target).abs().mean()
        (error + layer.penalty()).backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for mean, current in zip(averaged.parameters(), whole.parameters(), strict=True):
                mean.lerp_(current, 0.02)
    whole.load_state_dict(averaged.state_dict())
    layer.eval()
    with torch.no_grad():
        return float((head(compositions @ layer(ATOMS))[:, 0] - target).abs().mean())


def selected(layer: FeatureSelector) -> set[str]:
    return {NAMES[int(feature)] for feature in layer.strengths().nonzero()}


@pytest.mark.slow
@pytest.mark.parametrize("names", [("group 2", "period 4"), ("valence electrons 4", "covalent radius 137.5 to 160 pm")])
def test_it_selects_exactly_the_two_features_that_a_target_depends_on(names: Sequence[str]) -> None:
    torch.manual_seed(0)
    layer = FeatureSelector(8, penalty=1.0)
    error = fitted(layer, *planted(dict(zip(names, (1.0, -1.0), strict=True)), 0), steps=900)
    assert selected(layer) == set(names)
    assert error < 0.01


def test_features_that_no_crystal_has_are_closed_and_the_strongest_is_one() -> None:
    torch.manual_seed(0)
    layer = FeatureSelector(8, penalty=1.0)
    fitted(layer, *planted({"group 2": 1.0}, 0), steps=400)
    strengths = layer.strengths()
    assert not strengths[~FEATURES[1 : HEAVIEST + 1].any(0)].any()
    assert float(strengths.max()) == 1
    assert strengths.shape == (elements.FEATURE_COUNT,)
    assert not strengths.requires_grad


def test_it_begins_as_the_layer_without_gates() -> None:
    plain, layer = ElementFeatures(8), FeatureSelector(8).eval()
    found = layer.load_state_dict(plain.state_dict(), strict=False)
    assert not found.unexpected_keys
    assert all(name.startswith("gate.") for name in found.missing_keys)
    torch.testing.assert_close(layer(ATOMS), plain(ATOMS), rtol=0, atol=0)


def test_a_closed_gate_passes_nothing_and_counts_nothing() -> None:
    layer = FeatureSelector(8).eval()
    full = float(layer.penalty().detach())
    with torch.no_grad():
        layer.gate.block[list(elements.BLOCKS).index("group")] = -20.0
        layer.gate.bit[NAMES.index("period 4")] = -20.0
    table = layer(ATOMS).detach()
    only_group = layer(torch.tensor([21])).detach() - layer.linear.bias.detach()
    features = FEATURES[21].clone()
    features[elements.BLOCKS["group"]] = 0
    features[NAMES.index("period 4")] = 0
    torch.testing.assert_close(only_group[0], layer.linear.weight.detach() @ features)
    assert table.isfinite().all()
    strengths = layer.strengths()
    assert not strengths[elements.BLOCKS["group"]].any()
    assert strengths[NAMES.index("period 4")] == 0
    assert float(layer.penalty().detach()) < full


def test_the_importance_is_the_same_however_gate_and_weights_share_the_length() -> None:
    torch.manual_seed(0)
    layer = FeatureSelector(8).eval()
    before, table = layer.strengths(), layer(ATOMS).detach()
    with torch.no_grad():
        layer.gate.bit[3] = -0.25  # the gate is half open
        layer.linear.weight[:, 3] *= 2
    torch.testing.assert_close(layer.strengths(), before)
    torch.testing.assert_close(layer(ATOMS).detach(), table)


def test_the_penalty_counts_and_cannot_be_lowered_by_larger_weights() -> None:
    layer = FeatureSelector(8, penalty=0.5, blocks=0.25)
    with torch.no_grad():
        layer.gate.bit.fill_(20.0)
        layer.gate.block.fill_(20.0)
        assert float(layer.penalty()) == pytest.approx(0.5)
        layer.gate.bit.fill_(-20.0)
        assert float(layer.penalty()) == pytest.approx(0.25 * 0.5)
        layer.linear.weight.mul_(10)
        assert float(layer.penalty()) == pytest.approx(0.25 * 0.5)


def test_noise_is_that_of_the_saved_counter() -> None:
    layer = FeatureSelector(8)
    layer(ATOMS)
    again = FeatureSelector(8)
    again.load_state_dict(layer.state_dict())
    assert torch.equal(layer(ATOMS), again(ATOMS))
    assert not torch.equal(layer(ATOMS), layer(ATOMS))
    assert torch.equal(layer.eval()(ATOMS), again.eval()(ATOMS))


def test_the_form_of_the_paper_is_free_numbers_and_their_mean_size() -> None:
    layer = make_input({"name": "selector", "form": "paper"}, 8)
    assert layer.linear.bias is None
    torch.testing.assert_close(layer(ATOMS), layer.linear(FEATURES))
    assert float(layer.penalty().detach()) == pytest.approx(0.01)
    with torch.no_grad():
        layer.gate.mask[0] = -91.0
    assert float(layer.penalty().detach()) == pytest.approx(0.01 * 182 / 92)
    assert float(layer.strengths()[0]) == 91


CHOICES: list[Any] = ["features", "embedding", "both", "selector", {"name": "selector", "penalty": 0.3, "blocks": 0.5}]


@pytest.mark.parametrize("inputs", CHOICES, ids=str)
def test_an_encoder_is_rebuilt_from_its_configuration_as_json(inputs: Any) -> None:
    encoder = CGCNN(width=8, layers=1, inputs=inputs)
    again = ENCODERS.build(json.loads(json.dumps(ENCODERS.config_of(encoder))))
    again.load_state_dict(encoder.state_dict())
    assert again.config == encoder.config


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("selecter", "no input called 'selecter'. Did you mean selector"),
        ({"name": "selector", "penality": 1}, "no argument of input selector called 'penality'"),
        ({"name": "selector", "form": "papers"}, "(?s)form.*papers"),
    ],
)
def test_a_wrong_choice_is_named(inputs: Any, message: str) -> None:
    with pytest.raises((UnknownNameError, TypeCheckError), match=message):
        CGCNN(width=8, layers=1, inputs=inputs)
