"""Connectivity-optimised graph network (coGN; Ruff et al. 2024, doi 10.1039/D4DD00018H).

    m_ij = phi_e[e_ij, v_i, v_j],   v_i <- v_i + phi_v(sum_j w_ij m_ij),   y = <v_i>

phi_e has five layers and phi_v one, all swish; e_ij is a linear map of Gaussians of the distance and stays as it is. What the
paper tuned is the graph: the 24 nearest neighbours, and one node for each atom of the asymmetric unit, weighted with its
multiplicity in the mean.

Deviations: neighbourhoods are smooth, with weights w that add up to 24 (`graphs.smooth`), equal edges are one, and the first
layer of phi_e is applied to what it depends on before the gather (`layers.message_passing`). An element is described by its 92 binary features and a
learned vector, where the paper has a learned vector, its mass, radius, electronegativity, ionisation energy and oxidation
states under a linear map. The last linear map belongs to the heads. At 128 x 5 there are 688,256 parameters, 659,200 of them
in the blocks, which is what the sizes in the authors' configuration come to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from cryskit.layers.dense import DenseLayers, glorot
from cryskit.layers.edge_linear import EdgeLinear
from cryskit.layers.inputs import make_input
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import make_pool
from cryskit.layers.radial import Gaussians
from cryskit.registry import configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, NeighbourKind

_STEP = 0.25  # angstrom, between the centres of 32 Gaussians over 8 angstrom
_SIGMA = 0.5  # angstrom: as in the paper, the square root of the step
_POINTS = 1200


@configured
class CoGN(nn.Module):
    """coGN: message passing with deep edge functions over the 24 nearest neighbours, and the mean over atoms.

    Args:
        width: Width of the vectors of atoms, edges and crystals.
        layers: Number of blocks of message passing.
        depth: Number of layers of the edge function phi_e.
        inputs: Input layer: "features" (92 element features), "embedding" (learned), "both" or "selector"; see
            `layers.inputs`.
        radius: Largest distance of a neighbour, in angstrom.
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
        depth: int = 5,
        inputs: str | Mapping[str, Any] = "both",
        radius: float = 8.0,
        count: int = 24,
        neighbours: NeighbourKind = "smooth",
        pool: str = "mean",
    ) -> None:
        super().__init__()
        self.needs = self.needs_of(radius=radius, count=count, neighbours=neighbours)
        self.width = width
        self.inputs = make_input(inputs, width)
        self.pool = make_pool(pool, width)
        self.radial = Gaussians(radius, _STEP, _POINTS, width=2**0.5 * _SIGMA, first=_STEP)
        self.bonds = glorot(nn.Linear(self.radial.feature_count, width))
        self.blocks = nn.ModuleList(Block(width, depth) for _ in range(layers))

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
        bonds = self.bonds(self.radial.grid)
        atoms = self.inputs(graph.numbers)
        for block in self.blocks:
            atoms = block(atoms, bonds, neighbourhoods)
        return Encoding(atoms, self.pool(atoms, graph))


class Block(nn.Module):
    """One block of message passing.

    Args:
        width: Width of the vectors of atoms and edges.
        depth: Number of layers of the edge function phi_e.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.joint = EdgeLinear(width, width, width)
        self.edge = DenseLayers(*[width] * depth, activation=silu)
        self.atom = DenseLayers(width, width, activation=silu)

    def forward(
        self, atoms: Float[Tensor, "atoms width"], bonds: Float[Tensor, "grid width"], neighbourhoods: Neighbourhoods
    ) -> Float[Tensor, "atoms width"]:
        """Return the updated atom vectors.

        Args:
            atoms: The vectors v of the atoms.
            bonds: The vectors e on the grid of distances.
            neighbourhoods: The edges.
        """
        messages = self.edge(silu(self.joint(atoms, bonds, neighbourhoods)))
        updated: Tensor = atoms + self.atom(neighbourhoods.sum_to_atoms(messages))
        return updated
