"""Calibrate a model: keep training crystals as its reference, and fit intervals to its errors on crystals it has not learned from."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cryskit.elements import ELEMENTS, formula
from cryskit.errors import DataError
from cryskit.graphs.remembered import remembered
from cryskit.reliability.groups import GROUPS, element_counts, groups_of
from cryskit.reliability.intervals import SCORES
from cryskit.reliability.judged import judge_of, judged_names
from cryskit.reliability.reference import Reference
from cryskit.reliability.reliability import Reliability
from cryskit.reliability.training_record import TrainingRecord
from cryskit.training.fit_domain import LEAST, fit_domain
from cryskit.training.fit_error_head import fit_error_head
from cryskit.training.fit_intervals import FEWEST, fit_intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Graph

KEPT, COMPONENTS = 12_000, 16
"""Training crystals that a model keeps, and directions of their vectors: about 0.7 MB for six properties, 0.95 MB with the domain.

All training crystals are listed by id, cell and formula besides, in about 6 bytes each."""


@dataclass(frozen=True)
class Calibration:
    """What a model file takes over: the parts that judge its predictions, and what its card says of them.

    Attributes:
        reliability: The parts.
        facts: Number of calibration crystals of each property, by name.
    """

    reliability: Reliability
    facts: dict[str, int]


@remembered()
def calibrate(
    predictor: Predictor, training: Sequence[Crystal], crystals: Sequence[Crystal], seed: int = 0
) -> Calibration:
    """Fit what a model needs to know of its own errors; of classes, which have no intervals, only the domain.

    Args:
        predictor: The trained model.
        training: Crystals that it was trained on, with their labels, of which some are kept; if there are none, what the model
            learned from them before.
        crystals: Crystals with labels that it has not been trained on.
        seed: Seed of the choice of training crystals.

    Raises:
        DataError: No property has enough labels among the crystals, or neither they nor the model tell of training crystals.
    """
    predictor.require_heads()
    made = _learned(predictor, training, crystals, seed) if training else _kept(predictor)
    errors, scores, groups, used = _errors(predictor, made, crystals)
    made.intervals = fit_intervals(scores, errors, groups, [formula(c.numbers) for c in used])
    counts = dict(zip(judged_names(predictor.card.properties), np.isfinite(errors).sum(0).tolist(), strict=True))
    only_domain = made.domain is not None and all(p.classes for p in predictor.card.properties)
    if max(counts.values(), default=0) < FEWEST and not only_domain:
        raise DataError(
            f"No property of {predictor.card.name} has labels of {FEWEST} crystals to calibrate with",
            f"Give more crystals with {' or '.join(predictor.properties)}",
        )
    return Calibration(made, {name: count for name, count in counts.items() if count >= FEWEST})


def calibrated(predictor: Predictor, found: Calibration, origin: str) -> None:
    """Give a model what was fitted, and note it on its card.

    Args:
        predictor: The model, which is changed in place.
        found: What was fitted.
        origin: The part of the split, or the data, of the calibration crystals.
    """
    predictor.reliability = found.reliability
    facts: dict[str, Any] = {"origin": origin, "crystals": found.facts}
    predictor.card = predictor.card.model_copy(update={"reliability": found.reliability.sizes, "calibration": facts})


def _learned(predictor: Predictor, training: Sequence[Crystal], held_out: Sequence[Crystal], seed: int) -> Reliability:
    """Return what training crystals tell, a fifth of them those with most labels, so that properties that few have are known, too."""
    named = judged_names(predictor.card.properties)
    wanted = set(named) - {each.name for each in predictor.card.properties if each.classes}
    known = np.array([len(wanted & (crystal.targets.keys() | crystal.tensors.keys())) for crystal in training])
    order = np.random.default_rng(seed).permutation(len(training))
    most = np.argsort(-known[order], kind="stable")[: KEPT // 5]
    kept = np.sort(np.concatenate([order[most], np.delete(order, most)[: KEPT - len(most)]]))
    judge = judge_of(predictor.heads)

    def numbers(graph: Graph) -> torch.Tensor:
        encoding = predictor.encoder(graph)
        learned = predictor.heads.of(encoding, graph)
        return torch.cat([encoding.crystals, element_counts(graph), judge.quantities(learned), learned], dim=1)

    rows, found = _read_out(predictor, [training[i] for i in kept], numbers)
    count, width = len(named), predictor.encoder.width
    sizes = (ELEMENTS + 1, count)
    vectors, counts, predictions, learned = found.split([width, *sizes, found.shape[1] - width - sum(sizes)], dim=1)
    labels, errors = judge.errors(learned.to(predictor.device), [training[kept[row]] for row in rows])
    reference = Reference.fit(vectors, predictions, labels, COMPONENTS)
    reference.residuals.copy_(errors)
    made = Reliability(count, reference.sizes)
    made.reference, made.record = reference, TrainingRecord.of(training)
    if len(training) >= LEAST:
        made.domain = fit_domain(predictor, training, held_out, seed)
    made.error_head = fit_error_head(vectors, predictions, counts, errors, seed)
    return made


def _kept(predictor: Predictor) -> Reliability:
    """Return a copy of what a model learned from its training crystals when it was calibrated before."""
    if predictor.reliability is None:
        raise DataError(
            f"{predictor.card.name} keeps nothing of its training crystals, by which errors are judged",
            "Give the crystals that it was trained on, too (--training)",
        )
    return deepcopy(predictor.reliability)


def _errors(
    predictor: Predictor, made: Reliability, crystals: Sequence[Crystal]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Crystal]]:
    """Return errors (n, outputs), scores (n, outputs, scores), groups (n, groups) and the crystals that have a graph."""
    judge, count = judge_of(predictor.heads), len(judged_names(predictor.card.properties))

    def numbers(graph: Graph) -> torch.Tensor:
        encoding = predictor.encoder(graph)
        learned, counts = predictor.heads.of(encoding, graph), element_counts(graph)
        readings = made.readings(encoding, graph)
        scores = made.scores(encoding, judge.quantities(learned), graph, readings, counts)
        return torch.cat([groups_of(counts).float(), scores.flatten(1), learned], dim=1)

    rows, found = _read_out(predictor, crystals, numbers)
    used, sizes = [crystals[i] for i in rows], (len(GROUPS), count * len(SCORES))
    member, scores, learned = found.split([*sizes, found.shape[1] - sum(sizes)], dim=1)
    _, errors = judge.errors(learned.to(predictor.device), used)
    return errors.numpy(), scores.unflatten(1, (count, -1)).numpy(), member.bool().numpy(), used


def _read_out(
    predictor: Predictor, crystals: Sequence[Crystal], what: Callable[[Graph], torch.Tensor]
) -> tuple[list[int], torch.Tensor]:
    """Return the positions of the crystals that have a graph, and what is read out of it, one row each."""
    found = [value for _, value, _ in predictor.read_out(crystals, what, texts=True)]
    rows = [i for i, value in enumerate(found) if value is not None and np.isfinite(value).all()]
    if not rows:
        raise DataError("None of the crystals can be used", "Give crystals that the model can predict")
    return rows, torch.from_numpy(np.stack([found[i] for i in rows]))
