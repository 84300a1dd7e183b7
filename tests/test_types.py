"""Crystals can be sent to other processes, whatever is known of them."""

from __future__ import annotations

import pickle
from types import MappingProxyType

import numpy as np
import pytest

from cryskit.types import Crystal

SALT = Crystal("CsCl", 4.12 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([55, 17]))
KNOWN = Crystal(
    "CsCl",
    SALT.lattice,
    SALT.fractional,
    SALT.numbers,
    targets=MappingProxyType({"band_gap": 5.1}),
    labels={"is_metal": "no"},
    tensors=MappingProxyType({"dielectric_tensor": 6.9 * np.eye(3)}),
)


@pytest.mark.parametrize("crystal", [SALT, KNOWN], ids=["bare", "known"])
def test_a_crystal_can_be_sent(crystal: Crystal) -> None:
    got = pickle.loads(pickle.dumps(crystal))  # noqa: S301 - what this process has written
    assert got.fingerprint == crystal.fingerprint
    assert (got.id, dict(got.targets), dict(got.labels)) == (crystal.id, dict(crystal.targets), dict(crystal.labels))
    assert {name: matrix.tolist() for name, matrix in got.tensors.items()} == {
        name: matrix.tolist() for name, matrix in crystal.tensors.items()
    }
