"""Is an explanation true of the model? What is attributed most has to matter most.

Deletion: the strongest features (or atoms) of a crystal are replaced by those of the mean element; that has to move the
prediction further than replacing as many at random does. Geometry and description are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryskit.explain.gradients import in_turns, learned_values, variants_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from cryskit.explain.atoms import Explainer
    from cryskit.types import Crystal, Graph

SIZES = (1, 2, 4, 8, 16)
"""Numbers of features or atoms to replace."""


class Deletions(NamedTuple):
    """Predictions for C crystals with k features or orbits replaced, K sizes k; NaN where a crystal has no more than k.

    Attributes:
        sizes: Numbers k of features or orbits that are replaced.
        value: (C,) predictions for the whole crystals, in the space where the property is learned.
        top: (C, K) predictions with the k strongest replaced.
        random: (C, K, draws) predictions with k random ones replaced.
    """

    sizes: tuple[int, ...]
    value: np.ndarray
    top: np.ndarray
    random: np.ndarray


def deletions(
    explainer: Explainer,
    crystals: Iterable[Crystal],
    sizes: tuple[int, ...] = SIZES,
    draws: int = 10,
    seed: int = 0,
) -> dict[str, Deletions]:
    """Replace the strongest features and atoms of crystals, and random ones.

    Args:
        explainer: The explainer of a model and property.
        crystals: Crystals that the model can predict.
        sizes: Numbers of features or orbits to replace.
        draws: Number of random choices for each crystal and size.
        seed: Seed of the random choices.

    Returns:
        "features": element features that some atom has, and the learned part, replaced at all atoms; "atoms": orbits of equal
        atoms, random ones chosen in proportion to their atoms.
    """
    rng = np.random.default_rng(seed)
    value, rows = [], {"features": list[np.ndarray](), "atoms": list[np.ndarray]()}
    for crystal in crystals:
        graph = explainer.model_input(crystal).graph
        path = explainer.path(graph)
        attributed = explainer.attributed(graph, path)
        value.append(path.value)
        for what, found in rows.items():
            pool = (_features if what == "features" else _atoms)(explainer, graph, attributed)
            found.append(_replaced(explainer, graph, pool, sizes, draws, rng))
    return {
        what: Deletions(sizes, np.array(value), np.stack(found)[:, :, 0], np.stack(found)[:, :, 1:])
        for what, found in rows.items()
    }


class _Pool(NamedTuple):
    """What can be replaced in a crystal, the strongest first, how, and the odds of each in a random choice."""

    ranked: np.ndarray
    odds: np.ndarray | None
    replace: Callable[[Explainer, Graph, np.ndarray], Tensor]


def _features(explainer: Explainer, graph: Graph, attributed: np.ndarray) -> _Pool:
    strength = np.abs(attributed.sum(0))
    has = explainer.parts.features[graph.numbers].numpy().any(0)
    pool = np.flatnonzero(np.append(has, strength[-1] > 0))
    return _Pool(pool[np.argsort(-strength[pool], kind="stable")], None, without_features)


def _atoms(_: Explainer, graph: Graph, attributed: np.ndarray) -> _Pool:
    ranked = np.argsort(-np.abs(attributed.sum(1)), kind="stable")
    atoms = graph.multiplicity.double().numpy()[ranked]
    return _Pool(ranked, atoms / atoms.sum(), without_atoms)


def _replaced(
    explainer: Explainer, graph: Graph, pool: _Pool, sizes: Sequence[int], draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the predictions with k replaced, (K, 1 + draws), the strongest in the first column."""
    replaced = np.full((len(sizes), 1 + draws), np.nan)
    usable = [i for i, k in enumerate(sizes) if k < len(pool.ranked)]
    if not usable:
        return replaced
    chosen = []
    for i in usable:
        chosen.append(pool.ranked[: sizes[i]])
        chosen += [rng.choice(pool.ranked, sizes[i], replace=False, p=pool.odds) for _ in range(draws)]
    vectors = torch.stack([pool.replace(explainer, graph, choice) for choice in chosen])
    at_once = variants_at_once(graph, explainer.edges)
    values = in_turns(learned_values(explainer.predictor, graph, explainer.column), vectors, at_once)
    replaced[usable] = values.reshape(len(usable), 1 + draws)
    return replaced


def without_features(explainer: Explainer, graph: Graph, features: np.ndarray) -> Tensor:
    """Return the input vectors of a crystal whose atoms have the mean element's share of some features, (N, width).

    Args:
        explainer: The explainer of the model.
        graph: The crystal.
        features: Columns of the features, 0..92, the last being the learned part.
    """
    parts, baseline = explainer.parts, explainer.baseline
    taken = torch.from_numpy(features[features < len(baseline.features)])
    excess = (parts.features[graph.numbers] - baseline.features)[:, taken] @ parts.directions[taken]
    vectors: Tensor = parts.vectors[graph.numbers] - excess
    if len(taken) < len(features):
        vectors = vectors - (parts.learned[graph.numbers] - baseline.learned)
    return vectors


def without_atoms(explainer: Explainer, graph: Graph, nodes: np.ndarray) -> Tensor:
    """Return the input vectors of a crystal some of whose nodes are the mean element, (N, width).

    Args:
        explainer: The explainer of the model.
        graph: The crystal.
        nodes: Positions of the nodes to replace.
    """
    vectors = explainer.parts.vectors[graph.numbers].clone()
    vectors[torch.from_numpy(nodes)] = explainer.baseline.vector
    return vectors
