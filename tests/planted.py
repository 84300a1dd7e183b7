"""A target that depends on two known bits of the elements, and a small model that has learned it."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from cryskit import elements
from cryskit.batching import with_targets
from cryskit.graphs.build import build
from cryskit.objectives.property import PropertyObjective
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.types import Crystal, GraphSpec, Property

BIT = {elements.feature_name(bit): bit for bit in range(elements.FEATURE_COUNT)}


@cache
def pairs(count: int = 160) -> list[Crystal]:
    """Two random elements in the structure of CsCl."""
    numbers = np.random.default_rng(1).integers(1, elements.ELEMENTS + 1, (count, 2))
    cell, places = np.eye(3) * 4.0, np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    return [Crystal(f"pair {i}", cell, places, pair) for i, pair in enumerate(numbers)]


def fresh(seed: int, inputs: str = "features") -> Predictor:
    """Return a small model with random weights."""
    torch.manual_seed(seed)
    card = Card(
        name="planted",
        encoder={"name": "cgcnn", "width": 16, "layers": 1, "inputs": inputs, "radius": 5.0, "count": 8},
        spec=GraphSpec(radius=5.0, count=8),
        properties=[Property(name="planted", symbol="P", unit="eV")],
        elements=list(range(1, elements.ELEMENTS + 1)),
    )
    return Predictor.from_card(card)


@cache
def planted(names: tuple[str, str], seed: int, inputs: str = "features") -> Predictor:
    """Train on: the share of atoms that have the first bit, less the share of those that have the second."""
    predictor = fresh(seed, inputs)
    table = elements.features()[:, [BIT[name] for name in names]]
    targets = np.array([table[crystal.numbers].mean(0) @ [1.0, -1.0] for crystal in pairs()])
    graph = with_targets(build(pairs(), predictor.card.spec), targets[:, None])
    predictor.heads.fit_scale(graph.targets)
    objective = PropertyObjective(predictor.encoder, predictor.heads, loss="squared").train()
    optimiser = torch.optim.AdamW(objective.parameters(), lr=0.02, weight_decay=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        objective(graph)["planted"].backward()
        optimiser.step()
    return predictor.eval()
