"""The networks of the study of measured labels: from which model they start, and how they go on."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from benchmarks.studies.experiment_draws import MODEL, chosen, hidden, known, physical, rows_of
from benchmarks.studies.measured import DFT_OF, renamed
from cryskit import load, properties
from cryskit.batching import Batcher, with_targets
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.registry import ENCODERS
from cryskit.training.fit import FewValidationCrystals, fit, seeded
from cryskit.training.plan import Optimisation
from cryskit.training.transfer import freeze, rates, transfer

if TYPE_CHECKING:
    from benchmarks.studies.experiment_draws import Draw, Study
    from cryskit.predict.predictor import Predictor
    from cryskit.types import Property

_PASSES = {10: 20, 30: 20, 100: 15, 300: 10, 1000: 6}
_EDGES = 4000
_RANDOM = "crysae"  # whose size a network with random weights has
_KEPT = 0.3  # weight of the loss of each property of DFT that is kept


class Network(NamedTuple):
    """How a network learns.

    Attributes:
        start: The published model it starts from; "" for random weights, of the size of crysae.
        heads: Whether it starts with the heads of DFT, too.
        delta: Whether it learns what was measured minus what the model of DFT predicts.
        keep: Whether it goes on learning what the model of DFT predicts, of the same crystals.
        rate: Highest learning rate.
        decay: Factor on the rate of a level for every level above it.
        frozen: Levels that stay as they are.
        passes: Factor on the number of passes.
    """

    start: str
    heads: bool = False
    delta: bool = False
    keep: bool = False
    rate: float = 1e-3
    decay: float = 1.0
    frozen: int = 0
    passes: float = 1.0


NETWORKS = {
    "scratch": Network("", rate=3e-3),
    "start crysae": Network("crysae"),
    "start crysgnn": Network("crysgnn"),
    "start crysxpp": Network("crysxpp", heads=True),
    "start cryskit-mp": Network(MODEL, heads=True),
    "start cryskit-mp, new heads": Network(MODEL),
    "start cryskit-mp, lower rate": Network(MODEL, heads=True, rate=3e-4),
    "start cryskit-mp, rates falling": Network(MODEL, heads=True, decay=0.6),
    "start cryskit-mp, half frozen": Network(MODEL, heads=True, frozen=3),
    "start cryskit-mp, DFT kept": Network(MODEL, heads=True, keep=True),
    "start cryskit-mp, twice as long": Network(MODEL, heads=True, passes=2.0),
    "start cryskit-mp, difference": Network(MODEL, delta=True),
}


def fine_tuned(study: Study, how: Network, size: int, draw: Draw, seed: int) -> dict[str, Any]:
    """Return what a network predicts; the crystals that choose the epoch do not train it.

    Args:
        study: The crystals.
        how: How it learns.
        size: Number of labels of each property.
        draw: The draw.
        seed: Seed of new weights and of the order of crystals.
    """
    part = chosen(study, draw, size, range(len(study.names)))
    learned, targets = _learned(study, how, hidden(study, draw, size))
    optimisation = Optimisation(
        epochs=round(_PASSES[size] * how.passes), edges=_EDGES, rate=how.rate, averaging=0.99, seed=seed
    )
    model = load(how.start or _RANDOM)
    with seeded(seed), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FewValidationCrystals)
        encoder = ENCODERS.build(model.card.encoder)
        heads = PropertyHeads(encoder.width, learned)
        objective = PropertyObjective(encoder, heads, weights={p.name: _KEPT for p in learned[len(study.names) :]})
        slow = _started(how, model, encoder)
        graph = Batcher(with_targets(study.graph(encoder.needs), targets))
        parts = graph.take(part.train), graph.take(part.choose)
        heads.fit_scale(parts[0].targets)
        if how.heads:
            heads.take(renamed(model, DFT_OF).heads)
            heads.take(model.heads)
        fit(objective, *parts, optimisation, Path(folder), rates=slow)
    judging = np.concatenate([part.choose, part.test])
    found = np.full(study.labels.shape, np.nan)
    found[judging] = _values(objective, graph, judging)[:, : len(study.names)] + (
        study.dft[judging] if how.delta else 0
    )
    values = {
        name: {
            "choose": rows_of(
                study, part.choose[np.isfinite(targets[part.choose, column])], physical(name, found[:, column])
            ),
            "test": rows_of(study, known(study, draw, size, column)[1], physical(name, found[:, column])),
        }
        for column, name in enumerate(study.names)
    }
    return {"values": values, "optimisation": optimisation.model_dump(mode="json"), "network": how._asdict()}


def _learned(study: Study, how: Network, labels: np.ndarray) -> tuple[list[Property], np.ndarray]:
    """Return the properties that a network learns, the measured ones first, and their targets, NaN where unknown."""
    measured_ones = [properties.get(name) for name in study.names]
    if how.delta:
        return [replace(p, range=(-np.inf, np.inf)) for p in measured_ones], labels - study.dft
    if not how.keep:
        return measured_ones, labels
    kept, own = load(MODEL).card.properties, study.predicted(MODEL)
    own = np.where([p.transform == "log10" for p in kept], 10**own, own)
    return [*measured_ones, *kept], np.concatenate([labels, own], axis=1)


def _started(how: Network, model: Predictor, encoder: Any) -> dict[str, float]:
    """Give an encoder the weights of the start, and return the factors on its rates."""
    if not how.start:
        return {}
    report = transfer(encoder, {f"encoder.{name}": value for name, value in model.encoder.state_dict().items()})
    freeze(encoder, how.frozen, report)
    return rates(encoder, how.decay, report)


@torch.inference_mode()
def _values(objective: PropertyObjective, graph: Batcher, rows: np.ndarray) -> np.ndarray:
    """Return predictions in the units of the properties."""
    heads = objective.supervision.heads
    cuts = np.array_split(rows, -(-len(rows) // 50))
    return np.concatenate([heads.physical(heads(objective.encoder(graph.take(at)).crystals)).numpy() for at in cuts])
