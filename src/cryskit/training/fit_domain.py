"""From training crystals and crystals held out to the domain of a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryskit.batching import Batcher, to
from cryskit.errors import DataError
from cryskit.graphs.build import build_usable
from cryskit.reliability.domain import Domain
from cryskit.reliability.domain_classifier import FOLDS
from cryskit.training.corrupted_crystals import KINDS, corrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Graph

SHARES = (0.03, 0.12)
"""Shares of real crystals held out that are out, and out or at the edge."""
LEAST = 8
"""Fewest training crystals."""

_TRAINING, _KEPT, _HELD_OUT = 3000, 2000, 1500  # crystals at most
_FEW = 200  # held-out crystals below which training crystals stand in
_EACH = 6  # corruptions of each held-out crystal
_LARGEST = 60  # atoms in a cell that is corrupted
_COMPONENTS, _AXES, _LETTERS, _HIDDEN = 48, 16, 16, 32
_COMMON = 3  # training crystals with an element, for it to be swapped in


class _Encoded(NamedTuple):
    """Crystals of which graphs could be built, in order."""

    crystals: list[Crystal]
    graph: Graph
    atoms: Tensor
    origin: np.ndarray


def fit_domain(
    predictor: Predictor, crystals: Sequence[Crystal], held_out: Sequence[Crystal] = (), seed: int = 0
) -> Domain:
    """Return the domain of a model.

    Args:
        predictor: The model, with or without heads.
        crystals: Its training crystals.
        held_out: Crystals that neither trained it nor chose its epoch; if these are few, some training crystals stand in.
        seed: Seed of the random numbers.

    Raises:
        DataError: There are fewer than eight training crystals.
    """
    if len(crystals) < LEAST:
        raise DataError(f"A domain needs {LEAST} training crystals, there are {len(crystals)}", "Give more crystals")
    rng = np.random.default_rng(seed)
    drawn = [crystals[i] for i in rng.permutation(len(crystals))[: _TRAINING + _FEW]]
    real = [held_out[i] for i in rng.permutation(len(held_out))[:_HELD_OUT]]
    if len(real) < _FEW:
        cut = len(drawn) - min(_FEW, len(drawn) // 3)
        drawn, real = drawn[:cut], [*real, *drawn[cut:]]
    training = _encoded(predictor, drawn[:_TRAINING])
    domain = _with_tables(training, crystals)
    judged = _encoded(predictor, real)
    made, origin = _corruptions(judged.crystals, _elements(crystals), rng)
    unreal = _encoded(predictor, made, origin)
    with torch.inference_mode():
        features, columns = domain.features(judged.graph, judged.atoms)
        features = torch.cat([features, domain.features(unreal.graph, unreal.atoms)[0]])
    fold = torch.from_numpy(np.concatenate([judged.origin, unreal.origin]) % FOLDS)
    is_real = torch.arange(len(features)) < len(judged.crystals)
    scores = domain.classifier.fit(features.clone(), is_real, fold, seed)
    domain.set_borders(scores[is_real], columns, SHARES)
    return domain


def _encoded(predictor: Predictor, crystals: Sequence[Crystal], origin: np.ndarray | None = None) -> _Encoded:
    """Return the crystals that have a graph, with it and their atom vectors; descriptions are not read.

    Args:
        predictor: The model.
        crystals: B crystals.
        origin: (B,) a number that each crystal keeps, its position by default.
    """
    graph, errors = build_usable(list(crystals), replace(predictor.card.spec, text=""))
    kept = np.array([row for row in range(len(crystals)) if row not in errors], dtype=np.int64)
    batcher = Batcher(graph)
    with torch.inference_mode():
        parts = [
            predictor.encoder(to(batcher.take(rows), predictor.device)).atoms.float().cpu()
            for rows in batcher.batches(predictor.batch_edges)
        ]
    numbers = kept if origin is None else origin[kept]
    return _Encoded([crystals[row] for row in kept], graph, torch.cat(parts), numbers)


def _with_tables(training: _Encoded, crystals: Sequence[Crystal]) -> Domain:
    """Return a domain that knows the training crystals, but not yet what is unlike them.

    Args:
        training: The training crystals that are looked at.
        crystals: All training crystals.
    """
    width, count = training.atoms.shape[1], len(training.crystals)
    names = [crystal.id for crystal in training.crystals][:_KEPT]
    letters = min(_LETTERS, max(len(name.encode()) for name in names))
    components = min(_COMPONENTS, width)
    domain = Domain(width, components, min(_AXES, width), min(_KEPT, count), letters, _HIDDEN)
    domain.volumes.fit(training.graph)
    domain.pairs.fit(training.graph)
    domain.bonds.fit(training.graph)
    domain.surroundings.fit(training.graph, training.atoms)
    domain.references.fit(training.graph, training.atoms, names)
    domain.elements.fit(crystals)
    return domain


def _elements(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the atomic numbers of the elements that training crystals have, rare ones left out."""
    counts = np.bincount(np.concatenate([np.unique(c.numbers) for c in crystals]))
    common = np.flatnonzero(counts >= _COMMON)
    return common if len(common) else np.flatnonzero(counts)


def _corruptions(
    crystals: Sequence[Crystal], elements: np.ndarray, rng: np.random.Generator
) -> tuple[list[Crystal], np.ndarray]:
    """Return crystals that cannot be, of each kind as many, and the position of the crystal of which each was made."""
    names, made, origin = list(KINDS), [], []
    for row, crystal in enumerate(crystals):
        if len(crystal) > _LARGEST:
            continue
        for name in rng.choice(names, _EACH, replace=False):
            if (found := corrupted(crystal, name, elements, rng)) is not None:
                made.append(found)
                origin.append(row)
    return made, np.array(origin, dtype=np.int64)
