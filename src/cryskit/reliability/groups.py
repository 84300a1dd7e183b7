"""Groups of crystals by chemistry, which overlap: intervals are calibrated for each of them, and errors are shown by them.

They depend on the elements alone, so that the group of a crystal does not depend on the choice of its cell.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from pymatgen.core import Element

from cryskit.elements import ELEMENTS

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from cryskit.types import Graph

GROUPS = (
    "all",
    "elements",
    "binaries",
    "oxides",
    "halides",
    "chalcogenides",
    "hydrogen compounds",
    "intermetallics",
)
"""Names of the groups in the order of the columns of `groups_of`."""

_OXYGEN, _HYDROGEN = (8,), (1,)
_HALOGENS, _CHALCOGENS = (9, 17, 35, 53), (16, 34, 52)


def element_counts(graph: Graph) -> Float[Tensor, "crystals elements"]:
    """Return how many atoms of each element the cell of each crystal of a graph has; column Z is the element of atomic number Z."""
    counts = torch.zeros(graph.crystals, ELEMENTS + 1, device=graph.lattice.device)
    rows = graph.crystal_of_atom * (ELEMENTS + 1) + graph.numbers
    counts.view(-1).index_add_(0, rows, graph.multiplicity.to(counts.dtype))
    return counts


def groups_of(counts: Float[Tensor, "crystals elements"]) -> Bool[Tensor, "crystals groups"]:
    """Return to which groups crystals belong, in the order of `GROUPS`.

    Chalcogenides have sulphur, selenium or tellurium and no oxygen; intermetallics have metals only, and at least two.

    Args:
        counts: Number of atoms of each element (`element_counts`).
    """
    present = counts > 0
    kinds = present.sum(1)
    oxygen, hydrogen, halogen, chalcogen = (
        present[:, list(z)].any(1) for z in (_OXYGEN, _HYDROGEN, _HALOGENS, _CHALCOGENS)
    )
    metals = ~(present & ~torch.from_numpy(_metals()).to(counts.device)).any(1)
    return torch.stack(
        [
            torch.ones_like(oxygen),
            kinds == 1,
            kinds == 2,
            oxygen,
            halogen,
            chalcogen & ~oxygen,
            hydrogen,
            metals & (kinds > 1),
        ],
        dim=1,
    )


@cache
def _metals() -> np.ndarray:
    """Return which atomic numbers are metals, (101,) bool."""
    return np.array([False, *(Element.from_Z(number).is_metal for number in range(1, ELEMENTS + 1))])
