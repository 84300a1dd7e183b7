"""Pooling: from atom vectors to crystal vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from cryskit.types import Graph


def mean_pool(atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
    """Return the mean of the atom vectors of each crystal, weighted with the multiplicity of the nodes.

    Args:
        atoms: The vectors of the nodes.
        graph: The batch.
    """
    weight = graph.multiplicity.to(atoms.dtype)
    total = atoms.new_zeros(graph.crystals).index_add(0, graph.crystal_of_atom, weight)
    share = weight / total[graph.crystal_of_atom]
    pooled = atoms.new_zeros(graph.crystals, atoms.shape[1])
    return pooled.index_add(0, graph.crystal_of_atom, atoms * share[:, None])
