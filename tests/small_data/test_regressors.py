"""What a model file holds of a regressor gives what scikit-learn gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from cryskit import properties
from cryskit.errors import PlanError
from cryskit.layers.regressors import RegressorHeads
from cryskit.small_data.regressors import KINDS, Space, rescaled

ROWS, WIDTH = 160, 30
GENERATOR = np.random.default_rng(0)
VECTORS = (GENERATOR.normal(size=(ROWS, WIDTH)) * GENERATOR.uniform(0.1, 50, WIDTH) + 3).astype(np.float32)
VECTORS[:, 4] = 2.5  # a value that is the same everywhere
LABELS = np.sin(VECTORS[:, 0]) + 0.1 * VECTORS[:, 1]
NEW = (VECTORS[::3] * 1.1).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_gives_what_scikit_learn_gives(kind: str) -> None:
    space = Space.of(VECTORS)
    points = space(VECTORS)
    mean, deviation = LABELS.mean(), LABELS.std()
    estimator = KINDS[kind].fitted(KINDS[kind].grid(points)[0], points, (LABELS - mean) / deviation)
    config, module = KINDS[kind].module(estimator, space)
    module = rescaled(module, mean, deviation)
    expected = estimator.predict(space(NEW)) * deviation + mean
    found = module(torch.from_numpy(NEW)).numpy()
    assert np.abs(found - expected).max() < 1e-6 * deviation
    part = {**config, "start": 2, "stop": 2 + WIDTH, "share": 1.0}
    heads = RegressorHeads(WIDTH + 3, [replace(properties.get("band_gap"), transform="none")], [part])
    kept = load(save({f"parts.0.{name}": tensor.clone() for name, tensor in module.state_dict().items()}))
    heads.load_state_dict(heads.state_dict() | kept)
    padded = np.pad(NEW, ((0, 0), (2, 1)))
    assert np.abs(heads.physical(heads(torch.from_numpy(padded)))[:, 0].numpy() - expected).max() < 1e-6 * deviation


def test_heads_are_the_mean_of_their_parts_by_share() -> None:
    parts = [
        {"name": "linear", "start": 0, "stop": 2, "share": 0.75},
        {"name": "linear", "start": 2, "stop": 4, "share": 0.25},
    ]
    heads = RegressorHeads(4, [properties.get("bulk_modulus")], parts)
    for part, bias in zip(heads.parts, (1.0, 3.0), strict=True):
        part.bias.fill_(bias)
    heads.mean.fill_(2.0)
    heads.deviation.fill_(0.5)
    assert heads.physical(heads(torch.zeros(1, 4))).item() == pytest.approx(10**1.5)


@pytest.mark.parametrize("section", [(0, 5), (3, 3), (-1, 2)])
def test_a_section_outside_the_vector_is_refused(section: tuple[int, int]) -> None:
    part = {"name": "linear", "start": section[0], "stop": section[1]}
    with pytest.raises(PlanError, match="does not have"):
        RegressorHeads(4, [properties.get("band_gap")], [part])
