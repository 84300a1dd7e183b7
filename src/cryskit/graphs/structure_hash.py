"""A hash of the structure of a crystal, by its graph: one number, equal for duplicates in whatever cell and origin."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.types import Graph

_KINDS = 2**16  # more than there are elements and ordered pairs of elements
_RANKS = 3  # the third distinguishes cubic from hexagonal stacking


def structure_hashes(graph: Graph) -> np.ndarray:
    """Return a number for each crystal that is equal for equal structures.

    The number is a hash of rounded means that depend neither on cell and origin nor on orientation and order of atoms: the
    volume per atom; the share of each element; for each ordered pair of elements how many neighbours an atom has, and the
    means of their distances and of the squares of these; for each element the mean squared norm of the sums of the unit
    vectors to the neighbours, of their second and of their third tensor powers. Neighbours count by weight. A copy with other rounding is missed where a
    mean crosses a boundary. Crystals that differ only beyond the neighbours of each atom, such as stackings of distant layers,
    count as one.

    Args:
        graph: The graph of B crystals, on the CPU.

    Returns:
        (B,) uint64, the hash of each crystal, never 0.
    """
    weights, owner = graph.multiplicity.numpy().astype(np.float64), graph.crystal_of_atom.numpy()
    numbers, (centre, neighbour) = graph.numbers.numpy(), graph.edges.numpy()
    vectors = graph.vectors.numpy().astype(np.float64)
    atoms = np.bincount(owner, weights, graph.crystals)
    volumes = np.abs(np.linalg.det(graph.lattice.numpy().astype(np.float64))) / atoms
    elements, element = np.unique(owner * _KINDS + numbers, return_inverse=True)
    pairs, pair = np.unique(owner[centre] * _KINDS + 256 * numbers[centre] + numbers[neighbour], return_inverse=True)
    shares, squares = weights / atoms[owner], (vectors**2).sum(axis=1)
    counted = np.ones_like(squares) if graph.weight is None else graph.weight.numpy().astype(np.float64)
    of_atoms = (np.ones_like(weights), *_powers(vectors, counted, centre, len(weights)))
    of_edges = (counted, counted * np.sqrt(squares), counted * squares)
    descriptors = [
        (np.arange(graph.crystals) * _KINDS, volumes, 0.01),
        *((elements, np.bincount(element, shares * value, len(elements)), 0.01) for value in of_atoms),
        *((pairs, np.bincount(pair, shares[centre] * value, len(pairs)), 0.003) for value in of_edges),
    ]
    return _hashed(descriptors, graph.crystals)


def _powers(vectors: np.ndarray, weights: np.ndarray, centre: np.ndarray, nodes: int) -> Iterator[np.ndarray]:
    """Yield for each tensor power of the unit vectors the squared norm of its weighted sum at each node."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    power = weights[:, None]
    for _ in range(_RANKS):
        power = (power[:, :, None] * unit[:, None, :]).reshape(len(unit), 3 * power.shape[1])
        sums = np.stack([np.bincount(centre, component, nodes) for component in power.T])
        yield (sums**2).sum(axis=0)


def _hashed(descriptors: list[tuple[np.ndarray, np.ndarray, float]], crystals: int) -> np.ndarray:
    """Return the hash of the descriptors of each crystal.

    Args:
        descriptors: Keys (crystal * _KINDS + kind), values and rounding step of the descriptors of each kind.
        crystals: Number of crystals.
    """
    keys = np.concatenate([key for key, _, _ in descriptors])
    values = np.concatenate([np.rint(value / step) for _, value, step in descriptors]).astype(np.int64)
    order = np.argsort(keys, kind="stable")
    rows = np.stack([keys % _KINDS, values], axis=1)[order]
    starts = np.searchsorted(keys[order], np.arange(crystals + 1) * _KINDS)
    digests = [hashlib.blake2b(rows[a:b].tobytes(), digest_size=8).digest() for a, b in pairwise(starts.tolist())]
    return np.frombuffer(b"".join(digests), np.uint64) | np.uint64(1)
