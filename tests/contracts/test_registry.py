"""What the registry says of a network that nobody has built is what the built one says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contracts.settings import SMALL

from cryskit.errors import UnknownNameError
from cryskit.registry import ENCODERS, OBJECTIVES

CONFIGURATIONS = [
    *({"name": name} for name in ENCODERS),
    *({"name": name, **SMALL.get(name, {})} for name in ENCODERS),
    {"name": "cgcnn", "radius": 5.0, "count": 6, "inputs": {"name": "selector", "penalty": 0.1}},
    {"name": "megnet", "radius": 5.0},
    {"name": "fused", "graph": {"name": "alignn", "width": 48, "count": 6}, "text": "matscibert"},
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_needs_width_and_configuration_are_those_of_the_built_network(config: dict[str, Any]) -> None:
    built = ENCODERS.build(config)
    assert ENCODERS.needs(config) == built.needs
    assert ENCODERS.width(config) == built.width
    assert ENCODERS.complete(config) == ENCODERS.config_of(built)


def test_nothing_is_built_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Module, "__init__", None)
    for config in CONFIGURATIONS:
        ENCODERS.needs(config)
        ENCODERS.width(config)
        ENCODERS.complete(config)


def test_a_language_model_that_is_trained_is_not_loaded_to_answer() -> None:
    config = {"name": "fused", "graph": {"name": "cgcnn", "width": 24}, "text": "absent", "tuned": 0.1}
    assert ENCODERS.needs(config).text == "tokens:absent"
    assert ENCODERS.width(config) == 24


@pytest.mark.parametrize("ask", [ENCODERS.needs, ENCODERS.width, ENCODERS.complete, ENCODERS.build])
def test_an_unknown_argument_is_named(ask: Any) -> None:
    with pytest.raises(UnknownNameError, match="argument of encoder cgcnn called 'widht'"):
        ask({"name": "cgcnn", "widht": 8})


@pytest.mark.parametrize("old", ["hidden", "swelling"])
def test_an_unknown_setting_of_an_objective_is_answered_with_those_there_are(old: str) -> None:
    encoder = ENCODERS.build({"name": "cgcnn", "width": 8})
    with pytest.raises(UnknownNameError, match=r"mask_fraction.*volume_noise"):
        OBJECTIVES.build({"name": "crysae", "encoder": encoder, old: 0.1})
    with pytest.raises(UnknownNameError, match=r"mask_fraction.*volume_noise"):
        OBJECTIVES.build({"name": "crysgnn", "encoder": encoder, old: 0.1})
