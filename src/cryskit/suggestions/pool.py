"""The crystals that can be suggested and those whose value is known: what a model says of them, and their vectors."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryskit.data.read import read
from cryskit.errors import DataError, PlanError, counted, suggestion
from cryskit.graphs.build import build_usable
from cryskit.graphs.structure_hash import structure_hashes
from cryskit.predict.load import load
from cryskit.properties import load as registered
from cryskit.properties import registered_or_new
from cryskit.reliability.intervals import ONE_DEVIATION
from cryskit.small_data.joined import with_structures
from cryskit.small_data.sources import source_of, vectors_of
from cryskit.small_data.table import SPEC, learned_of
from cryskit.suggestions.surrogate import FEWEST, Prior
from cryskit.types import Crystal, Property

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float

    from cryskit.types import Failure, Prediction

CHUNK = 512
"""Crystals whose graphs are held at a time."""

_SMALLEST = 0.01  # of the median deviation: no prediction is taken for more certain


@dataclass(frozen=True)
class Pool:
    """Crystals with what is known of them, on the scale on which the property is learned.

    Attributes:
        crystals: Candidates and measured crystals.
        values: (n,) measured values; NaN for candidates.
        prior: What the model says of each.
        vectors: (n, width) their vectors.
        predictions: What the model predicts of each; empty if it does not predict the property.
        wanted: The property.
        unusable: Number of rows that are no usable crystals.
        copies: Number of candidates that were left out, as another candidate or a measured crystal has their structure.
        without_value: Ids of the rows that were given as measured but have no value that can be used, or are no candidates.
    """

    crystals: list[Crystal]
    values: Float[np.ndarray, " n"]
    prior: Prior
    vectors: Float[np.ndarray, "n width"]
    predictions: list[Prediction]
    wanted: Property
    unusable: int
    copies: int
    without_value: list[str]

    @property
    def measured(self) -> Bool[np.ndarray, " n"]:
        """Which crystals have a measured value."""
        found: np.ndarray = np.isfinite(self.values)
        return found


def pool_of(candidates: Any, measured: Any, model: str | Path, name: str, limit: int) -> Pool:
    """Read candidates and measured crystals, and let a model judge them.

    Args:
        candidates: Whatever `read` takes.
        measured: Crystals with values of the property, whatever `read` takes; or a table of ids of candidates with values; None if
            nothing is measured.
        model: A published model or a model file.
        name: Name of the property.
        limit: Atoms that a cell may have.

    Raises:
        DataError: No candidate can be used, or nothing that is given as measured has a value.
        PlanError: The model says nothing of the property, or not how uncertain it is, and too few values are measured to do without.
    """
    items = list(read(candidates, limit=limit))
    predictor = load(model)
    wanted = next((p for p in predictor.card.properties if p.name == name), None) or registered_or_new(name)
    if wanted.kind == "class":
        raise PlanError(
            f"{name} is one of several classes, and classes are not sought", "Name a property that is a number"
        )
    known, without = ([], []) if measured is None else _measured(measured, candidates, wanted, limit)
    taken = {crystal.fingerprint for crystal in known} | {(crystal.id, crystal.formula) for crystal in known}
    offered = [item for item in items if isinstance(item, Crystal)]
    free = [c for c in offered if c.fingerprint not in taken and (c.id, c.formula) not in taken]
    every = [*free, *known]
    targets = np.array([*([np.nan] * len(free)), *(crystal.targets[name] for crystal in known)])
    values = learned_of(targets, wanted.transform)
    predictions = list(predictor.stream(every, ONE_DEVIATION)) if wanted in predictor.card.properties else []
    prior = _of_model(predictions, wanted, values) if predictions else _of_values(values, predictor.card.name, wanted)
    vectors, structures, usable = _vectors(every, str(model))
    usable = usable[np.isfinite(prior.mean[usable]) & np.isfinite(prior.deviation[usable])]
    rows = usable[_offered_once(structures[usable], np.isfinite(values[usable]))]
    if np.isfinite(values[rows]).all() or not len(rows):
        raise DataError("No candidate is left that can be used and has no value yet", "Give more crystals")
    return Pool(
        [every[row] for row in rows],
        values[rows],
        prior.take(rows),
        vectors[rows],
        [predictions[row] for row in rows] if predictions else [],
        wanted,
        len(items) - len(offered) + len(every) - len(usable),
        len(usable) - len(rows),
        without,
    )


def _measured(measured: Any, candidates: Any, wanted: Property, limit: int) -> tuple[list[Crystal], list[str]]:
    """Return crystals with values, from crystals that have some or from a table of ids of candidates; and the ids of the other rows."""
    name, (low, high) = wanted.name, wanted.range

    def usable(item: Crystal | Failure) -> bool:
        value = item.targets.get(name, np.nan) if isinstance(item, Crystal) else np.nan
        return low <= value <= high and (wanted.transform != "log10" or value > 0)

    rows: list[Crystal | Failure] = []
    with suppress(DataError):
        rows = list(read(measured, limit=limit))
    if not any(map(usable, rows)) and (isinstance(measured, pd.DataFrame) or _is_file(measured)):
        rows = list(with_structures(measured, candidates, limit))
    found = [item for item in rows if isinstance(item, Crystal) and usable(item)]
    if not found:
        raise DataError(
            f"Nothing that is given as measured has a value of {name}",
            _or_meant(name, f"Give crystals with {name}, or a table of the ids of candidates with a column {name}"),
        )
    return found, [item.id for item in rows if not usable(item)]


def _of_model(predictions: Sequence[Prediction], wanted: Property, values: np.ndarray) -> Prior:
    """Return what a model predicts, and its calibrated deviations or, of one that has none, the error at measured crystals."""
    name = wanted.name
    mean = learned_of(np.array([one.values.get(name, np.nan) for one in predictions]), wanted.transform)
    high = [one.intervals[name][1] if name in one.intervals else np.nan for one in predictions]
    deviation = learned_of(np.array(high), wanted.transform) - mean
    if np.isfinite(deviation).any():
        return Prior(mean, np.maximum(deviation, _SMALLEST * np.nanmedian(deviation)))
    errors = (values - mean)[np.isfinite(values)]
    if len(errors) < FEWEST:
        raise PlanError(
            f"The model does not say how uncertain its {name} is, and {counted(len(errors), 'value')} measured",
            f"Calibrate it (`cryskit calibrate`), or give {FEWEST} measured values or more",
        )
    return Prior(mean, np.full(len(mean), max(float(np.sqrt((errors**2).mean())), 1e-12)))


def _of_values(values: np.ndarray, model: str, wanted: Property) -> Prior:
    """Return mean and deviation of the measured values, for a model that does not predict the property."""
    count = int(np.isfinite(values).sum())
    if count < FEWEST:
        raise PlanError(
            f"{model} does not predict {wanted.name}, and {counted(count, 'value')} measured",
            _or_meant(wanted.name, f"Give a model that predicts it, or {FEWEST} measured values or more"),
        )
    return Prior.of_values(values)


def _is_file(source: Any) -> bool:
    return isinstance(source, str | Path) and not Path(source).is_dir()


def _or_meant(name: str, otherwise: str) -> str:
    """Return what to do about a property of which nothing is known: another spelling, if it is not registered and like one that is."""
    return otherwise if name in registered() else suggestion(name, registered(), otherwise)


def _offered_once(structures: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return which rows stay: all that are measured, and the first of each structure of which none is."""
    kept = measured.copy()
    kept[np.unique(structures, return_index=True)[1]] = True
    return kept & (measured | ~np.isin(structures, structures[measured]))


def _vectors(crystals: Sequence[Crystal], model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors of all levels of the encoder of a model, hashes of structures, and the rows that have them."""
    source = source_of(model)
    found = np.zeros((len(crystals), source.width), np.float32)
    structures, rows = np.zeros(len(crystals), np.uint64), list[int]()
    for start in range(0, len(crystals), CHUNK):
        graph, errors = build_usable(list(crystals[start : start + CHUNK]), SPEC)
        used = [start + i for i in range(min(CHUNK, len(crystals) - start)) if i not in errors]
        found[used], structures[used] = vectors_of(graph, source), structure_hashes(graph)
        rows += used
    return found, structures, np.array(rows, dtype=int)
