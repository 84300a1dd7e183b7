"""Crystals that cannot be, made of crystals that can: what the domain of a model is learned from.

Each kind of corruption keeps something of the crystal, so that no kind is known by one number alone: shuffled atoms keep the
volume and the composition, a scaled cell keeps the surroundings but for their size, swapped elements keep the sites.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cryskit.elements import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.types import Crystal

    Make = Callable[[Crystal, np.ndarray, np.random.Generator], Crystal]

SQUEEZED, STRETCHED = (0.4, 0.78), (1.28, 2.5)
"""Least and greatest factor of the volume of a squeezed and of a stretched crystal."""
DISPLACED = (0.25, 0.8)
"""Least and greatest standard deviation of the displacements of atoms along each axis, angstrom."""

ROOM = (8.0, 50.0)
"""Least and greatest volume per atom of a box of random atoms, cubic angstrom."""

_BOXED = 12  # atoms at most in a box
_WHOLE = 0.25  # share of the crystals of which `swapped` replaces every element
_EXCHANGED = 0.25  # largest share of the atoms that change places with another in `exchanged`


def shuffled(crystal: Crystal, _elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with its atoms in a random order on its sites."""
    return replace(crystal, numbers=rng.permutation(crystal.numbers))


def exchanged(crystal: Crystal, _elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with a few pairs of unlike atoms exchanged, at least one pair."""
    numbers = crystal.numbers.copy()
    for _ in range(rng.integers(1, max(2, int(_EXCHANGED * len(numbers)) + 1))):
        one = rng.integers(len(numbers))
        unlike = np.flatnonzero(numbers != numbers[one])
        if len(unlike):
            other = rng.choice(unlike)
            numbers[[one, other]] = numbers[[other, one]]
    return replace(crystal, numbers=numbers)


def squeezed(crystal: Crystal, _elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with a smaller volume and the same fractional coordinates."""
    return scaled(crystal, np.exp(rng.uniform(*np.log(SQUEEZED))))


def stretched(crystal: Crystal, _elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with a larger volume and the same fractional coordinates."""
    return scaled(crystal, np.exp(rng.uniform(*np.log(STRETCHED))))


def scaled(crystal: Crystal, factor: float) -> Crystal:
    """Return the crystal with its volume multiplied.

    Args:
        crystal: The crystal.
        factor: Factor of the volume.
    """
    return replace(crystal, lattice=crystal.lattice * factor ** (1 / 3))


def swapped(crystal: Crystal, elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with one of its elements, or all of them, replaced by unlike ones of those known.

    Args:
        crystal: The crystal.
        elements: Atomic numbers of the elements to choose from.
        rng: Generator of random numbers.
    """
    present = np.unique(crystal.numbers)
    chosen = present if rng.random() < _WHOLE else rng.choice(present, 1)
    numbers = crystal.numbers.copy()
    for number in chosen:
        numbers[crystal.numbers == number] = _unlike(number, elements, rng)
    return replace(crystal, numbers=numbers)


def _unlike(number: int, elements: np.ndarray, rng: np.random.Generator) -> int:
    """Return one of the half of the elements that are least like this one."""
    table = quantities()
    distance = np.linalg.norm(table[elements] - table[number], axis=1)
    return int(rng.choice(elements[distance >= np.median(distance)]))


def displaced(crystal: Crystal, _elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with its atoms displaced at random."""
    shifts = rng.standard_normal((len(crystal), 3)) * rng.uniform(*DISPLACED)
    return replace(crystal, fractional=crystal.fractional + shifts @ np.linalg.inv(crystal.lattice))


def scattered(crystal: Crystal, _elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return the crystal with its atoms at random places of its cell."""
    return replace(crystal, fractional=rng.random((len(crystal), 3)))


def boxed(crystal: Crystal, elements: np.ndarray, rng: np.random.Generator) -> Crystal:
    """Return a few atoms of one to three elements at random places of a cubic box, with nothing of the crystal but its id."""
    count = rng.integers(2, _BOXED + 1)
    numbers = rng.choice(rng.choice(elements, rng.integers(1, 4)), count)
    edge = (count * np.exp(rng.uniform(*np.log(ROOM)))) ** (1 / 3)
    return replace(crystal, lattice=np.eye(3) * edge, fractional=rng.random((count, 3)), numbers=numbers)


KINDS: Mapping[str, Make] = MappingProxyType(
    {made.__name__: made for made in (shuffled, exchanged, squeezed, stretched, swapped, displaced, scattered, boxed)}
)
"""Kinds of corruption by name: from a crystal, the elements to choose from and a generator of random numbers."""


def corrupted(crystal: Crystal, kind: str, elements: np.ndarray, rng: np.random.Generator) -> Crystal | None:
    """Return a corrupted crystal; None if this kind left it as it was, as a shuffle leaves one of a single element.

    Args:
        crystal: The crystal.
        kind: Name in `KINDS`.
        elements: Atomic numbers of the elements to choose from.
        rng: Generator of random numbers.
    """
    made = KINDS[kind](crystal, elements, rng)
    return None if made.fingerprint == crystal.fingerprint else made
