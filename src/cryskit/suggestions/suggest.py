"""Suggest which candidates to compute or to make next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy.stats import norm

from cryskit.data.validate import LIMIT
from cryskit.errors import PlanError
from cryskit.goals import Goal
from cryskit.predict.card import read_card
from cryskit.predict.predictor import LEVEL
from cryskit.predict.published import path_of
from cryskit.predict.tables import frame, shortest
from cryskit.predict.units import UNIT
from cryskit.small_data.table import physical
from cryskit.suggestions.acquisition import ACQUISITIONS
from cryskit.suggestions.next_batch import next_batch
from cryskit.suggestions.pool import pool_of
from cryskit.suggestions.surrogate import Space

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cryskit.suggestions.next_batch import Batch
    from cryskit.suggestions.pool import Pool
    from cryskit.types import Property

BATCH = 20
"""Candidates that are suggested unless the caller says otherwise."""
ACQUISITION = "ucb"
"""What a candidate promises unless the caller says otherwise: in replays it found the best twentieth of a set with the fewest labels."""

_REACH = float(
    norm.ppf((1 + LEVEL) / 2)
)  # standard deviations to either side that hold that share of a normal distribution


def suggest(
    candidates: Any,
    model: str | Path,
    goal: str,
    *,
    batch: int = BATCH,
    measured: Any = None,
    acquisition: str = ACQUISITION,
    outside: bool = False,
    seed: int = 0,
    limit: int = LIMIT,
) -> pd.DataFrame:
    """Suggest which candidates to compute or to make next.

    A Gaussian process on the vectors of crystals corrects what the model predicts by the values that were measured since; each candidate
    of the batch is chosen as if the expected values of those before it were known, so that a batch is diverse. Give the
    answers back with `measured` and ask again.

    Args:
        candidates: Whatever `cryskit.read` takes. Each structure is offered once, and none that is measured already.
        model: A published model or a model file that predicts the property and says how uncertain it is; or any other, whose vectors are
            used, with some measured values.
        goal: "max bulk_modulus" (short: "bulk_modulus"), "min band_gap" ("-band_gap") or "band_gap near 1.5".
        batch: Number of candidates to suggest.
        measured: Crystals with values of the property, whatever `cryskit.read` takes; or a table with ids of candidates and values.
        acquisition: What a candidate promises: upper confidence bound ("ucb"), expected improvement ("ei"), probability of improvement
            ("pi"), "uncertainty" (what would teach most), or "mean" (the best expected value).
        outside: Whether candidates outside the domain of the model may be suggested.
        seed: Seed of the principal components and of the kernel.
        limit: Atoms that a cell may have.

    Returns:
        The suggestions, the most promising first: id, path, formula, the expected value of the property with `_std`, `_lo` and `_hi` (nine
        tenths) and what the model alone predicts (`_predicted`), `chance` (the probability that the value is better than the best one known
        or, where nothing is measured, than the best prediction), the domain, status and reason. `attrs` has the model, the units, how
        many values were known (`measured`), how many rows were unusable, how many were left out as copies of other structures (`copies`),
        and the ids of the rows that were given as measured and have no value (`without_value`).

    Raises:
        DataError: No candidate can be used, or nothing that is given as measured has a value.
        PlanError: The goal says nothing, or the model says nothing of it and too few values are measured.

    Example:
        >>> import cryskit
        >>> table = cryskit.suggest("examples", "cryskit-mp", "max bulk_modulus", batch=2)
        >>> table["id"][0]
        'C-diamond'
    """
    wanted, promise = Goal.parse(goal), ACQUISITIONS[acquisition]
    if batch < 1:
        raise PlanError(f"A batch of {batch} candidates", "Ask for one or more")
    pool = pool_of(candidates, measured, model, wanted.name, limit)
    scaled = wanted.on(float(_learned(wanted.value, pool.wanted)))
    points = Space(pool.vectors, seed)(pool.vectors)
    free = np.flatnonzero(~pool.measured & (outside | ~_outside(pool)))
    if not len(free):
        raise PlanError("All candidates are outside the domain of the model", "Allow them (--outside), or give others")
    found = next_batch(points, pool.values, pool.prior, free, scaled, promise, batch, seed)
    return _table(pool, found, _facts(model, pool))


def suggestion_schema(name: str, unit: str) -> pa.Schema:
    """Return the columns of suggestions: what `suggest` returns.

    Args:
        name: Name of the property.
        unit: Its unit.
    """
    quantities = [pa.field(each, pa.float64(), metadata={UNIT: unit}) for each in _quantities(name)]
    before, after = (
        [(each, pa.string()) for each in part] for part in (("id", "path", "formula"), ("domain", "status", "reason"))
    )
    return pa.schema([*before, *quantities, ("chance", pa.float64()), *after])


def _facts(model: str | Path, pool: Pool) -> dict[str, Any]:
    return {
        "model": read_card(path_of(model)).full_name,
        "units": dict.fromkeys(_quantities(pool.wanted.name), pool.wanted.unit),
        "interval": LEVEL,
        "measured": int(pool.measured.sum()),
        "unusable": pool.unusable,
        "copies": pool.copies,
        "without_value": pool.without_value,
    }


def _quantities(name: str) -> list[str]:
    """Return the columns that hold values of the property."""
    return [*(f"{name}{end}" for end in ("", "_std", "_lo", "_hi")), f"{name}_predicted"]


def _table(pool: Pool, found: Batch, facts: dict[str, Any]) -> pd.DataFrame:
    """Return the suggestions as a table, values in the unit of the property."""
    name, transform = pool.wanted.name, pool.wanted.transform
    low, middle, high = (physical(found.mean + shift * found.deviation, transform) for shift in (-_REACH, 0.0, _REACH))
    above, below = (physical(found.mean + sign * found.deviation, transform) for sign in (1, -1))
    numbers = np.stack([middle, (above - below) / 2, low, high], axis=1).astype(
        np.float32
    )  # the precision of predictions
    records = []
    for row, quantities, chance in zip(found.rows.tolist(), shortest(numbers), found.chance.tolist(), strict=True):
        crystal, one = pool.crystals[row], pool.predictions[row] if pool.predictions else None
        values = [*quantities, one.values[name] if one else None]
        records.append(
            {
                "id": crystal.id,
                "path": crystal.path or None,
                "formula": crystal.formula,
                **dict(zip(_quantities(name), values, strict=True)),
                "chance": round(chance, 4),
                "domain": (one.domain if one else "") or None,
                "status": one.status if one else "ok",
                "reason": one.reason if one else "",
            }
        )
    return frame(records, suggestion_schema(name, pool.wanted.unit), facts)


def _outside(pool: Pool) -> np.ndarray:
    """Return which crystals are outside the domain of the model."""
    if not pool.predictions:
        return np.zeros(len(pool.crystals), dtype=bool)
    return np.array([one.domain == "out" for one in pool.predictions])


def _learned(value: float, wanted: Property) -> Any:
    """Return a value on the scale on which the property is learned."""
    if wanted.transform == "log10" and value <= 0:
        raise PlanError(f"{wanted.name} is never {value:g}", "Look for a positive value")
    return np.log10(value) if wanted.transform == "log10" else value
