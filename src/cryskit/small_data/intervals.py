"""Intervals and domain of a fitted model, from predictions of rows by models that had not seen them.

With few labels no row can be spared for a calibration alone. Each row is judged by a model of the other folds, and by its nearest rows in the
other folds; the intervals are fitted to these errors and hold for the model of all rows, which knows more (cross-conformal prediction,
Vovk 2015, doi 10.1007/s10472-013-9368-4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cryskit.batching import Batcher
from cryskit.elements import formula
from cryskit.layers.regressors import Perceptrons
from cryskit.predict.readout import BATCH_EDGES
from cryskit.reliability.groups import element_counts, groups_of
from cryskit.reliability.intervals import scores_of
from cryskit.reliability.reference import Reference
from cryskit.reliability.reliability import Reliability
from cryskit.reliability.training_record import TrainingRecord
from cryskit.small_data.folds import without
from cryskit.small_data.judge import FIT
from cryskit.small_data.table import learned_of
from cryskit.training.calibrate import COMPONENTS, Calibration
from cryskit.training.fit_domain import fit_domain
from cryskit.training.fit_intervals import fit_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryskit.predict.predictor import Predictor
    from cryskit.reliability.domain import Domain
    from cryskit.small_data.judge import Judged
    from cryskit.small_data.table import Table

ORIGIN = "rows of the table, each predicted without its formula"
"""On what the intervals of a fitted model are calibrated."""


def intervals_of(predictor: Predictor, table: Table, judged: Judged, seed: int) -> Calibration:
    """Return the parts by which a fitted model judges its predictions.

    Args:
        predictor: The model of all rows.
        table: What it was fitted to.
        judged: Predictions of rows by models that had not seen them.
        seed: Seed of the domain.
    """
    domain = fit_domain(predictor, table.crystals, seed=seed)
    vectors, readings = _read(predictor, domain, table)
    vectors = vectors * _frozen(predictor)
    labels, predictions = (_standardised(predictor, values) for values in (table.values, judged.values[FIT]))
    reference = Reference.fit(vectors, predictions, labels, COMPONENTS)
    made = Reliability(1, reference.sizes, hidden=0)
    made.reference, made.domain, made.record = reference, domain, TrainingRecord.of(table.crystals)
    evidence = of_other_folds(vectors, predictions, labels, judged.folds)
    counts = element_counts(table.graph)
    scores = scores_of(predictions, evidence, torch.zeros_like(predictions), readings[:, 0], counts, table.graph)
    errors = (labels - predictions).abs().numpy()
    formulas = [formula(crystal.numbers) for crystal in table.crystals]
    made.intervals = fit_intervals(scores.numpy(), errors, groups_of(counts).numpy(), formulas)
    return Calibration(made, {table.wanted.name: len(table)})


def domain_of(predictor: Predictor, table: Table, seed: int) -> Calibration:
    """Return the domain and the record of training crystals of a fitted model of classes, which have no intervals.

    Args:
        predictor: The model of all rows.
        table: What it was fitted to.
        seed: Seed of the domain.
    """
    domain = fit_domain(predictor, table.crystals, seed=seed)
    vectors, _ = _read(predictor, domain, table)
    with torch.no_grad():
        outputs = predictor.heads(vectors).float()
    reference = Reference.fit(vectors, outputs, torch.full_like(outputs, torch.nan), COMPONENTS)
    made = Reliability(outputs.shape[1], reference.sizes, hidden=0)
    made.reference, made.domain, made.record = reference, domain, TrainingRecord.of(table.crystals)
    return Calibration(made, {})


def _standardised(predictor: Predictor, values: np.ndarray) -> Tensor:
    """Return values of the property on the scale of the heads, (n, 1)."""
    heads = predictor.heads
    learned = learned_of(values, heads.properties[0].transform)
    return ((torch.from_numpy(learned)[:, None] - heads.mean) / heads.deviation).float()


@torch.no_grad()
def _read(predictor: Predictor, domain: Domain, table: Table) -> tuple[Tensor, Tensor]:
    """Return the vectors of crystals and what the domain reads of them."""
    batcher, vectors, readings = Batcher(table.graph), [], []
    for rows in batcher.batches(BATCH_EDGES):
        graph = batcher.take(rows)
        encoding = predictor.encoder(graph)
        vectors.append(encoding.crystals)
        readings.append(domain.read_out(graph, encoding.atoms))
    return torch.cat(vectors), torch.cat(readings)


def _frozen(predictor: Predictor) -> Tensor:
    """Return 1 for values of frozen encoders and 0 for those of fine-tuned networks, (width,); 1 for all where nothing else is read.

    A fine-tuned network has seen the label of each row, so in its values rows look farther from one another than new crystals are.
    """
    heads: Any = predictor.heads
    frozen = torch.zeros(predictor.encoder.width)
    parts = list(zip(heads.parts, heads.sections, strict=True))
    only_tuned = all(isinstance(part, Perceptrons) for part, _ in parts)
    for part, section in parts:
        if only_tuned or not isinstance(part, Perceptrons):
            frozen[section] = 1.0
    return frozen


def of_other_folds(vectors: Tensor, predictions: Tensor, labels: Tensor, folds: Sequence[np.ndarray]) -> Tensor:
    """Return what the nearest rows of the other folds say of each prediction, (n, 1, evidence)."""
    found: list[Tensor] = []
    for fold in folds:
        rest = without(np.arange(len(vectors)), fold)
        reference = Reference.fit(vectors[rest], predictions[rest], labels[rest], COMPONENTS)
        found.append(reference.evidence(vectors[fold], predictions[fold]))
    return torch.cat(found)[torch.from_numpy(np.argsort(np.concatenate(folds)))]
