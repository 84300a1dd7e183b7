"""Statistics over the composition: those of Magpie, and one by one for a crystal that can be counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.layers.composition import STATISTICS, Composition
from cryskit.small_data.sources import MAGPIE, source_of
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]


def test_statistics_of_a_perovskite() -> None:
    layer = Composition(1)
    layer.table[[38, 22, 8], 0] = torch.tensor([10.0, 4.0, 1.0])
    titanate = next(crystal for crystal in CRYSTALS if crystal.formula == "SrTiO3")
    atoms, crystals = layer(build([titanate], GraphSpec()))
    mean, apart = 17 / 5, (6.6 + 0.6 + 3 * 2.4) / 5
    assert torch.allclose(crystals[0], torch.tensor([1.0, 10.0, 9.0, mean, apart, 1.0]))
    assert sorted(atoms[:, 0].tolist()) == [1.0, 4.0, 10.0]
    assert atoms.shape[1] == layer.width == STATISTICS


def test_the_smallest_of_equally_frequent_elements_is_the_mode() -> None:
    layer = Composition(1)
    layer.table[[11, 17], 0] = torch.tensor([3.0, 2.0])
    salt = next(crystal for crystal in CRYSTALS if crystal.formula == "NaCl")
    assert layer(build([salt], GraphSpec()))[1][0, 5] == 2.0


def test_with_the_table_of_magpie_they_are_its_features() -> None:
    composition = pytest.importorskip("matminer.featurizers.composition")
    core = pytest.importorskip("pymatgen.core")
    source = source_of(MAGPIE)
    layer = Composition(int(source.member["composition"]))
    layer.load_state_dict(dict(source.tensors))
    found = layer(build(CRYSTALS, GraphSpec()))[1].reshape(len(CRYSTALS), STATISTICS, -1).numpy()
    featurizer = composition.ElementProperty.from_preset("magpie", impute_nan=True)
    expected = np.array([featurizer.featurize(core.Composition(crystal.formula)) for crystal in CRYSTALS])
    expected = expected.reshape(len(CRYSTALS), -1, STATISTICS).transpose(0, 2, 1)
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-4)
