"""Other descriptions of the same crystal: what a right prediction does not notice."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from cryskit.types import Crystal


def rotated(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return Crystal(crystal.id, crystal.lattice @ rotation, crystal.fractional, crystal.numbers)


def translated(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    return Crystal(crystal.id, crystal.lattice, crystal.fractional + rng.uniform(size=3), crystal.numbers)


def permuted(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    order = rng.permutation(len(crystal))
    return Crystal(crystal.id, crystal.lattice, crystal.fractional[order], crystal.numbers[order])


def unwrapped(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    images = rng.integers(-3, 4, size=(len(crystal), 3))
    return Crystal(crystal.id, crystal.lattice, crystal.fractional + images, crystal.numbers)


def sheared(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Another basis of the same lattice."""
    basis = np.eye(3)
    for _ in range(2):
        i, j = rng.choice(3, size=2, replace=False)
        basis[i] += rng.integers(-1, 2) * basis[j]
    return Crystal(crystal.id, basis @ crystal.lattice, crystal.fractional @ np.linalg.inv(basis), crystal.numbers)


def supercell(crystal: Crystal, repeats: tuple[int, int, int]) -> Crystal:
    images = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 3)
    fractional = (crystal.fractional[None] + images[:, None]) / np.array(repeats)
    return Crystal(
        crystal.id,
        crystal.lattice * np.array(repeats)[:, None],
        fractional.reshape(-1, 3),
        np.tile(crystal.numbers, len(images)),
    )


def primitive(crystal: Crystal) -> Crystal:
    return _crystal(SpacegroupAnalyzer(_structure(crystal), symprec=1e-4).find_primitive(), crystal.id)


def conventional(crystal: Crystal) -> Crystal:
    return _crystal(
        SpacegroupAnalyzer(_structure(crystal), symprec=1e-4).get_conventional_standard_structure(), crystal.id
    )


def niggli(crystal: Crystal) -> Crystal:
    return _crystal(_structure(crystal).get_reduced_structure("niggli"), crystal.id)


def _structure(crystal: Crystal) -> Structure:
    return Structure(Lattice(crystal.lattice), crystal.numbers.tolist(), crystal.fractional)


def _crystal(structure: Structure, name: str) -> Crystal:
    return Crystal(name, structure.lattice.matrix, structure.frac_coords, np.array(structure.atomic_numbers))


ANY = {
    "rotated": rotated,
    "translated": translated,
    "permuted": permuted,
    "unwrapped": unwrapped,
    "sheared": sheared,
    "primitive": lambda crystal, _: primitive(crystal),
    "conventional": lambda crystal, _: conventional(crystal),
    "niggli": lambda crystal, _: niggli(crystal),
    "2x1x1": lambda crystal, _: supercell(crystal, (2, 1, 1)),
    "1x2x3": lambda crystal, _: supercell(crystal, (1, 2, 3)),
    "2x2x2": lambda crystal, _: supercell(crystal, (2, 2, 2)),
}
