"""Periodic graph transformer (Matformer; Yan et al. 2022, arXiv 2209.11807).

    a_ij = [q_i, q_i, q_i] * [k_i, k_j, e_ij] / sqrt(3 d)
    m_ij = LN(W'(sigmoid(LN(a_ij)) * W [v_i, v_j, e_ij])),   x_i <- U x_i + silu(BN(W'' [sum_j w_ij m_ij of all heads]))

q, k and v are linear maps of x in every head, e one of the perceptron of a distance. Besides its neighbours every atom has
six edges to itself: its images under translations, through which the periodicity of the crystal enters.

Deviations: the translations are not the vectors a, b, c, a + b, a + c, b + c of the cell that a file happens to have, but
the shortest of the same classes of translations (`graphs.translations`), so that another cell or a supercell changes
nothing; neighbourhoods are smooth, with weights w (`graphs.smooth`), edges have one direction, nodes are orbits of the space group, equal edges are one,
and W is applied to v before the gather. The two layers behind the mean belong to the heads. At 128 x 5 with 4 heads there
are 2,765,568 parameters; the authors' program has 2.88 million, of which it leaves 97,792 unused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from cryskit.layers.inputs import make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.norm import BatchNorm
from cryskit.layers.pool import make_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, NeighbourKind

_GAUSSIANS = 128


@configured
class Matformer(nn.Module):
    """Matformer: gated attention over neighbours and over periodic images of the atom itself.

    Args:
        width: Width of the vectors of atoms and crystals, and of each head.
        layers: Number of layers of attention.
        heads: Number of attention heads of each layer.
        inputs: Input layer: "features" (92 element features, as published), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour and centre of the last Gaussian, in angstrom.
        count: Number of neighbours of an atom, counted by weight.
        neighbours: Neighbourhoods: "smooth", or "nearest", by whole shells as in published networks; see `GraphSpec`.
        pool: Pooling over atoms: "mean", "mean_max" or "softmax"; see `layers.pool`.

    Attributes:
        needs: The graphs that the encoder reads.
        width: Width of the vectors that it returns.
    """

    def __init__(
        self,
        width: int = 128,
        layers: int = 5,
        heads: int = 4,
        inputs: str | Mapping[str, Any] = "features",
        radius: float = 8.0,
        count: int = 12,
        neighbours: NeighbourKind = "smooth",
        pool: str = "mean",
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.pool = make_pool(pool, width)
        step = radius / (_GAUSSIANS - 1)
        self.radial = Gaussians(radius, step, width=step**0.5)
        self.bonds = nn.Sequential(nn.Linear(self.radial.feature_count, width), nn.Softplus(), nn.Linear(width, width))
        self.layers = nn.ModuleList(Attention(width, heads) for _ in range(layers))

    @staticmethod
    def needs_of(radius: float, count: int, neighbours: NeighbourKind, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(neighbours=neighbours, radius=radius, count=count, translations=True)

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says.
        """
        edges = with_translations(Edges.distinct(graph), graph)
        neighbourhoods = Neighbourhoods(graph, self.radial.radius, 2, edges)
        bonds = self.bonds(self.radial.evaluate(edges.length))
        atoms = self.inputs(graph.numbers)
        for layer in self.layers:
            atoms = layer(atoms, bonds, neighbourhoods)
        return Encoding(atoms, self.pool(atoms, graph))


def with_translations(edges: Edges, graph: Graph) -> Edges:
    """Return the edges and those from every atom to its own images under the shortest translations, sorted by centre.

    Args:
        edges: The edges that carry messages.
        graph: The batch, built with `GraphSpec.translations`.
    """
    if graph.translations is None:
        raise ValueError("The graph has no translations; build it with the encoder's own spec")
    lengths = graph.translations.to(edges.length.dtype)[graph.crystal_of_atom]
    own = torch.arange(graph.atoms, device=lengths.device).repeat_interleave(lengths.shape[1])
    ones = edges.length.new_ones(len(edges.centre))
    multiplicity = ones if edges.multiplicity is None else edges.multiplicity
    centre = torch.cat([edges.centre, own])
    order = torch.argsort(centre, stable=True)
    neighbour = torch.cat([edges.neighbour, own])[order]
    length = torch.cat([edges.length, lengths.flatten()])[order]
    return Edges(centre[order], neighbour, length, torch.cat([multiplicity, ones.new_ones(len(own))])[order])


class Attention(nn.Module):
    """One layer of gated attention over the edges of each atom.

    Args:
        width: Width of the atom vectors and of each head.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, heads * width) for _ in range(3))
        self.bond = nn.Linear(width, heads * width, bias=False)
        self.mixed = nn.Linear(3 * width, 3 * width)
        self.score_norm = nn.LayerNorm(3 * width)
        self.message, self.message_norm = nn.Linear(3 * width, width), nn.LayerNorm(width)
        self.joined = nn.Linear(heads * width, width, bias=False)  # the norm that follows cancels a bias
        self.norm = BatchNorm(width)
        self.kept = nn.Linear(width, width)

    def forward(
        self, atoms: Float[Tensor, "atoms width"], bonds: Float[Tensor, "edges width"], neighbourhoods: Neighbourhoods
    ) -> Float[Tensor, "atoms width"]:
        """Return the updated atom vectors.

        Args:
            atoms: The vectors x of the atoms.
            bonds: The vectors e of the edges.
            neighbourhoods: The edges.
        """
        centre, neighbour = neighbourhoods.edges[:2]
        query, key, value, bond = (
            part.unflatten(1, (self.heads, -1))
            for part in (self.query(atoms), self.key(atoms), self.value(atoms), self.bond(bonds))
        )
        query_of_edge = query[centre]
        scores = torch.cat([(query * key)[centre], query_of_edge * key[neighbour], query_of_edge * bond], dim=2)
        gate = torch.sigmoid(self.score_norm(scores / (3 * atoms.shape[1]) ** 0.5))
        own, other, between = self.mixed.weight.chunk(3, dim=1)
        content = linear(value, own, self.mixed.bias)[centre] + linear(value, other)[neighbour] + linear(bond, between)
        messages = self.message_norm(self.message(gate * content)).flatten(1)
        updated: Tensor = self.kept(atoms) + silu(self.norm(self.joined(neighbourhoods.sum_to_atoms(messages))))
        return updated
