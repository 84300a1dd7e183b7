"""Materials graph network (Chen et al. 2019, doi 10.1021/acs.chemmater.9b01294): bonds, atoms and a state of the crystal.

    e_ij <- e_ij + phi_e[e'_ij, v'_i, v'_j, u'],   v_i <- v_i + phi_v[<e_ij>_j, v'_i, u'],   u <- u + phi_u[<e>, <v>, u']
    y = phi[set2set(v), set2set(e), u]

Means and set2set (Vinyals et al. 2016, arXiv 1511.06391) weigh every orbit with its multiplicity. Primed are the values
after a block's own layers (the first block has none, for the input's layers precede it); new means are of phi's values.

Deviations: nodes are orbits of the space group, equal edges are one, maps of v and u are applied before the gather
(`layers.message_passing`), and the state, which begins as two zeros and layers in the paper, begins as a learned vector. phi's first
layer, from 5 times the width to the width, is the encoder's last; the rest belongs to the heads. At a width of 32 there are
186,928 parameters with 101 elements; matgl has 189,621 with 89 elements, its fixed centres, head and state's layers included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.layers.attention import Segments, attend, softmax
from cryskit.layers.inputs import make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import mean_pool
from cryskit.layers.radial import Gaussians
from cryskit.layers.stack import Stack, glorot, shifted_softplus
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph

_LAST = 1.25  # of the radius: the last Gaussian
_COUNT = 100  # of Gaussians
_WIDTH = 0.5  # angstrom, of the Gaussians
_POINTS = 768
_FEW = 1e-6  # bonds per atom, fewer than any crystal has that has one


@configured
class MEGNet(nn.Module):
    """MEGNet's blocks and read-out.

    Args:
        width: Of the vectors of atoms, edges and state; the hidden layers have twice, the element vectors half of it.
        layers: Blocks.
        steps: Of set2set.
        inputs: "embedding" (learned, as published), "features" (92 bits), "both" or "selector"; see `layers.inputs`.
        radius: Angstrom, within which atoms are neighbours.
    """

    def __init__(
        self,
        width: int = 32,
        layers: int = 3,
        steps: int = 2,
        inputs: str | Mapping[str, Any] = "embedding",
        radius: float = 4.0,
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius)
        self.width = width
        self.inputs = make_input(inputs, width // 2)
        last = _LAST * radius
        self.radial = Gaussians(radius, last / (_COUNT - 1), _POINTS, width=_WIDTH, last=last)
        self.atoms = _stack(width // 2, 2 * width, width)
        self.bonds = _stack(self.radial.width, 2 * width, width)
        self.state = nn.Parameter(torch.randn(width) / 2)
        self.blocks = nn.ModuleList(Block(width, first=index == 0) for index in range(layers))
        self.atom_set, self.bond_set = Set2Set(width, steps), Set2Set(width, steps)
        self.last = _stack(5 * width, width)

    @staticmethod
    def needs_of(radius: float, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return GraphSpec(neighbours="radius", radius=radius)

    def forward(self, graph: Graph) -> Encoding:
        """Encode a graph."""
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
    """One update of bonds, atoms and state.

    Args:
        width: Of their vectors.
        first: Whether it comes first and has no layers of its own before the update.
    """

    def __init__(self, width: int, *, first: bool) -> None:
        super().__init__()
        hidden = 2 * width
        own = () if first else (width, hidden, width)
        self.own_bonds, self.own_atoms, self.own_state = (_stack(*own) for _ in range(3))
        self.centre, self.neighbour, self.bond, self.crystal = _split(width, hidden)
        self.bonds = _stack(hidden, hidden, width)
        self.atoms = _stack(3 * width, hidden, hidden, width)
        self.state = _stack(3 * width, hidden, hidden, width)

    def forward(
        self,
        bonds: Float[Tensor, "edges width"],
        atoms: Float[Tensor, "atoms width"],
        state: Float[Tensor, "crystals width"],
        graph: Graph,
        neighbourhoods: Neighbourhoods,
    ) -> tuple[Float[Tensor, "edges width"], Float[Tensor, "atoms width"], Float[Tensor, "crystals width"]]:
        """Return the updated vectors."""
        e, v, u = self.own_bonds(bonds), self.own_atoms(atoms), self.own_state(state)
        around = self.centre(v) + self.crystal(u)[graph.crystal_of_atom]
        joint = torch.addmm(neighbourhoods.to_edges(around, self.neighbour(v)), e, self.bond.weight.t())
        e = self.bonds(shifted_softplus(joint))
        summed, count = neighbourhoods.sum_to_atoms(e), neighbourhoods.neighbours[:, None].to(e.dtype)
        v = self.atoms(torch.cat([summed / count.clamp_min(1), v, u[graph.crystal_of_atom]], dim=1))
        in_crystal = mean_pool(torch.cat([summed, count], dim=1), graph)
        of_bonds = in_crystal[:, :-1] / in_crystal[:, -1:].clamp_min(_FEW)
        u = self.state(torch.cat([of_bonds, mean_pool(v, graph), u], dim=1))
        return bonds + e, atoms + v, state + u


class Set2Set(nn.Module):
    """A set as one vector, whatever the order of its members: an LSTM asks, attention answers.

    Args:
        width: Of the members.
        steps: Questions.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.cell = nn.LSTMCell(2 * width, width)

    def forward(self, members: Float[Tensor, "rows width"], sets: Segments) -> Float[Tensor, "segments twice"]:
        """Return the last question and its answer for each set; the answer of an empty set is zero."""
        question = memory = members.new_zeros(len(sets.counts), members.shape[1])
        both = torch.cat([question, question], dim=1)
        for _ in range(self.steps):
            question, memory = self.cell(both, (question, memory))
            shares = softmax((members * question[sets.segment]).sum(1, keepdim=True), sets)
            both = torch.cat([question, attend(shares, members, sets)], dim=1)
        return both


def _stack(*widths: int) -> Stack:
    return Stack(*widths, activation=shifted_softplus)


def _split(width: int, hidden: int) -> list[nn.Linear]:
    """Return a linear map of [centre, neighbour, bond, crystal] in its four parts; the first has the bias."""
    whole = glorot(nn.Linear(4 * width, hidden))
    parts = [nn.Linear(width, hidden, bias=not index) for index in range(4)]
    with torch.no_grad():
        for part, weight in zip(parts, whole.weight.chunk(4, dim=1), strict=True):
            part.weight.copy_(weight)
        parts[0].bias.zero_()
    return parts
