"""Models of tensors with random weights, whose directions matter as they do in a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from contracts.settings import SMALL

from cryskit.data.tensors import target_row
from cryskit.layers.tensor_heads import TensorHeads
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.registry import ENCODERS

if TYPE_CHECKING:
    from cryskit.types import Crystal


def untrained(names: list[str], crystals: list[Crystal], heads: str = "tensors") -> Predictor:
    """Return a model that predicts some properties, on the scale of labelled crystals."""
    torch.manual_seed(0)
    encoder = {"name": "steinhardt", **SMALL["steinhardt"]}
    properties = [get(name) for name in names]
    spec = TensorHeads(8, properties).needs(ENCODERS.needs(encoder))
    elements = sorted({int(number) for crystal in crystals for number in crystal.numbers})
    settings = {"name": heads, "channels": 8} if heads == "tensors" else {"name": heads}
    card = Card(name="made", encoder=encoder, heads=settings, spec=spec, properties=properties, elements=elements)
    made = Predictor.from_card(card)
    for name, parameter in made.heads.named_parameters():
        if "mix" in name:
            torch.nn.init.normal_(parameter, std=1.0)
    made.heads.fit_scale(torch.tensor([target_row(crystal, properties) for crystal in crystals]))
    return made
