"""Learned bond-orientational order parameters: invariants of the directions of the bonds of each atom.

    q_lm = sum_j w_ij Y_lm(r_ij)        Q_l = sum_m q_lm^2 / (2 l + 1)

With w = 1 / (number of neighbours) these are the order parameters of Steinhardt, Nelson and Ronchetti (1983, doi
10.1103/PhysRevB.28.784), up to a constant. Here the weights are learned and there are many channels of them, so each Q_l
measures the angles between bonds of one kind. They do not change under rotation, and equivalent atoms share them.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from cryskit.layers.message_passing import Edges, RowSum, apply

if TYPE_CHECKING:
    from cryskit.types import Graph

DEGREES = 4
"""The highest degree l of the harmonics: the least that distinguishes an
octahedron (l = 4) and a tetrahedron (l = 3) from a sphere."""


def harmonics(directions: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges 24"]:
    """Return the real spherical harmonics of degree 1 to 4, scaled so that sum_m Y_lm^2 = 2 l + 1.

    Args:
        directions: The unit vectors along the edges.

    Returns:
        The three harmonics of l = 1, then the five of l = 2, the seven of l = 3 and the nine of l = 4.
    """
    return torch.stack(components(*directions.unbind(1)), dim=1)


def components(x: Any, y: Any, z: Any) -> list[Any]:
    """Return the 24 harmonics of `harmonics`, one by one.

    Args:
        x: First components of unit vectors: anything that can be added and multiplied.
        y: Second components.
        z: Third components.
    """
    xx, yy, zz = x * x, y * y, z * z
    planar, cross = xx - yy, x * y
    first = [sqrt(3) * x, sqrt(3) * y, sqrt(3) * z]
    second = [
        sqrt(15) * cross,
        sqrt(15) * y * z,
        sqrt(5) / 2 * (3 * zz - 1),
        sqrt(15) * x * z,
        sqrt(15) / 2 * planar,
    ]
    third = [
        sqrt(35 / 8) * y * (3 * xx - yy),
        sqrt(105) * cross * z,
        sqrt(21 / 8) * y * (5 * zz - 1),
        sqrt(7) / 2 * z * (5 * zz - 3),
        sqrt(21 / 8) * x * (5 * zz - 1),
        sqrt(105) / 2 * z * planar,
        sqrt(35 / 8) * x * (xx - 3 * yy),
    ]
    fourth = [
        sqrt(315) / 2 * cross * planar,
        sqrt(315 / 8) * y * z * (3 * xx - yy),
        sqrt(45) / 2 * cross * (7 * zz - 1),
        sqrt(45 / 8) * y * z * (7 * zz - 3),
        3 / 8 * (35 * zz * zz - 30 * zz + 3),
        sqrt(45 / 8) * x * z * (7 * zz - 3),
        sqrt(45) / 4 * planar * (7 * zz - 1),
        sqrt(315 / 8) * x * z * (xx - 3 * yy),
        sqrt(315) / 8 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy)),
    ]
    return first + second + third + fourth


class OrderParameters:
    """The spherical harmonics of a batch's edges, prepared for the order parameters of every layer of an encoder.

    Args:
        graph: The batch.
        edges: The edges that carry messages. Equal edges have equal weights, so their harmonics are added up once.
    """

    def __init__(self, graph: Graph, edges: Edges) -> None:
        centre, edge_count, atoms = edges.centre, len(edges.centre), graph.atoms
        values = harmonics(normalize(graph.vectors, dim=1))
        if graph.weight is not None:
            values = values * graph.weight[:, None]
        components = values.shape[1]
        if edges.row_of_edge is not None:
            values = values.new_zeros(edge_count, components).index_add(0, edges.row_of_edge, values)
        device = centre.device
        degree = torch.bincount(centre, minlength=atoms)
        starts = degree.cumsum(0) - degree
        self._component = torch.arange(components, device=device)
        self.sums = RowSum(
            torch.arange(edge_count, device=device).repeat(components),
            values.t().reshape(-1),
            (self._component[:, None] * edge_count + starts).reshape(-1),
        )
        self._centre, self._values = centre, values
        self._shape = (components, atoms, -1)

    @cached_property
    def back(self) -> RowSum:
        """The transposed sum, made when the first backward pass needs it."""
        return RowSum.regular(self._centre[:, None] + self._component * self._shape[1], self._values)

    def moments(self, weights: Float[Tensor, "edges channels"]) -> Float[Tensor, "24 atoms channels"]:
        """Return the sums q_lm of the harmonics of each atom's edges for each channel.

        Args:
            weights: The weight w of each edge in each channel.
        """
        return apply(_Moments, weights, self).view(self._shape)

    def __call__(self, weights: Float[Tensor, "edges channels"]) -> Float[Tensor, "atoms invariants"]:
        """Return the order parameters Q_l of each atom for each channel, all channels of l = 1 first.

        Args:
            weights: The weight w of each edge in each channel.
        """
        squares = self.moments(weights).square()
        starts = [degree**2 - 1 for degree in range(1, DEGREES + 2)]
        return torch.cat([squares[a:b].mean(0) for a, b in pairwise(starts)], dim=1)


class _Moments(Function):
    """The sums q_lm of all components and atoms, (components * atoms, channels)."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, order: OrderParameters) -> Tensor:
        ctx.order = order
        return order.sums.sum(weights.contiguous())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.order.back.sum(gradient.contiguous()), None
