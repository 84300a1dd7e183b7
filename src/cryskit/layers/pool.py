"""Pooling: from atom vectors to crystal vectors, weighted with the multiplicity of the nodes.

    mean:      y = <v>
    mean_max:  y = (<v> + max_i v_i) / 2
    softmax:   y_k = sum_i a_ik v_ik,   a_ik ~ exp(b_k v_ik),   b learned

What an extreme atom decides, such as the highest phonon frequency, a mean over atoms dilutes. The inverse temperatures b start
at zero, where the softmax is the mean; as b grows it goes to the maximum, as a differentiable function all the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.layers.attention import Segments, softmax
from cryskit.registry import Registry

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


def max_pool(atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
    """Return the largest value of each component among the atoms of each crystal.

    Args:
        atoms: The vectors of the nodes.
        graph: The batch.
    """
    crystal = graph.crystal_of_atom[:, None].expand_as(atoms)
    lowest = atoms.new_full((graph.crystals, atoms.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, crystal, atoms, "amax")


class MeanPool(nn.Module):
    """The mean over atoms.

    Args:
        width: Width of the atom vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal.

        Args:
            atoms: The vectors of the nodes.
            graph: The batch.
        """
        return mean_pool(atoms, graph)


class MeanMaxPool(MeanPool):
    """Half the mean and half the maximum over atoms, component by component.

    Args:
        width: Width of the atom vectors.
    """

    def forward(self, atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal.

        Args:
            atoms: The vectors of the nodes.
            graph: The batch.
        """
        return (mean_pool(atoms, graph) + max_pool(atoms, graph)) / 2


class SoftmaxPool(nn.Module):
    """A mean over atoms in which, for each component, atoms weigh by its size, as far as the network learns that they should.

    Args:
        width: Width of the atom vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inverse_temperature = nn.Parameter(torch.zeros(width))

    def forward(self, atoms: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal.

        Args:
            atoms: The vectors of the nodes.
            graph: The batch.
        """
        shares = softmax(self.inverse_temperature * atoms, Segments.of_crystals(graph))
        weighted = atoms * shares * graph.multiplicity[:, None].to(atoms.dtype)
        return atoms.new_zeros(graph.crystals, atoms.shape[1]).index_add(0, graph.crystal_of_atom, weighted)


POOLS = Registry(
    "pooling",
    {
        "mean": "cryskit.layers.pool:MeanPool",
        "mean_max": "cryskit.layers.pool:MeanMaxPool",
        "softmax": "cryskit.layers.pool:SoftmaxPool",
    },
)


def make_pool(name: str, width: int) -> nn.Module:
    """Return a new pooling layer.

    Args:
        name: Name of the layer: "mean", "mean_max" or "softmax".
        width: Width of the atom vectors.

    Raises:
        UnknownNameError: There is no such pooling.
    """
    made: nn.Module = POOLS[name](width)
    return made
