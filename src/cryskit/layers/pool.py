"""From atoms to crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from cryskit.types import Graph


def mean_pool(atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
    """Return the mean over the atoms of each crystal, every node counting as often as its multiplicity."""
    weight = graph.multiplicity.to(atoms.dtype)
    total = atoms.new_zeros(graph.crystals).index_add(0, graph.crystal_of_atom, weight)
    share = weight / total[graph.crystal_of_atom]
    pooled = atoms.new_zeros(graph.crystals, atoms.shape[1])
    return pooled.index_add(0, graph.crystal_of_atom, atoms * share[:, None])
