"""Materials graph network (MEGNet; Chen et al. 2019, doi 10.1021/acs.chemmater.9b01294): bonds, atoms and a global state.

    e_ij <- e_ij + phi_e[e'_ij, v'_i, v'_j, u'],   v_i <- v_i + phi_v[<e_ij>_j, v'_i, u'],   u <- u + phi_u[<e>, <v>, u']
    y = phi[set2set(v), set2set(e), u]

Means and set2set (Vinyals et al. 2016, arXiv 1511.06391) weigh every orbit with its multiplicity. Primed are the values
after a block's own layers (the first block has none, for the input's layers precede it); new means are of phi's values.

Deviations: neighbourhoods are smooth within the radius, with weights in every mean (`graphs.smooth`); nodes are orbits of the space group, equal edges are one, maps of v and u are applied before the gather
(`layers.message_passing`), and the state, which begins as two zeros and layers in the paper, begins as a learned vector. phi's
first layer, from 5 times the width to the width, is the encoder's last; the rest belongs to the heads. At a width of 32 there
are 186,928 parameters with 101 elements; matgl has 189,621 with 89 elements, its fixed centres, head and state's layers
included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.layers.attention import Segments, attend, softmax
from cryskit.layers.dense import DenseLayers, glorot, shifted_softplus
from cryskit.layers.inputs import make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import mean_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, NeighbourKind

_LAST = 1.25  # centre of the last Gaussian, in radii
_COUNT = 100  # number of Gaussians
_WIDTH = 0.5  # width of the Gaussians, angstrom
_POINTS = 768  # of the grid of distances
_FEWEST = 1e-6  # mean number of bonds of an atom: less than in any crystal that has a bond, so only 0 / 0 is avoided


@configured
class MEGNet(nn.Module):
    """MEGNet: blocks that update bonds, atoms and a state of the crystal, read out by set2set.

    Args:
        width: Width of the vectors of atoms, bonds and state; hidden layers have twice, element vectors half of it.
        layers: Number of blocks.
        steps: Number of steps of set2set.
        inputs: Input layer: "embedding" (learned, as published), "features" (92 element features), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, counted by weight; not for "radius".
        neighbours: Neighbourhoods: "smooth", or "radius", all atoms within the radius, as published; see `GraphSpec`.

    Attributes:
        needs: The graphs that the encoder reads.
        width: Width of the vectors that it returns.
    """

    def __init__(
        self,
        width: int = 32,
        layers: int = 3,
        steps: int = 2,
        inputs: str | Mapping[str, Any] = "embedding",
        radius: float = 4.0,
        count: int = 12,
        neighbours: NeighbourKind = "smooth",
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width // 2)
        last = _LAST * radius
        self.radial = Gaussians(radius, last / (_COUNT - 1), _POINTS, width=_WIDTH, last=last)
        self.atoms = _dense(width // 2, 2 * width, width)
        self.bonds = _dense(self.radial.feature_count, 2 * width, width)
        self.state = nn.Parameter(torch.randn(width) / 2)
        self.blocks = nn.ModuleList(Block(width, first=index == 0) for index in range(layers))
        self.atom_set, self.bond_set = Set2Set(width, steps), Set2Set(width, steps)
        self.last = _dense(5 * width, width)

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
        bonds = neighbourhoods.interpolate(self.bonds(self.radial.grid))
        atoms = self.atoms(self.inputs(graph.numbers))
        state = self.state.expand(graph.crystals, -1)
        for block in self.blocks:
            bonds, atoms, state = block(bonds, atoms, state, graph, neighbourhoods)
        of_atoms = self.atom_set(atoms, Segments.of_crystals(graph))
        of_bonds = self.bond_set(bonds, Segments.edges_of_crystals(graph, neighbourhoods))
        return Encoding(atoms, self.last(torch.cat([of_atoms, of_bonds, state], dim=1)))


class Block(nn.Module):
    """One update of the bonds, the atoms and the state of each crystal.

    Args:
        width: Width of the vectors of bonds, atoms and state.
        first: Whether this is the first block, which has no layers of its own before the update.
    """

    def __init__(self, width: int, *, first: bool) -> None:
        super().__init__()
        hidden = 2 * width
        own = () if first else (width, hidden, width)
        self.own_bonds, self.own_atoms, self.own_state = (_dense(*own) for _ in range(3))
        self.centre, self.neighbour, self.bond, self.crystal = _split(width, hidden)
        self.bonds = _dense(hidden, hidden, width)
        self.atoms = _dense(3 * width, hidden, hidden, width)
        self.state = _dense(3 * width, hidden, hidden, width)

    def forward(
        self,
        bonds: Float[Tensor, "edges width"],
        atoms: Float[Tensor, "atoms width"],
        state: Float[Tensor, "crystals width"],
        graph: Graph,
        neighbourhoods: Neighbourhoods,
    ) -> tuple[Float[Tensor, "edges width"], Float[Tensor, "atoms width"], Float[Tensor, "crystals width"]]:
        """Return the updated vectors of bonds, atoms and state.

        Args:
            bonds: The vectors e of the edges.
            atoms: The vectors v of the atoms.
            state: The vectors u of the crystals.
            graph: The batch.
            neighbourhoods: The edges.
        """
        e, v, u = self.own_bonds(bonds), self.own_atoms(atoms), self.own_state(state)
        centre = self.centre(v) + self.crystal(u)[graph.crystal_of_atom]
        linear = torch.addmm(neighbourhoods.to_edges(centre, self.neighbour(v)), e, self.bond.weight.t())
        e = self.bonds(shifted_softplus(linear))
        summed, count = neighbourhoods.sum_to_atoms(e), neighbourhoods.neighbour_count[:, None].to(e.dtype)
        v = self.atoms(torch.cat([summed / count.clamp_min(1), v, u[graph.crystal_of_atom]], dim=1))
        pooled = mean_pool(torch.cat([summed, count], dim=1), graph)
        of_bonds = pooled[:, :-1] / pooled[:, -1:].clamp_min(_FEWEST)
        u = self.state(torch.cat([of_bonds, mean_pool(v, graph), u], dim=1))
        return bonds + e, atoms + v, state + u


class Set2Set(nn.Module):
    """Set2set (Vinyals et al. 2016, arXiv 1511.06391): a set as one vector, whatever the order of its members.

    In every step an LSTM makes a query, and attention over the members with this query is its next input.

    Args:
        width: Width of the members.
        steps: Number of steps.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.cell = nn.LSTMCell(2 * width, width)

    def forward(self, members: Float[Tensor, "rows width"], sets: Segments) -> Float[Tensor, "segments twice"]:
        """Return the last query and the attention with it for each set; the latter is zero for an empty set.

        Args:
            members: The vectors of all members.
            sets: The sets as segments of the members.
        """
        query = memory = members.new_zeros(len(sets.counts), members.shape[1])
        both = torch.cat([query, query], dim=1)
        for _ in range(self.steps):
            query, memory = self.cell(both, (query, memory))
            shares = softmax((members * query[sets.segment]).sum(1, keepdim=True), sets)
            both = torch.cat([query, attend(shares, members, sets)], dim=1)
        return both


def _dense(*widths: int) -> DenseLayers:
    return DenseLayers(*widths, activation=shifted_softplus)


def _split(width: int, hidden: int) -> list[nn.Linear]:
    """Return a linear map of [centre, neighbour, bond, crystal] in its four parts; the first has the bias."""
    whole = glorot(nn.Linear(4 * width, hidden))
    parts = [nn.Linear(width, hidden, bias=not index) for index in range(4)]
    with torch.no_grad():
        for part, weight in zip(parts, whole.weight.chunk(4, dim=1), strict=True):
            part.weight.copy_(weight)
        parts[0].bias.zero_()
    return parts
