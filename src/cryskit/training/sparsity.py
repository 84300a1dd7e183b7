"""Train a feature selector with several penalties; validation decides how many features it may keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import replacing, write_json
from cryskit.explain.selector import features_left
from cryskit.predict.card import read_card
from cryskit.predict.load import load
from cryskit.training.fit import seeded
from cryskit.training.settle import settle
from cryskit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryskit.data.splits import Split
    from cryskit.predict.card import Card
    from cryskit.training.plan import Plan
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal

PENALTIES = (0.03, 0.1, 0.3, 1.0)
"""Penalties that are tried."""

PATH = "selector.json"
"""File of a run with what each penalty selected, and its error."""


class Chosen(NamedTuple):
    """The sparsest model that is as good as the best.

    Attributes:
        card: Card of the model.
        folder: Folder of its run.
    """

    card: Card
    folder: Path


def train_sparsest(
    plan: Plan | SettledPlan,
    crystals: Sequence[Crystal],
    split: Split,
    out: Path,
    folder: Path,
    penalties: Sequence[float] = PENALTIES,
    *,
    name: str | None = None,
    **settings: Any,
) -> Chosen:
    """Train with one penalty after another and keep the sparsest model that is as good as the best.

    As good: its validation error is at most one standard error above the lowest. The error is the mean over properties of
    the mean absolute error over the mean absolute deviation, of logarithms where a property is learned as one. A call that
    was killed goes on where it was.

    Args:
        plan: Plan of the run; its encoder takes a selector as input, whose penalty is set here.
        crystals: The whole data set that the split divides.
        split: Which crystals train and which choose the epoch and the penalty.
        out: The model file to write.
        folder: Folder of the whole; each run has a folder in it.
        penalties: Penalties to try.
        name: Name of the model; the stem of `out` by default.
        settings: Further arguments of `training.train.train`.

    Raises:
        DataError: A property has no labels, or the data is not that of the split.
        PlanError: The plan contradicts itself, or `folder` holds another run.
    """
    settled = settle(plan)
    given = settled.asked.encoder.get("inputs")
    inputs = given if isinstance(given, dict) else {"name": "selector"}
    settings.setdefault("cache", folder)
    tried = []
    for penalty in sorted(penalties):
        one = settled.with_encoder(settled.asked.encoder | {"inputs": inputs | {"penalty": penalty}})
        place = folder / f"penalty-{penalty:g}"
        file = place / "model.safetensors"
        card = train(one, crystals, split, file, place, name=name or out.stem, **settings)
        tried.append({"penalty": penalty, **error_of(card.metrics), **_counts(file)})
        write_json(tried, folder / PATH)
    place = folder / f"penalty-{sparsest(tried):g}"
    with replacing(out) as temporary:
        temporary.write_bytes((place / "model.safetensors").read_bytes())
    return Chosen(read_card(out), place)


def sparsest(tried: Sequence[Mapping[str, float]]) -> float:
    """Return the largest penalty whose error is within one standard error of the lowest.

    Args:
        tried: Figures of each penalty: `penalty`, `error` and `standard_error`.
    """
    best = min(tried, key=lambda one: one["error"])
    most = best["error"] + best["standard_error"]
    return max(one["penalty"] for one in tried if one["error"] <= most)


def error_of(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the relative error of a model and its standard error, means over properties.

    The errors of several properties of a crystal go together, so having several makes the standard error no smaller.

    Args:
        metrics: Validation metrics on the card of the model.
    """
    errors, deviations = [], []
    for found in metrics.values():
        if "error_rate" in found:
            wrong, guessed = found["error_rate"], max(1 - found["most_frequent"], 1 / found["n"])
            errors.append(wrong / guessed)
            deviations.append((wrong * (1 - wrong) / found["n"]) ** 0.5 / guessed)
            continue
        end = "_log10" if "mae_log10" in found else ""
        n, mae, rmse, mad = (found[f"{figure}{end}"] for figure in ("n", "mae", "rmse", "mad"))
        errors.append(mae / mad)
        deviations.append((max(rmse**2 - mae**2, 0) / n) ** 0.5 / mad)
    return {"error": sum(errors) / len(errors), "standard_error": sum(deviations) / len(deviations)}


def _counts(file: Path) -> dict[str, int]:
    with seeded(0):  # a network is made with random weights before those of the file are read
        left = features_left(load(file).encoder)
    return {"bits": sum(map(len, left.values())), "blocks": sum(map(bool, left.values()))}
