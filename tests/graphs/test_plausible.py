"""Crystals that cannot be are told apart from those that can, with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.graphs.plausible import doubts_of
from cryskit.types import Crystal, GraphSpec

EXAMPLES = [row for row in read(Path(__file__).parents[2] / "examples") if isinstance(row, Crystal)]
SALT = Crystal(
    "NaCl",
    5.64 * np.eye(3),
    np.array(
        [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5] * 3]
    ),
    np.array([11] * 4 + [17] * 4),
)


def doubts(*crystals: Crystal, spec: GraphSpec | None = None) -> list[str]:
    return doubts_of(crystals, build(crystals, spec or GraphSpec()))


@pytest.mark.parametrize("reduce", [True, False])
def test_real_crystals_are_beyond_doubt(*, reduce: bool) -> None:
    assert doubts(*EXAMPLES, spec=GraphSpec(reduce=reduce)) == [""] * len(EXAMPLES)


def scaled(factor: float) -> Crystal:
    return Crystal("scaled", SALT.lattice * factor, SALT.fractional, SALT.numbers)


@pytest.mark.parametrize(
    ("crystal", "word"),
    [
        (scaled(0.42), "half the length of a bond"),
        (scaled(0.1), "nanometre"),
        (scaled(100.0), "picometre"),
        (scaled(100.0), "8 atoms have no neighbour"),
        (Crystal("far", SALT.lattice, SALT.fractional + 2e6, SALT.numbers), "beyond a million"),
        (
            Crystal("split", 4 * np.eye(3), np.array([[0, 0, 0], [0.05, 0, 0], [0.5, 0.5, 0.5]]), np.array([1, 1, 8])),
            "0.20 angstrom apart",
        ),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(crystal: Crystal, word: str) -> None:
    sound, found, also_sound = doubts(SALT, crystal, SALT)
    assert word in found
    assert "heck" in found or "give" in found
    assert not sound
    assert not also_sound
