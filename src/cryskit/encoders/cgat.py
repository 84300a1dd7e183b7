"""Crystal graph attention network (Schmidt et al. 2021, doi 10.1126/sciadv.abi7948): the rank of a neighbour, no distance.

    a_ij^h = softmax_j(FCNN_a^h[v_i, e_ij, v_j]),   v_i <- v_i + FCNN(mean_h sum_j a_ij^h FCNN_m^h[v_i, e_ij, v_j])
    e_r <- e_r + FCNN(e_r),   y = mean_h sum_i softmax_i(FCNN_a^h[v_i, c]) FCNN_m^h(v_i)

e_ij is learned for the rank r of the shell that j is in around i; c is ROOST's vector of the composition (Goodall and Lee
2020, doi 10.1038/s41467-020-19964-7). In a smooth neighbourhood (`graphs.smooth`) the rank is the number of nearer neighbours by
weight, those at nearly the same distance in part, and e is interpolated between ranks, so that it is continuous. As no
distance enters, a uniform strain changes nothing.

Deviations: neighbours within 1e-3 angstrom share a rank, neighbourhoods are smooth or whole shells, nodes are orbits of the space group,
equal edges are one, maps are applied to what they depend on before the gather, and SiLU stands for leaky ReLU. An ordinary
perceptron stands for the hypernetwork that makes the weights of an update. The edges' update is that of the authors' program
at its defaults: a function of e alone. An element is described by 92 binary features, not by 200 Matscholar features. The
attention is scalar, and the crystal the mean over heads. At 128 x 5 with 5 heads there are 6,943,107 parameters; the count of
the original, most of it in the hypernetworks, is not published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu

from cryskit.graphs.smooth import smoothstep
from cryskit.layers.attention import Segments, attend, softmax
from cryskit.layers.edge_linear import EdgeLinear
from cryskit.layers.inputs import make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, NeighbourKind

_SOFT = 0.05  # relative difference in distance over which one neighbour comes to be counted as nearer than another
_SHELL = 1e-3  # angstrom: neighbours that are nearer to one another in distance share a rank
_ELEMENTS = 128  # more than there are


@configured
class CGAT(nn.Module):
    """CGAT: attention over neighbours ranked by distance, then over the atoms of each crystal by its composition.

    Args:
        width: Width of the vectors of atoms, edges and crystals.
        layers: Number of layers of attention over neighbours.
        heads: Number of attention heads of each of these layers and of the read-out.
        context: Number of layers of ROOST's attention over the elements of a composition.
        inputs: Input layer: "features" (92 element features), "embedding" (learned), "both" or "selector"; see
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
        width: int = 128,
        layers: int = 5,
        heads: int = 5,
        context: int = 3,
        inputs: str | Mapping[str, Any] = "features",
        radius: float = 18.0,
        count: int = 24,
        neighbours: NeighbourKind = "smooth",
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.ranks = nn.Embedding(max(count, 2), width)
        self.layers = nn.ModuleList(Attention(width, heads, last=index == layers - 1) for index in range(layers))
        self.composition = Composition(width, context)
        self.pool = Pool(width, heads)

    @staticmethod
    def needs_of(radius: float, count: int, neighbours: NeighbourKind, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(neighbours=neighbours, radius=radius, count=count)

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says.
        """
        last = self.ranks.num_embeddings - 1
        rank = shell_ranks if graph.weight is None else soft_ranks
        neighbourhoods = Neighbourhoods(graph, float(last), last + 1, rank(Edges.distinct(graph), last))
        edges, ranks = Segments.of_atoms(neighbourhoods), self.ranks.weight
        elements = atoms = self.inputs(graph.numbers)
        for layer in self.layers:
            atoms, ranks = layer(atoms, ranks, neighbourhoods, edges)
        return Encoding(atoms, self.pool(atoms, self.composition(elements, graph), graph))


def soft_ranks(edges: Edges, last: int) -> Edges:
    """Return the edges with the number of nearer neighbours of the same atom, by weight, in place of their length.

    Neighbours at the same distance count half; one counts fully as nearer if it is so by 5 %.

    Args:
        edges: The edges of smooth neighbourhoods, with lengths in angstrom.
        last: The highest rank, which all further neighbours share.
    """
    centre, length, weight = edges.centre, edges.length, edges.multiplicity
    degree = torch.bincount(centre, minlength=1)
    place = torch.arange(len(centre), device=centre.device) - (degree.cumsum(0) - degree)[centre]
    lengths = length.new_full((len(degree), int(degree.max())), torch.inf)
    lengths[centre, place] = length
    weights = torch.zeros_like(lengths)
    weights[centre, place] = torch.ones_like(length) if weight is None else weight
    t = ((length[:, None] - lengths[centre]) / (2 * _SOFT * length[:, None]) + 0.5).clamp(0, 1)
    return edges._replace(length=(smoothstep(t) * weights[centre]).sum(1).clamp_max(last))


def shell_ranks(edges: Edges, last: int) -> Edges:
    """Return the edges with the rank of the neighbour's shell, 0 for the nearest shell, in place of their length.

    Args:
        edges: The edges, with lengths in angstrom.
        last: The highest rank, which all further shells share.
    """
    order = torch.argsort(edges.length, stable=True)
    order = order[torch.argsort(edges.centre[order], stable=True)]
    centre, length = edges.centre[order], edges.length[order]
    further = (length[1:] - length[:-1] > _SHELL) & (centre[1:] == centre[:-1])
    steps = torch.cat([further.new_zeros(min(len(order), 1)), further]).long().cumsum(0)
    degree = torch.bincount(centre, minlength=1)
    first = (degree.cumsum(0) - degree)[centre]
    rank = torch.empty_like(edges.length)
    rank[order] = (steps - steps[first]).clamp_max(last).to(rank.dtype)
    return edges._replace(length=rank)


class Perceptron(nn.Sequential):
    """A perceptron with one hidden layer.

    Args:
        inputs: Width of the input.
        hidden: Width of the hidden layer.
        outputs: Width of the output. An output of width 1 is a score and has no bias, which a softmax would cancel.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs, bias=outputs > 1))


class Attention(nn.Module):
    """One layer of attention over the neighbours of each atom, and the update of the vectors of ranks.

    Args:
        width: Width of the vectors of atoms and ranks.
        heads: Number of attention heads.
        last: Whether this is the last layer, which updates no ranks.
    """

    def __init__(self, width: int, heads: int, *, last: bool) -> None:
        super().__init__()
        self.heads, hidden = heads, 2 * width  # two thirds of the width of the input
        # The hidden layers of the scores and of the messages; their names are those of the tensors in model files.
        self.asked = EdgeLinear(width, width, heads * hidden)
        self.told = EdgeLinear(width, width, heads * hidden)
        self.scores = nn.Parameter(torch.randn(heads, hidden) / hidden**0.5)
        self.messages = nn.ModuleList(nn.Linear(hidden, width) for _ in range(heads))
        self.update = Perceptron(width, width, width)
        self.ranks = None if last else Perceptron(width, width, width)

    def forward(
        self,
        atoms: Float[Tensor, "atoms width"],
        ranks: Float[Tensor, "grid width"],
        neighbourhoods: Neighbourhoods,
        edges: Segments,
    ) -> tuple[Float[Tensor, "atoms width"], Float[Tensor, "grid width"]]:
        """Return the updated vectors of atoms and ranks.

        Args:
            atoms: The vectors v of the atoms.
            ranks: The vectors e of the ranks.
            neighbourhoods: The edges, with ranks in place of lengths.
            edges: The same edges as segments, one for each atom.
        """
        of_scores = silu(self.asked(atoms, ranks, neighbourhoods)).unflatten(1, self.scores.shape)
        shares = softmax((of_scores * self.scores).sum(2), edges)
        of_messages = silu(self.told(atoms, ranks, neighbourhoods)).chunk(self.heads, dim=1)
        # Shares add up to one, so a linear map of the messages is applied to their mean, the bias included; they add up to less,
        # and so must the bias, at an atom with less than one neighbour by weight.
        present = neighbourhoods.neighbour_count.clamp_max(1)[:, None]
        received = sum(
            linear(attend(shares[:, [head]], of_messages[head].contiguous(), edges))
            - (1 - present) * linear.get_parameter("bias")
            for head, linear in enumerate(self.messages)
        )
        return atoms + self.update(received / self.heads), ranks if self.ranks is None else ranks + self.ranks(ranks)


class Composition(nn.Module):
    """ROOST (Goodall and Lee 2020, doi 10.1038/s41467-020-19964-7): the vector of a composition.

    The elements of each crystal attend to one another, weighted with their shares of the composition, and are pooled.

    Args:
        width: Width of the vectors of elements and compositions.
        layers: Number of layers of attention.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(width, width - 1)
        self.layers = nn.ModuleList(Message(width) for _ in range(layers))
        self.score = Perceptron(width, 2 * width, 1)
        self.power = nn.Parameter(torch.ones(1))

    def forward(self, vectors: Float[Tensor, "atoms width"], graph: Graph) -> Float[Tensor, "crystals width"]:
        """Return the vector of each composition.

        Args:
            vectors: The input vector of each atom, which depends on its element only.
            graph: The batch.
        """
        keys, kind = torch.unique(graph.crystal_of_atom * _ELEMENTS + graph.numbers, return_inverse=True)
        crystal = keys.div(_ELEMENTS, rounding_mode="floor")
        counts = torch.bincount(crystal, minlength=graph.crystals)
        multiplicity = graph.multiplicity.to(vectors.dtype)
        amount = multiplicity.new_zeros(len(keys)).index_add(0, kind, multiplicity)
        share = (amount / amount.new_zeros(graph.crystals).index_add(0, crystal, amount)[crystal])[:, None]
        mean = vectors.new_zeros(len(keys), vectors.shape[1]).index_add(0, kind, vectors * multiplicity[:, None])
        elements = torch.cat([self.embedding(mean / amount[:, None]), share], dim=1)
        centre, other = others(crystal, counts)
        pairs = Segments(centre, torch.bincount(centre, minlength=len(keys)), None)
        for layer in self.layers:
            elements = layer(elements, share, centre, other, pairs)
        whole = Segments(crystal, counts, None)
        return attend(softmax(self.score(elements) + self.power * share.log(), whole), elements, whole)


def others(crystal: Int[Tensor, " elements"], counts: Int[Tensor, " crystals"]) -> tuple[Tensor, Tensor]:
    """Return all ordered pairs of different elements of each crystal; a lone element is paired with itself.

    Args:
        crystal: The crystal of each element, sorted.
        counts: The number of elements of each crystal.

    Returns:
        The first and the second element of each pair, (pairs,) int64 each.
    """
    each = counts[crystal]
    start = (counts.cumsum(0) - counts)[crystal]
    centre = torch.repeat_interleave(torch.arange(len(crystal), device=crystal.device), each)
    first = each.cumsum(0) - each
    other = torch.arange(len(centre), device=crystal.device) - first[centre] + start[centre]
    kept = (centre != other) | (each[centre] == 1)
    return centre[kept], other[kept]


class Message(nn.Module):
    """One layer of ROOST: attention of each element over the other elements of its crystal.

    Args:
        width: Width of the vectors of elements.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score, self.message = Perceptron(2 * width, 2 * width, 1), Perceptron(2 * width, 2 * width, width)
        self.power = nn.Parameter(torch.ones(1))

    def forward(
        self,
        elements: Float[Tensor, "elements width"],
        share: Float[Tensor, "elements 1"],
        centre: Int[Tensor, " pairs"],
        other: Int[Tensor, " pairs"],
        pairs: Segments,
    ) -> Float[Tensor, "elements width"]:
        """Return the updated vectors of elements.

        Args:
            elements: The vectors of the elements.
            share: The share of each element in its composition, 0 to 1.
            centre: The element of each pair that receives.
            other: The element of each pair that sends.
            pairs: The pairs as segments, one for each receiving element.
        """
        both = torch.cat([elements[centre], elements[other]], dim=1)
        shares = softmax(self.score(both) + self.power * share[other].log(), pairs)
        return elements + attend(shares, self.message(both), pairs)


class Pool(nn.Module):
    """Attention over the atoms of each crystal by its composition, the mean over several heads.

    Args:
        width: Width of the vectors of atoms, compositions and crystals.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(Perceptron(2 * width, width, 1) for _ in range(heads))
        self.values = nn.ModuleList(Perceptron(width, width, width) for _ in range(heads))

    def forward(
        self, atoms: Float[Tensor, "atoms width"], context: Float[Tensor, "crystals width"], graph: Graph
    ) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal.

        Args:
            atoms: The vectors v of the atoms.
            context: The vectors c of the compositions.
            graph: The batch.
        """
        nodes = Segments.of_crystals(graph)
        both = torch.cat([atoms, context[graph.crystal_of_atom]], dim=1)
        shares = softmax(torch.cat([score(both) for score in self.scores], dim=1), nodes)
        return attend(shares / len(self.values), torch.cat([value(atoms) for value in self.values], dim=1), nodes)
