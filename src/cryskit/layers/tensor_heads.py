"""Heads for tensor properties, exact in the symmetry of the crystal, on the atom vectors of any encoder.

    q_i,lm = sum_j w_ij m_ij Y_lm(r_ij),          m_ij = gate(v_i, v_j, d_ij)
    t_lm   = P_l <a_i q_i,lm [+ sum_l1,l2 b_i C(l1, l2, l) q_i,l1 q_i,l2]>
    T      = exp(sum_l sum_k c_lk E_lk),           c_0k = MLP(y),   c_lk = W_k t_l,   l > 0

The sums of harmonics turn with the crystal, and so do their products under the coefficients C of Clebsch and Gordan; a, b and W are numbers
that turn nothing. Products (in brackets) are left out unless asked for, but where one sum cannot have the parity of a part. P projects on what the point group leaves unchanged (`layers.projection`), which also turns an orbit's sum to
its atoms. E is an orthonormal basis of the tensors (`layers.tensor_basis`). Elastic and dielectric tensors are the matrix exponential
in Mandel's notation, which commutes with rotations: positive definite always. Piezoelectric tensors are the sum itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import glu

from cryskit.errors import PlanError
from cryskit.layers.harmonics import OrderParameters
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import mean_pool
from cryskit.layers.projection import Projection
from cryskit.layers.radial import Gaussians
from cryskit.layers.tensor_basis import IRREPS, coupling, pairs_for
from cryskit.layers.tensor_outputs import TensorOutputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.types import Encoding, Graph, GraphSpec, Property

    Moments = Float[Tensor, "24 atoms channels"]

_MOMENT = 0.2  # the size of a sum over about twelve neighbours is brought to about 1


class TensorHeads(TensorOutputs):
    """Tensors, and numbers that follow from them, of the atom and crystal vectors of an encoder and the directions of bonds.

    Args:
        width: Width of the atom and crystal vectors.
        properties: Tensor properties, and scalars that follow from them.
        channels: Number of channels of a message that are weights of bond directions.
        hidden: Width of the hidden layer of the isotropic parts.
        radius: Largest distance of a neighbour, in angstrom.
        products: Whether products of two sums of harmonics are used where one sum is enough, too.

    Raises:
        PlanError: There is no tensor, or a scalar that does not follow from one.
    """

    def __init__(
        self,
        width: int,
        properties: Sequence[Property],
        channels: int = 16,
        hidden: int = 64,
        radius: float = 8.0,
        *,
        products: bool = False,
    ) -> None:
        super().__init__(properties)
        self.norm = nn.LayerNorm(width)
        self.radial = Gaussians(radius)
        self.centre = nn.Linear(width, 2 * channels)
        self.neighbour = nn.Linear(width, 2 * channels, bias=False)
        self.bond = nn.Linear(self.radial.feature_count, 2 * channels, bias=False)
        nn.init.normal_(self.bond.weight, std=0.5)  # as in `encoders.steinhardt`
        self.projection = Projection()
        self.parts = nn.ModuleDict()
        for wanted in self.tensor_properties:
            count = Counter(IRREPS[wanted.symmetry])
            self.parts[wanted.name] = nn.ModuleList(
                _Part(width, channels, key, number, products=products) if key[0] else _Isotropic(width, hidden, number)
                for key, number in count.items()
            )

    def needs(self, spec: GraphSpec) -> GraphSpec:
        """Return the graph that the heads need on an encoder that needs `spec`."""
        return replace(spec, point_group=True)

    def of(self, encoding: Encoding, graph: Graph) -> Float[Tensor, "crystals learned"]:
        """Return the standardised coordinates of every tensor, one tensor after the other.

        Args:
            encoding: What the encoder gives for the graph.
            graph: The batch.
        """
        moments = self._moments(encoding, graph)
        projectors = self.projection(_point_group(graph))
        found = [
            part(encoding, moments, projectors, graph) for parts in self.parts.values() for part in _modules(parts)
        ]
        return torch.cat(found, dim=1)

    def _moments(self, encoding: Encoding, graph: Graph) -> Moments:
        x, edges = self.norm(encoding.atoms), Edges.distinct(graph)
        neighbourhoods = Neighbourhoods(graph, self.radial.radius, self.radial.points, edges)
        z = neighbourhoods.to_edges(self.centre(x), self.neighbour(x), self.bond(self.radial.grid))
        return OrderParameters(graph, edges).moments(glu(z) * _MOMENT)


class _Isotropic(nn.Module):
    """The isotropic parts of a tensor, of the crystal vector alone.

    Args:
        width: Width of the crystal vectors.
        hidden: Width of the hidden layer.
        number: Number of isotropic parts.
    """

    def __init__(self, width: int, hidden: int, number: int) -> None:
        super().__init__()
        self.perceptrons = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, 1)) for _ in range(number)
        )

    def forward(
        self, encoding: Encoding, _moments: Moments, _projectors: Mapping[tuple[int, int], Tensor], _graph: Graph
    ) -> Float[Tensor, "crystals number"]:
        """Return the standardised coordinates."""
        return torch.cat([perceptron(encoding.crystals) for perceptron in self.perceptrons], dim=1)


class _Part(nn.Module):
    """The parts of a tensor that have one degree and parity.

    Args:
        width: Width of the atom and crystal vectors.
        channels: Number of channels of the sums of harmonics.
        key: Degree l, from 1, and parity, 1 or -1.
        number: Number of such parts in the tensor.
        products: Whether products are used where one sum of harmonics is enough, too.
    """

    def __init__(self, width: int, channels: int, key: tuple[int, int], number: int, *, products: bool) -> None:
        super().__init__()
        self.key = degree, parity = key
        self.natural = parity == (-1) ** degree
        self.pairs = pairs_for(degree, parity) if products or not self.natural else []
        for first, second in self.pairs:
            coefficients = torch.from_numpy(coupling(first, second, degree)).float()
            self.register_buffer(f"coupling_{first}_{second}", coefficients, persistent=False)
        features = channels * (len(self.pairs) + self.natural)
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, features)
        self.mix = nn.Parameter(torch.randn(features, number) / features**0.5)

    def forward(
        self, encoding: Encoding, moments: Moments, projectors: Mapping[tuple[int, int], Tensor], graph: Graph
    ) -> Float[Tensor, "crystals coordinates"]:
        """Return the standardised coordinates, those of one part after those of the other."""
        features = self._features(moments) * self.gate(self.norm(encoding.atoms))[:, None]
        pooled = mean_pool(features.flatten(1), graph).unflatten(1, features.shape[1:])
        projected = projectors[self.key] @ pooled
        coordinates: Tensor = (projected @ self.mix).mT.flatten(1)
        return coordinates

    def _features(self, moments: Moments) -> Float[Tensor, "atoms components features"]:
        """Return the sums of harmonics of this degree and the products of two sums that have it."""
        by_degree = dict(enumerate(moments.split([3, 5, 7, 9]), 1))
        found = [by_degree[self.key[0]].transpose(0, 1)] if self.natural else []
        for first, second in self.pairs:
            coefficients = getattr(self, f"coupling_{first}_{second}")
            found.append(torch.einsum("anc,bnc,abm->nmc", by_degree[first], by_degree[second], coefficients))
        return torch.cat(found, dim=2)


def _point_group(graph: Graph) -> Tensor:
    if graph.point_group is None:
        raise PlanError("The graph has no point group, which tensors need", "Build it as `TensorHeads.needs` says")
    return graph.point_group


def _modules(parts: nn.Module) -> list[nn.Module]:
    return list(parts.children())
