"""Global attention graph neural network (Louis et al. 2020, doi 10.1039/D0CP01474E), attention by composition.

    z_ij = softplus(W [x_i, e_ij]),   z_ji = softplus(W [x_j, e_ij])                    in every head
    a_ij = softmax_j(softplus(BN(softplus(a . [z_ij, z_ji])))),   x_i <- softplus(BN(mean over heads of sum_j a_ij z_ji))
    g_i = softmax_i(w . softplus(W' [x_i, c])),   y = sum_i g_i x_i

e_ij is the leaky, linear map of the Gaussians of a distance; c are the shares of the elements in the crystal.

Deviations: neighbourhoods are smooth, with weights in the attention (`graphs.smooth`), nodes are orbits of the space group,
equal edges are one, and W is applied to what it depends on before the gather (`layers.message_passing`). The biases behind the mean over heads and of the
last score are left out, for the norm and the softmax that follow cancel them. The two layers behind y belong to the prediction
heads. At 64 x 3 with 4 heads there are 114,232 parameters; the authors' program has 134,154, of which it uses 122,874, its
read-out's 8,385 included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from cryskit.layers.attention import Segments, attend, softmax
from cryskit.layers.inputs import ElementEmbedding, make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.norm import BatchNorm
from cryskit.layers.pool import mean_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, NeighbourKind

_SLOPE = 0.2


@configured
class GATGNN(nn.Module):
    """GATGNN: attention over the edges of each atom, then over the atoms of each crystal by its composition.

    Args:
        width: Width of the vectors of atoms and crystals, and of each head.
        layers: Number of layers of attention over edges.
        heads: Number of attention heads of each of these layers.
        inputs: Input layer: "features" (92 element features, as published), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, counted by weight.
        neighbours: Neighbourhoods: "smooth", or "nearest", by whole shells as in published networks; see `GraphSpec`.

    Attributes:
        needs: The graphs that the encoder reads.
        width: Width of the vectors that it returns.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 3,
        heads: int = 4,
        inputs: str | Mapping[str, Any] = "features",
        radius: float = 8.0,
        count: int = 12,
        neighbours: NeighbourKind = "smooth",
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.radial = Gaussians(radius)
        self.bonds = nn.Linear(self.radial.feature_count, width)
        self.layers = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.composition = Composition(width)

    @staticmethod
    def needs_of(radius: float, count: int, neighbours: NeighbourKind, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(neighbours=neighbours, radius=radius, count=count)

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says.
        """
        neighbourhoods = Neighbourhoods(graph, self.radial.radius, self.radial.points, Edges.distinct(graph))
        bonds = leaky_relu(self.bonds(self.radial.grid), _SLOPE)
        atoms = self.inputs(graph.numbers)
        edges, nodes = Segments.of_atoms(neighbourhoods), Segments.of_crystals(graph)
        for layer in self.layers:
            atoms = layer(atoms, bonds, neighbourhoods, edges)
        return Encoding(atoms, attend(self.composition(atoms, graph, nodes), atoms, nodes))


class Attention(nn.Module):
    """One layer of attention over the edges of each atom.

    Args:
        width: Width of the atom vectors and of each head.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.atom = nn.Parameter(torch.empty(heads * width, width))
        self.bond = nn.Parameter(torch.empty(heads * width, width))
        self.scores = nn.Parameter(torch.empty(2, heads, width))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)
        self.score_norm = BatchNorm(heads)
        self.norm = BatchNorm(width)

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        bonds: Float[Tensor, "grid width"],
        neighbourhoods: Neighbourhoods,
        edges: Segments,
    ) -> Float[Tensor, "atoms width"]:
        """Return the updated atom vectors.

        Args:
            atoms: The vectors x of the atoms.
            bonds: The vectors e on the grid of distances.
            neighbourhoods: The edges.
            edges: The same edges as segments, one for each atom.
        """
        own, other = softplus(neighbourhoods.ends(atoms @ self.atom.t(), bonds @ self.bond.t())).unbind()
        scores = sum(end @ torch.block_diag(*by).t() for end, by in zip((own, other), self.scores, strict=True))
        shares = softmax(softplus(self.score_norm(softplus(scores))), edges)
        return softplus(self.norm(attend(shares / shares.shape[1], other, edges)))


class Composition(nn.Module):
    """Attention over the atoms of each crystal, by their vectors and by the composition of the crystal.

    Args:
        width: Width of the atom vectors.
        hidden: Width of the hidden layer of the score.
    """

    def __init__(self, width: int, hidden: int = 32) -> None:
        super().__init__()
        self.atom = nn.Linear(width, hidden)
        self.elements = ElementEmbedding(hidden)
        nn.init.uniform_(self.elements.weight, -(width**-0.5), width**-0.5)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, atoms: Float[Tensor, "atoms width"], graph: Graph, nodes: Segments) -> Float[Tensor, "atoms 1"]:
        """Return the share g of each atom in the vector of its crystal.

        Args:
            atoms: The vectors x of the atoms.
            graph: The batch.
            nodes: The atoms as segments, one for each crystal.
        """
        # The map of the shares of the elements is the mean over the atoms of the columns of their elements.
        composition = mean_pool(self.elements(graph.numbers), graph)
        hidden = softplus(self.atom(atoms) + composition[graph.crystal_of_atom])
        return softmax(self.score(hidden), nodes)
