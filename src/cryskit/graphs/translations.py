"""The lengths of the shortest translations of a crystal, whatever the cell it is written in.

Two translations are of one class if they differ by twice a translation. Besides that of zero there are seven classes, and
the shortest length in each is a property of the lattice that changes continuously with it (Conway and Sloane 1992, doi
10.1098/rspa.1992.0004). Of a basis whose four vectors a, b, c, -(a + b + c) pairwise meet at no acute angle (Selling 1874),
they are the lengths of a, b, c, a + b, a + c, b + c and a + b + c.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cryskit.symmetry import TOLERANCE, detect

if TYPE_CHECKING:
    from cryskit.types import Crystal

COUNT = 6
"""Number of lengths that are returned: those of all classes but the longest one."""

_ACUTE = 1e-9  # relative to the square of the longest vector


def shortest_translations(crystal: Crystal) -> np.ndarray:
    """Return the lengths of the shortest translations of a crystal in six classes, (6,), angstrom, ascending.

    Args:
        crystal: The crystal, in any cell; where its symmetry cannot be found, its cell counts as primitive.
    """
    found = detect(crystal, TOLERANCE)
    one, two, three, _ = obtuse(crystal.lattice if found is None else np.array(found.prim_std_cell.basis))
    classes = np.array([one, two, three, one + two, one + three, two + three, one + two + three])
    return np.sort(np.linalg.norm(classes, axis=1))[:COUNT]


def obtuse(lattice: np.ndarray) -> np.ndarray:
    """Return four vectors that span a lattice, add up to zero and pairwise meet at no acute angle, (4, 3) in angstrom.

    They are found by Selling's reduction (1874).

    Args:
        lattice: (3, 3) the lattice vectors as rows, in angstrom.
    """
    vectors = np.concatenate([lattice, -lattice.sum(0, keepdims=True)])
    while True:
        products = vectors @ vectors.T
        pairs = list(combinations(range(4), 2))
        i, j = max(pairs, key=lambda pair: products[pair])
        if products[i, j] <= _ACUTE * products.diagonal().max():
            return vectors
        others = [k for k in range(4) if k not in (i, j)]
        vectors = np.stack([-vectors[i], vectors[j], *(vectors[others] + vectors[i])])
        # v_i becomes -v_i; it is added to two of the other three, so that the four still add up to zero.
