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
from cryskit.layers.heads import Heads
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import mean_pool
from cryskit.layers.projection import Projection
from cryskit.layers.radial import Gaussians
from cryskit.layers.tensor_basis import IRREPS, coupling, pairs_for
from cryskit.layers.tensor_scalars import SCALARS
from cryskit.layers.tensor_scale import TensorScale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.types import Encoding, Graph, GraphSpec, Property

    Moments = Float[Tensor, "24 atoms channels"]

_MOMENT = 0.2  # the size of a sum over about twelve neighbours is brought to about 1


class TensorHeads(Heads):
    """Tensors, and numbers that follow from them, of the atom and crystal vectors of an encoder and the directions of bonds.

    Args:
        width: Width of the atom and crystal vectors.
        properties: Tensor properties, and scalars of `layers.tensor_scalars` whose tensor is among them.
        channels: Number of channels of a message that are weights of bond directions.
        hidden: Width of the hidden layer of the isotropic parts.
        radius: Largest distance of a neighbour, in angstrom.
        products: Whether products of two sums of harmonics are used where one sum is enough, too.

    Attributes:
        properties: The properties in the order of the outputs.
        scales: For each tensor, the change between components and what is learned.
        scalars: The scalars among the properties.
        deviation: (scalars,) standard deviation of each scalar, transformed, in the training rows.

    Raises:
        PlanError: There is no tensor, or a scalar that does not follow from one.
    """

    deviation: Tensor

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
        super().__init__()
        self.properties = tuple(properties)
        require_tensors(self.properties)
        tensors = [wanted for wanted in self.properties if wanted.tensor]
        self.scales = nn.ModuleDict({wanted.name: TensorScale(wanted) for wanted in tensors})
        self.scalars = [wanted for wanted in self.properties if not wanted.tensor]
        self.register_buffer("deviation", torch.ones(len(self.scalars)))
        self.norm = nn.LayerNorm(width)
        self.radial = Gaussians(radius)
        self.centre = nn.Linear(width, 2 * channels)
        self.neighbour = nn.Linear(width, 2 * channels, bias=False)
        self.bond = nn.Linear(self.radial.feature_count, 2 * channels, bias=False)
        nn.init.normal_(self.bond.weight, std=0.5)  # as in `encoders.steinhardt`
        self.projection = Projection()
        self.parts = nn.ModuleDict()
        for wanted in tensors:
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

    def tensors(self, learned: Float[Tensor, "crystals learned"]) -> dict[str, Float[Tensor, "crystals rows columns"]]:
        """Return the tensors in Mandel's notation and physical units, by the name of the property.

        Args:
            learned: The standardised coordinates that `of` returns.
        """
        scales = self._scales()
        parts = learned.split([scale.size for scale in scales.values()], dim=1)
        return {name: scale.tensor(part) for (name, scale), part in zip(scales.items(), parts, strict=True)}

    def physical(self, predictions: Float[Tensor, "crystals learned"]) -> Float[Tensor, "crystals outputs"]:
        """Return the components of tensors in Voigt's notation and the scalars, each in its unit, in the order of the properties.

        Args:
            predictions: The standardised coordinates that `of` returns.
        """
        tensors, scales = self.tensors(predictions), self._scales()
        found = [
            scales[wanted.name].components(tensors[wanted.name])
            if wanted.tensor
            else scalar(wanted.name, tensors)[:, None]
            for wanted in self.properties
        ]
        return torch.cat(found, dim=1)

    def fit_scale(self, targets: Float[Tensor, "crystals outputs"]) -> None:
        """Take mean and deviation of the parts of each tensor from the training rows.

        Args:
            targets: The targets of the training rows, in the order of the outputs, NaN where unknown.

        Raises:
            DataError: A tensor has fewer than two usable values there.
        """
        columns = self.by_property(targets)
        for name, scale in self._scales().items():
            scale.fit(columns[name])
        for position, wanted in enumerate(self.scalars):
            known = _transformed(columns[wanted.name][:, 0], wanted)
            known = known[known.isfinite()]
            self.deviation[position] = known.std().clamp_min(1e-8) if len(known) > 1 else 1.0

    def distances(
        self, learned: Float[Tensor, "crystals learned"], targets: Float[Tensor, "crystals outputs"]
    ) -> dict[str, Float[Tensor, " crystals"]]:
        """Return how far predictions are from labels, in units of the spread of the training rows; NaN where there is no label.

        Args:
            learned: The standardised coordinates that `of` returns.
            targets: The targets in the order of the outputs, NaN where unknown.
        """
        scales, columns, tensors = self._scales(), self.by_property(targets), self.tensors(learned)
        parts = learned.split([scale.size for scale in scales.values()], dim=1)
        found = {
            name: scale.distance(part, columns[name]) for (name, scale), part in zip(scales.items(), parts, strict=True)
        }
        for deviation, wanted in zip(self.deviation, self.scalars, strict=True):
            label, predicted = _transformed(columns[wanted.name][:, 0], wanted), scalar(wanted.name, tensors)
            known = label.isfinite()
            off = _transformed(predicted, wanted) - torch.where(known, label, 0.0)
            found[wanted.name] = torch.where(known, off.abs() / deviation, torch.nan)
        return found

    def by_property(self, outputs: Float[Tensor, "crystals outputs"]) -> dict[str, Tensor]:
        """Return the columns of each property, by name.

        Args:
            outputs: Targets or physical predictions, in the order of the outputs.
        """
        parts = outputs.split([wanted.outputs for wanted in self.properties], dim=1)
        return {wanted.name: part for wanted, part in zip(self.properties, parts, strict=True)}

    def take(self, trained: nn.Module) -> list[str]:
        """Copy the weights and the scale of heads for the same properties; return their names, none if the heads differ.

        Args:
            trained: Heads of a trained model.
        """
        own, given = self.state_dict(), trained.state_dict()
        if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in given.items()}:
            return []
        self.load_state_dict(given)
        return [wanted.name for wanted in self.properties]

    def _scales(self) -> dict[str, TensorScale]:
        return {name: scale for name, scale in self.scales.items() if isinstance(scale, TensorScale)}

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


def scalar(name: str, tensors: Mapping[str, Tensor]) -> Float[Tensor, " crystals"]:
    """Return a scalar property that follows from the tensors of a model.

    Args:
        name: Name of the scalar property.
        tensors: Name of a tensor property to matrices in Mandel's notation.
    """
    found = SCALARS[name]
    return found.of(tensors[found.tensor])


def _transformed(values: Tensor, wanted: Property) -> Tensor:
    """Return values on the scale on which the property is learned; NaN where that does not exist."""
    return torch.where(values > 0, values, torch.nan).log10() if wanted.transform == "log10" else values


def require_tensors(properties: Sequence[Property]) -> None:
    """Refuse properties that are no tensors and do not follow from one of them.

    Args:
        properties: Properties that are to be learned.

    Raises:
        PlanError: There is no tensor, or a scalar that does not follow from one.
    """
    tensors = [wanted.name for wanted in properties if wanted.tensor]
    others = [
        p.name for p in properties if not p.tensor and (p.name not in SCALARS or SCALARS[p.name].tensor not in tensors)
    ]
    if others or not tensors:
        known = [name for name, found in SCALARS.items() if found.tensor in tensors]
        raise PlanError(
            f"{', '.join(others) or 'Nothing'} does not follow from {', '.join(tensors) or 'a tensor, as there is none'}",
            f"Learn it in a model of its own; with this tensor a model can learn {', '.join(known)}"
            if known
            else "Name a tensor",
        )


def _point_group(graph: Graph) -> Tensor:
    if graph.point_group is None:
        raise PlanError("The graph has no point group, which tensors need", "Build it as `TensorHeads.needs` says")
    return graph.point_group


def _modules(parts: nn.Module) -> list[nn.Module]:
    return list(parts.children())
