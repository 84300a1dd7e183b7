"""What the cards of a benchmark say together: errors over seeds, gains over a base with their intervals, ranks.

Errors are absolute errors of test crystals, of the logarithm where the property is learned as one; of a class 1 where it is
wrong and 0 where it is right. Two regimes are compared
on the same test crystals and seeds. The interval of a gain is that of a paired bootstrap: test crystals and seeds are drawn
with replacement, both regimes' errors of what was drawn are averaged, and the 2.5 and 97.5 percentiles of the gain are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryskit.benchmark.card import PropertyResult, RowCard

DRAWS = 2000
"""Number of samples of the bootstrap."""
MEAN = "mean"
"""What stands in place of a property for the mean over all of them."""

_CHUNK = 100  # draws at a time, so that the counts of many test crystals fit into memory
_TAIL = 2.5  # percent of the draws beyond either end of an interval
_PLACE = ["data", "property", "fraction"]


class Gain(NamedTuple):
    """How much smaller the error of a regime is than that of the base.

    Attributes:
        data: Name of the data set, "" for the mean.
        property: Name of the property, or "mean".
        fraction: Share of the crystals that trained.
        encoder: Name of the encoder.
        regime: Regime that is compared with the base.
        seeds: Number of seeds.
        crystals: Number of test crystals.
        gain: Difference of the errors in percent of the error of the base.
        low: Lower end of the 95 % interval in percent.
        high: Upper end of the 95 % interval in percent.
    """

    data: str
    property: str
    fraction: float
    encoder: str
    regime: str
    seeds: int
    crystals: int
    gain: float
    low: float
    high: float


def results(cards: Sequence[RowCard]) -> pd.DataFrame:
    """Return one row for each property of each card that is done: its place, errors and sizes."""
    rows = [
        {
            **card.row.model_dump(),
            "property": prop.name,
            "error": prop.error,
            "validation": prop.validation_error,
            "unit": prop.error_unit,
            "training": result.crystals["training"],
            "epoch": result.epoch,
            "parameters": result.parameters,
            "seconds": result.training_seconds,
            "memory_mib": card.memory_mib.get("process", np.nan),
        }
        for card in cards
        if (result := card.result)
        for prop in result.properties
    ]
    return pd.DataFrame(rows)


def class_figures(cards: Sequence[RowCard]) -> pd.DataFrame:
    """Return the figures of merit of every class on the test crystals, means over seeds and folds.

    Args:
        cards: Cards of a benchmark.

    Returns:
        One row per data set, property, fraction, encoder and regime, with a column per figure of `evaluate.class_metrics`; empty
        if no class was learned.
    """
    rows = [
        {**card.row.model_dump(exclude={"seed", "fold"}), "property": prop.name, **prop.test}
        for card in cards
        for prop in (card.result.properties if card.result else ())
        if prop.classes and prop.test
    ]
    keys = [*_PLACE, "encoder", "regime"]
    return pd.DataFrame(rows).groupby(keys, sort=False, as_index=False).mean() if rows else pd.DataFrame()


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation of the test error over seeds (and folds) for each model.

    Args:
        table: Row per property and card, from `results`.

    Returns:
        One row per data set, property, fraction, encoder and regime, with the columns training, runs, mean and deviation (NaN
        for a single run), unit, validation, parameters, seconds, memory_mib.
    """
    keys = [*_PLACE, "encoder", "regime"]
    return table.groupby(keys, sort=False, as_index=False).agg(
        training=("training", "mean"),
        runs=("error", "count"),
        mean=("error", "mean"),
        deviation=("error", "std"),
        unit=("unit", "first"),
        validation=("validation", "mean"),
        parameters=("parameters", "first"),
        seconds=("seconds", "mean"),
        memory_mib=("memory_mib", "max"),
    )


def gains(cards: Sequence[RowCard], folder: Path, base: str) -> list[Gain]:
    """Return the gain of every regime over the base, for each property and for the mean over those that both have.

    Args:
        cards: Cards of the benchmark.
        folder: Folder of its predictions.
        base: Regime to compare with.
    """
    measured = _measured(cards, folder)
    rows: list[Gain] = []
    means: dict[tuple[float, str, str], list[tuple[Gain, np.ndarray]]] = {}
    for (*place, encoder, regime), others in measured.items():
        bases = measured.get((*place, encoder, base))
        paired = None if bases is None or regime == base else _paired(bases, others)
        if paired is None:
            continue
        draws = bootstrap(*paired)
        data, prop, fraction = place
        seeds, crystals = paired[0].shape
        low, high = _interval(draws)
        rows.append(Gain(data, prop, fraction, encoder, regime, seeds, crystals, gain(*paired), low, high))
        means.setdefault((fraction, encoder, regime), []).append((rows[-1], draws))
    for (fraction, encoder, regime), parts in means.items():
        if len(parts) > 1:
            one = [part for part, _ in parts]
            low, high = _interval(np.mean([draws for _, draws in parts], axis=0))
            seeds, crystals = min(part.seeds for part in one), sum(part.crystals for part in one)
            middle = float(np.mean([part.gain for part in one]))
            rows.append(Gain("", MEAN, fraction, encoder, regime, seeds, crystals, middle, low, high))
    return rows


def gain(base: np.ndarray, other: np.ndarray) -> float:
    """Return by how many percent the mean error is smaller than that of the base.

    Args:
        base: (seeds, crystals) absolute errors.
        other: (seeds, crystals) absolute errors for the same seeds and crystals.
    """
    return float(_percent(base.mean(), other.mean()))


def bootstrap(base: np.ndarray, other: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return the gains of samples of seeds and crystals drawn with replacement, the same for both.

    Args:
        base: (seeds, crystals) absolute errors.
        other: (seeds, crystals) absolute errors for the same seeds and crystals.
        draws: Number of samples.
        seed: Seed of the samples.

    Returns:
        (draws,) percent.
    """
    chance = np.random.default_rng(seed)
    seeds, crystals = base.shape
    found = []
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        rows = chance.multinomial(seeds, np.full(seeds, 1 / seeds), size)
        columns = chance.multinomial(crystals, np.full(crystals, 1 / crystals), size)
        sums = [np.einsum("ds,sc,dc->d", rows, errors, columns, optimize=True) for errors in (base, other)]
        found.append(_percent(*sums))
    return np.concatenate(found)


def _percent(base: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the gain in percent; over a base without error, which classes may have, 0 for none and -100 for any error."""
    ratio = np.where(base > 0, other / np.where(base > 0, base, 1), 1.0 + (other > 0))
    return np.asarray(100 * (1 - ratio))


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean rank of each model (encoder and regime) over data sets and properties, by fraction.

    Args:
        table: Table of errors, from `errors`.

    Returns:
        One row per fraction, encoder and regime: rank (1 is best; ties share) and over how many tasks; best first.
    """
    ranked = table.assign(rank=table.groupby(_PLACE)["mean"].rank())
    mean = ranked.groupby(["fraction", "encoder", "regime"], sort=False, as_index=False)
    found = mean.agg(rank=("rank", "mean"), tasks=("rank", "count"))
    return found.sort_values(["fraction", "rank"], kind="stable", ignore_index=True)


def _measured(cards: Sequence[RowCard], folder: Path) -> dict[tuple[Any, ...], dict[int, pd.Series[float]]]:
    """Return for every model (data, property, fraction, encoder, regime) its absolute errors by seed and crystal."""
    found: dict[tuple[Any, ...], dict[int, list[pd.Series[float]]]] = {}
    for card in cards:
        if card.result:
            row, table = card.row, pd.read_parquet(folder / card.result.predictions).set_index("id")
            for prop in card.result.properties:
                key = (row.data, prop.name, row.fraction, row.encoder, row.regime)
                found.setdefault(key, {}).setdefault(row.seed, []).append(_absolute(prop, table))
    return {key: {seed: pd.concat(folds) for seed, folds in seeds.items()} for key, seeds in found.items()}


def _absolute(prop: PropertyResult, table: pd.DataFrame) -> pd.Series[float]:
    values, truth = table[prop.name], table[f"{prop.name}_true"]
    if prop.classes:
        wrong: pd.Series[float] = (values != truth).astype(float).where(values.notna() & truth.notna())
        return wrong
    if prop.transform == "log10":
        values, truth = (np.log10(column.where(column > 0)) for column in (values, truth))
    found: pd.Series[float] = (values - truth).abs()
    return found


def _paired(bases: Mapping[int, pd.Series[float]], others: Mapping[int, pd.Series[float]]) -> Any:
    """Return the errors of both on the seeds and crystals that both have, (seeds, crystals) each; None if there are none."""
    seeds = [seed for seed in bases if seed in others]
    if not seeds:
        return None
    tables = [pd.DataFrame({seed: table[seed] for seed in seeds}) for table in (bases, others)]
    whole = pd.concat(tables, axis=1, join="inner").dropna()
    both: np.ndarray = whole.to_numpy().T
    return (both[: len(seeds)], both[len(seeds) :]) if len(whole) else None


def _interval(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(draws, (_TAIL, 100 - _TAIL))
    return float(low), float(high)
