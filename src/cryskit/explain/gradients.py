"""Integrated gradients over the input vectors of a crystal's nodes (Sundararajan, Taly and Yan 2017, arXiv 1703.01365).

    G_n = integral over t in 0..1 of the gradient of F in x_n, at x_base + t (x - x_base)

Geometry and description are kept; each node's difference from the baseline times its G adds up to F(x) - F(x_base). F is one
property in the space where it is learned. Captum integrates by Gauss and Legendre's rule; steps are doubled until the sum is
complete.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from cryskit import batching
from cryskit.errors import ModelError
from cryskit.explain.classes import log_odds
from cryskit.explain.parts import inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor, nn

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph

TOLERANCE = 0.005
"""Share of the difference between the two ends of the path that the attributions may miss of it."""

EDGES = 20_000
"""Most edges of a batch of variants of a crystal."""

_STEPS = (32, 64, 128, 256, 512)
_FLOOR = 0.05  # share of the spread of the labels: smaller differences count as this


class Path(NamedTuple):
    """What was found along the straight path from the baseline to the crystal.

    Attributes:
        gradient: (N, width) the mean gradient of the prediction in each node's input vector.
        value: The prediction, in the space where it is learned.
        base: The prediction where every node has the baseline's input vector.
        residual: What the attributions miss of value - base.
        scale: What the residual has to be small against.
        steps: Number of steps of the quadrature.
    """

    gradient: Tensor
    value: float
    base: float
    residual: float
    scale: float
    steps: int


def learned_values(predictor: Predictor, graph: Graph, column: int) -> Callable[[Tensor], Tensor]:
    """Return the prediction as a function of the input vectors, computed on the device of the model; of a class its log-odds.

    Args:
        predictor: The model, in evaluation mode.
        graph: One crystal of N nodes, with the vectors of its description if the model reads it.
        column: Position of the property among those of the model.

    Returns:
        A function from (K, N, width), K variants of the crystal with other input vectors, to (K,), the predictions in the
        space where the property is learned; both on the CPU.
    """
    heads = predictor.heads
    outputs = heads.columns(column)
    of_class = log_odds(predictor, graph, column) if heads.properties[column].classes else None
    device = next(predictor.parameters()).device
    there = batching.to(graph, device)

    @cache
    def repeated(times: int) -> Graph:
        return batching.collate([there] * times)

    def values(vectors: Tensor) -> Tensor:
        with _Given(inputs_of(predictor.encoder), vectors.flatten(0, 1).to(device)):
            crystals = predictor.encoder(repeated(len(vectors))).crystals
        standardised: Tensor = heads(crystals)[:, outputs]
        learned = standardised * heads.deviation[outputs] + heads.mean[outputs]
        return (of_class(learned) if of_class else learned[:, 0]).cpu()

    return values


def mean_gradient(
    predictor: Predictor, graph: Graph, column: int, vectors: Tensor, baseline: Tensor, edges: int = EDGES
) -> Path:
    """Integrate the gradients of one crystal, with as many steps as it takes.

    Args:
        predictor: The model, in evaluation mode.
        graph: One crystal of N nodes, with the vectors of its description if the model reads it.
        column: Position of the property among those of the model.
        vectors: (N, width) the input vectors of the crystal.
        baseline: (width,) the input vector to start from, at every node.
        edges: Most edges of a batch of variants of the crystal.
    """
    values = learned_values(predictor, graph, column)
    start = baseline.expand_as(vectors)
    with torch.no_grad():
        base, value = values(torch.stack([start, vectors])).tolist()
    scale = max(abs(value - base), _FLOOR * float(predictor.heads.deviation[predictor.heads.first[column]]))
    at_once = variants_at_once(graph, edges)
    for steps in _STEPS:
        gradient = _integrate(values, vectors, start, steps, at_once)
        residual = value - base - float(((vectors - start).double() * gradient.double()).sum())
        if abs(residual) <= TOLERANCE * scale:
            break
    return Path(gradient, value, base, residual, scale, steps)


def variants_at_once(graph: Graph, edges: int = EDGES) -> int:
    """Return how many variants of a crystal make a batch.

    Args:
        graph: The crystal.
        edges: Most edges of the batch.
    """
    return max(1, min(64, edges // max(int(graph.edges.shape[1]), graph.atoms)))


@torch.no_grad()
def in_turns(values: Callable[[Tensor], Tensor], vectors: Tensor, at_once: int) -> np.ndarray:
    """Return predictions for any number of variants of a crystal, (K,), a batch at a time.

    Args:
        values: The prediction as a function of the input vectors, from `learned_values`.
        vectors: (K, N, width) the input vectors of the variants.
        at_once: Number of variants in a batch.
    """
    return torch.cat([values(part) for part in vectors.split(at_once)]).double().numpy()


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
