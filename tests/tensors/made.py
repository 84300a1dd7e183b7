"""Crystals and tensors for the tests of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Lattice, Structure
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


def of_group(space_group: str, lattice: Lattice, sites: dict[str, tuple[float, float, float]]) -> Crystal:
    """Return a crystal that has a space group, from one site of each orbit."""
    return Crystal.from_pymatgen(Structure.from_spacegroup(space_group, lattice, list(sites), list(sites.values())))


AMBIGUOUS = {
    "scheelite, 4/m": of_group(
        "I4_1/a",
        Lattice.tetragonal(5.24, 11.37),
        {"Ca": (0, 0.25, 0.625), "W": (0, 0.25, 0.125), "O": (0.15, 0.009, 0.211)},
    ),
    "cadmium iodide, -3m": of_group(
        "P-3m1", Lattice.hexagonal(4.24, 6.84), {"Cd": (0, 0, 0), "I": (1 / 3, 2 / 3, 0.249)}
    ),
    "ilmenite, -3": of_group(
        "R-3",
        Lattice.hexagonal(5.09, 14.09),
        {"Fe": (0, 0, 0.355), "Ti": (0, 0, 0.146), "O": (0.317, 0.023, 0.245)},
    ),
    "quartz, 32": of_group(
        "P3_121", Lattice.hexagonal(4.91, 5.40), {"Si": (0.47, 0, 1 / 3), "O": (0.413, 0.267, 0.452)}
    ),
}
"""Crystals whose lattices have rotations that the crystals lack: the lattice leaves the senses of their axes open."""
