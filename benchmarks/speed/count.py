"""What a network of CGCNN's kind has to compute and to move at the least, counted by hand.

N nodes, E edges, B crystals, G points of the grid of distances, F Gaussians, w width, L layers, h hidden width. Linear maps
are applied before the gather (`cryskit.layers.message_passing`), so no matrix product runs over edges:

    per layer   centre and neighbour maps   2 products  (N, w) x (w, 2w)    8 N w^2
                map of the distance grid    1 product   (G, F) x (F, 2w)    4 G F w
    once        map of the element table                (Z, 92) x (92, w)   2 Z 92 w
                head                                    (B, w) x (w, h)     2 B h (w + 1)

A backward pass repeats each product twice, for the weights and for the input; the grid, the table and the first layer's
atoms' bits are constants, whose products are repeated once.

Bytes: whatever is done to the E x 2w pre-activations between the products is counted as if it were fused into one pass each:
forward writes them once and reads them once, backward reads them, writes their gradient and reads it for the two
scatters. Rows of nodes and of the grid are small enough for the caches, but are written and read once too.
"""

from __future__ import annotations

from typing import NamedTuple

from cryskit import elements

_FLOAT = 4


class Work(NamedTuple):
    """FLOPs in matrix products, and bytes moved."""

    flops: float
    bytes: float


class Sizes(NamedTuple):
    """Of a batch and the network it goes through."""

    nodes: int
    edges: int
    crystals: int
    grid: int
    features: int
    width: int
    layers: int
    hidden: int


def inference(s: Sizes) -> Work:
    """Return the least work of a forward pass."""
    constant, variable = _products(s)
    values = s.edges * 2 * s.width
    rows = (2 * s.nodes + s.grid) * 2 * s.width
    return Work(constant + variable, s.layers * _FLOAT * 2 * (values + rows))


def training(s: Sizes) -> Work:
    """Return the least work of a forward and a backward pass; the optimiser's is small and left out."""
    constant, variable = _products(s)
    values = s.edges * 2 * s.width
    rows = (2 * s.nodes + s.grid) * 2 * s.width
    return Work(2 * constant + 3 * variable, s.layers * _FLOAT * (5 * values + 4 * rows))


def _products(s: Sizes) -> tuple[float, float]:
    """Return the FLOPs of products with constants and of those with activations, forward."""
    constant = (
        s.layers * 4 * s.grid * s.features * s.width + 2 * (elements.ELEMENTS + 1) * elements.FEATURE_COUNT * s.width
    )
    variable = s.layers * 8 * s.nodes * s.width**2 + 2 * s.crystals * s.hidden * (s.width + 1)
    return float(constant), float(variable)
