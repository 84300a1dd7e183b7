"""Whether a crystal can be: atoms that are nearer than bonds or have no neighbours, cells in another unit of length.

Such crystals are no errors: they are predicted, and the prediction says what is doubtful and what to do.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal, Graph

SQUEEZED = 0.5
"""A pair of atoms nearer than this share of the sum of their covalent radii is doubtful."""
FEWEST = 0.5
"""Neighbours, counted by weight, below which an atom has none worth the name."""
SMALLEST, LARGEST = 2.0, 200.0
"""Cubic angstrom per atom, between which crystals are found."""
FARTHEST = 1e6
"""Fractional coordinates beyond this have lost the digits that place an atom."""


def doubts_of(crystals: Sequence[Crystal], graph: Graph) -> list[str]:
    """Return for each crystal what is doubtful about it, in sentences without the last full stop; "" if nothing is.

    Args:
        crystals: B crystals.
        graph: Their graph, of neighbours within a radius.
    """
    found: list[list[str]] = [_of_cell(crystal) for crystal in crystals]
    _add_close_pairs(found, graph)
    _add_lone_atoms(found, graph)
    return [". ".join(sentences) for sentences in found]


def _of_cell(crystal: Crystal) -> list[str]:
    sentences = []
    volume = abs(float(np.linalg.det(crystal.lattice))) / len(crystal)
    if not SMALLEST <= volume <= LARGEST:
        unit = "nanometre" if volume < SMALLEST else "picometre, or the cell a box around a molecule"
        sentences.append(
            f"The cell has {volume:.3g} cubic angstrom per atom, crystals have {SMALLEST:g} to {LARGEST:g}: "
            f"check whether lengths are in {unit}"
        )
    if np.abs(crystal.fractional).max() > FARTHEST:
        sentences.append("Fractional coordinates are beyond a million: give them between 0 and 1")
    return sentences


def _add_close_pairs(found: list[list[str]], graph: Graph) -> None:
    (centre, neighbour), vectors = graph.edges.numpy(), graph.vectors.numpy()
    if not len(vectors):
        return
    numbers, radii = graph.numbers.numpy(), _covalent_radii()
    lengths = np.linalg.norm(vectors, axis=1)
    shares = lengths / (radii[numbers[centre]] + radii[numbers[neighbour]])
    close = np.flatnonzero(shares < SQUEEZED)
    crystal = graph.crystal_of_atom.numpy()[centre[close]]
    for row in np.unique(crystal):
        worst = close[crystal == row][shares[close[crystal == row]].argmin()]
        pair = numbers[centre[worst]], numbers[neighbour[worst]]
        found[row].append(
            f"Atoms of atomic numbers {pair[0]} and {pair[1]} are {lengths[worst]:.2f} angstrom apart, less than half the "
            "length of a bond: check for split sites, or for a cell in another unit"
        )


def _add_lone_atoms(found: list[list[str]], graph: Graph) -> None:
    counted = None if graph.weight is None else graph.weight.numpy()
    neighbours = np.bincount(graph.edges[0].numpy(), counted, minlength=graph.atoms)
    weights = np.where(neighbours < FEWEST, graph.multiplicity.numpy(), 0.0)
    lone = np.bincount(graph.crystal_of_atom.numpy(), weights, minlength=graph.crystals)
    for row in np.flatnonzero(lone):
        found[row].append(
            f"{lone[row]:g} atoms have no neighbour within the reach of the model, which has seen no such crystal: check the unit "
            "of the cell"
        )


@cache
def _covalent_radii() -> np.ndarray:
    """Return Cordero's covalent radii by atomic number, angstrom (doi 10.1039/b801115j)."""
    from ase.data import covalent_radii  # noqa: PLC0415 - takes a tenth of a second to import

    radii: np.ndarray = covalent_radii
    return radii
