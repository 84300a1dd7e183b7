"""Descriptors say what they define, of orbits as of atoms, on the scale of what was seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cryskit import elements
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.losses.descriptors import COUNT, Descriptors
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
SALT = next(c for c in CRYSTALS if c.id == "NaCl")


def test_salt_by_hand() -> None:
    found = Descriptors().raw(build([SALT], GraphSpec(count=6)))[0].numpy()
    sodium, chlorine = elements.quantities()[[11, 17]]
    nearest = (np.abs(np.linalg.det(SALT.lattice)) / len(SALT)) ** (1 / 3)
    expected = np.concatenate(
        [
            (sodium + chlorine) / 2,
            np.abs(sodium - chlorine) / 2,
            np.abs(sodium - chlorine),
            sodium * chlorine,
            [nearest, np.log(nearest**3), np.log(6 * np.exp(-nearest))],
        ]
    )
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert len(found) == COUNT


def test_orbits_have_the_descriptors_of_their_atoms() -> None:
    full, reduced = (Descriptors().raw(build(CRYSTALS, GraphSpec(reduce=reduce))) for reduce in (False, True))
    torch.testing.assert_close(full, reduced, atol=1e-4, rtol=1e-4)


def test_the_scale_is_that_of_what_was_seen() -> None:
    layer = Descriptors()
    graph = build(CRYSTALS, GraphSpec())
    seen = layer.train()(graph)
    torch.testing.assert_close(seen.mean(0), torch.zeros(COUNT), atol=1e-4, rtol=0)
    for _ in range(100):
        layer(graph)
    judged = layer.eval()(graph)
    assert float((judged - seen).abs().max()) < 0.3


def test_quantities_are_standardised_and_ordered() -> None:
    table = elements.quantities()
    column = elements.QUANTITIES.index("electronegativity")
    assert table[9, column] == table[:, column].max()
    assert np.abs(table.mean(0)).max() < 0.2
    assert not table.flags.writeable
