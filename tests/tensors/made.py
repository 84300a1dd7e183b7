"""Crystals and tensors for the tests of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from cryskit.data.read import read
from cryskit.tensors.notation import components_to_matrix
from cryskit.types import Crystal

if TYPE_CHECKING:
    from cryskit.tensors.kinds import TensorKind

CRYSTALS = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
TRICLINIC = Crystal(
    "triclinic", [[4, 0, 0], [0.7, 5, 0], [0.9, 1.3, 6]], [[0, 0, 0], [0.2, 0.3, 0.4], [0.6, 0.1, 0.7]], [3, 8, 9]
)
MONOCLINIC = Crystal(
    "monoclinic", [[5, 0, 0], [0, 4, 0], [-4.5, 0, 7]], [[0, 0, 0], [0.2, 0.5, 0.4], [0.8, 0.5, 0.6]], [3, 8, 8]
)


def drawn(kind: TensorKind, *leading: int, seed: int = 0) -> np.ndarray:
    """Return random Voigt matrices."""
    values = np.random.default_rng(seed).normal(size=(*leading, len(kind.components)))
    return components_to_matrix(values, kind)


def turned(seed: int) -> np.ndarray:
    """Return a random rotation."""
    rotation: np.ndarray = Rotation.random(rng=seed).as_matrix()
    return rotation


def rotated(crystal: Crystal, rotation: np.ndarray) -> Crystal:
    """Return a crystal in another orientation."""
    return Crystal("turned", crystal.lattice @ rotation.T, crystal.fractional, crystal.numbers)
