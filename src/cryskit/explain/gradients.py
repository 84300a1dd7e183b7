"""Integrated gradients over the input vectors of a crystal's nodes (Sundararajan, Taly and Yan 2017, arXiv 1703.01365).

    G_n = integral over t in 0..1 of the gradient of F in x_n, at x_base + t (x - x_base)

The geometry is kept; each node's difference from the baseline times its G adds up to F(x) - F(x_base). F is one property in
the space where it is learned. Captum integrates by Gauss and Legendre's rule; steps are doubled until the sum is complete.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from cryskit.batching import collate
from cryskit.errors import ModelError
from cryskit.explain.parts import inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor, nn

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph

TOLERANCE = 0.005
"""Of the difference between prediction and base value: what the attributions may miss of it."""

_STEPS = (32, 64, 128, 256, 512)
_FLOOR = 0.05  # of the spread of the labels: smaller differences count as this
_EDGES = 20_000


class Path(NamedTuple):
    """What was found along the straight path from the baseline to the crystal.

    Attributes:
        gradient: (N, width) the mean gradient of the prediction in each node's input vector.
        value: Prediction, in the space where it is learned.
        base: Prediction where every node has the baseline's input vector.
        residual: What the attributions miss of value - base.
        scale: What the residual has to be small against.
        steps: Of the quadrature.
    """

    gradient: Tensor
    value: float
    base: float
    residual: float
    scale: float
    steps: int


def learned_values(predictor: Predictor, graph: Graph, column: int) -> Callable[[Tensor], Tensor]:
    """Return the prediction as a function of the input vectors.

    Args:
        predictor: In evaluation mode.
        graph: One crystal of N nodes.
        column: Of the property.

    Returns:
        A function from (K, N, width), K variants of the crystal with other input vectors, to (K,), the predictions in the
        space where the property is learned.
    """
    heads = predictor.heads

    @cache
    def repeated(times: int) -> Graph:
        return collate([graph] * times)

    def values(vectors: Tensor) -> Tensor:
        with _Given(inputs_of(predictor.encoder), vectors.flatten(0, 1)):
            crystals = predictor.encoder(repeated(len(vectors))).crystals
        standardised: Tensor = heads(crystals)[:, column]
        return standardised * heads.deviation[column] + heads.mean[column]

    return values


def mean_gradient(predictor: Predictor, graph: Graph, column: int, vectors: Tensor, baseline: Tensor) -> Path:
    """Integrate the gradients of one crystal, with as many steps as it takes.

    Args:
        predictor: In evaluation mode.
        graph: One crystal of N nodes.
        column: Of the property.
        vectors: (N, width) its input vectors.
        baseline: (width,) the input vector to start from, at every node.
    """
    values = learned_values(predictor, graph, column)
    start = baseline.expand_as(vectors)
    with torch.no_grad():
        base, value = values(torch.stack([start, vectors])).tolist()
    scale = max(abs(value - base), _FLOOR * float(predictor.heads.deviation[column]))
    at_once = variants_at_once(graph)
    for steps in _STEPS:
        gradient = _integrate(values, vectors, start, steps, at_once)
        residual = value - base - float(((vectors - start) * gradient).double().sum())
        if abs(residual) <= TOLERANCE * scale:
            break
    return Path(gradient, value, base, residual, scale, steps)


def variants_at_once(graph: Graph) -> int:
    """Return of how many variants of a crystal a batch is made."""
    return max(1, min(64, _EDGES // max(int(graph.edges.shape[1]), graph.atoms)))


@torch.no_grad()
def in_turns(values: Callable[[Tensor], Tensor], vectors: Tensor, graph: Graph) -> np.ndarray:
    """Return predictions for any number of variants of a crystal, (K,), a batch at a time.

    Args:
        values: Of `learned_values`.
        vectors: (K, N, width) their input vectors.
        graph: The crystal.
    """
    return torch.cat([values(part) for part in vectors.split(variants_at_once(graph))]).double().numpy()


def _integrate(values: Callable[[Tensor], Tensor], vectors: Tensor, start: Tensor, steps: int, at_once: int) -> Tensor:
    try:
        from captum.attr import IntegratedGradients  # noqa: PLC0415
    except ImportError as error:
        raise ModelError("Explanations need captum", "pip install 'cryskit[explain]'") from error
    found: Tensor = IntegratedGradients(values, multiply_by_inputs=False).attribute(
        vectors[None], start[None], n_steps=steps, method="gausslegendre", internal_batch_size=at_once
    )
    return found[0].detach()


class _Given:
    """While entered, an input layer gives these vectors, whatever the atomic numbers."""

    def __init__(self, layer: nn.Module, vectors: Tensor) -> None:
        self._layer, self._vectors = layer, vectors

    def __enter__(self) -> None:
        self._handle = self._layer.register_forward_hook(lambda *_: self._vectors)

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
