"""Heads with which tensor heads are compared: what they know of tensors, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from predict.tensor_models import untrained
from predict.test_tensors import BUNDLED, CRYSTALS, PLAN
from scipy.spatial.transform import Rotation

from cryskit.data.splits import make
from cryskit.data.tensors import target_row
from cryskit.errors import DataError, PlanError
from cryskit.layers.tensor_controls import ComponentHeads, IsotropicHeads
from cryskit.predict.load import load
from cryskit.properties import get
from cryskit.tensors.kinds import ELASTIC
from cryskit.tensors.rotate import rotate_matrix
from cryskit.training.plan import Plan
from cryskit.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.predict.predictor import Predictor

ROTATION = Rotation.random(rng=5).as_matrix()
SOME = BUNDLED[:6]


def matrices(model: Predictor, *, turned: bool = False) -> np.ndarray:
    crystals = [replace(c, lattice=c.lattice @ ROTATION.T) for c in SOME] if turned else SOME
    return np.array([each.tensors["elastic_tensor"].matrix for each in model.stream(crystals)])


def test_isotropic_heads_give_the_same_along_all_directions() -> None:
    found = matrices(untrained(["elastic_tensor"], CRYSTALS, "isotropic"))
    np.testing.assert_allclose(rotate_matrix(found, ROTATION, ELASTIC), found, rtol=1e-4, atol=1e-3)
    assert np.linalg.eigvalsh(found).min() > 0
    assert np.ptp(found[:, 0, 0]) > 0
    with pytest.raises(PlanError, match="piezoelectric_tensor has no isotropic part"):
        IsotropicHeads(8, [get("piezoelectric_tensor")])


def test_component_heads_know_neither_orientation_nor_symmetry() -> None:
    model = untrained(["elastic_tensor"], CRYSTALS, "components")
    found = matrices(model)
    np.testing.assert_allclose(matrices(model, turned=True), found, rtol=1e-4, atol=1e-3)
    assert np.abs(found[:, 0, 3]).min() > 1e-3  # zero by symmetry in most of them
    targets = torch.tensor([target_row(crystal, [get("elastic_tensor")]) for crystal in CRYSTALS])
    heads = model.heads
    assert isinstance(heads, ComponentHeads)
    scale = heads.scales["elastic_tensor"]
    known = heads.distances((targets - scale.mean) / scale.deviation, targets)["elastic_tensor"]
    assert known.abs().max() < 1e-5
    standard = ((targets - scale.mean) / scale.deviation).std(0)
    assert torch.allclose(standard[scale.deviation < scale.deviation.max()], torch.ones(()), atol=1e-3)
    with pytest.raises(DataError, match="1 values of elastic_tensor"):
        heads.fit_scale(targets[:1])
    with pytest.raises(PlanError, match="band_gap does not follow"):
        ComponentHeads(8, [get("elastic_tensor"), get("band_gap")])


@pytest.mark.parametrize("name", ["components", "isotropic"])
def test_a_plan_trains_them_as_it_trains_tensor_heads(name: str, tmp_path: Path) -> None:
    plan = Plan.make({**PLAN, "objective": {"name": "property", "heads": {"name": name}}})
    split = make(CRYSTALS, kind="random", fractions=(0.6, 0.2, 0.2), seed=0)
    card = train(plan, CRYSTALS, split, tmp_path / "model.safetensors", tmp_path / "run")
    assert card.heads == {"name": name}
    assert card.metrics["elastic_tensor"]["share"] < 2
    table = load(tmp_path / "model.safetensors").predict(SOME, derive=True)
    assert table["bulk_modulus"].notna().all()
    assert table["elastic_tensor_error"].notna().all()
