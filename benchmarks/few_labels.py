"""Few labels: what a pre-trained start and a feature selector change, at equal budgets.

    python benchmarks/few_labels.py --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0-80.json

Every run learns the seven properties of the CrysXPP paper together (doi 10.1038/s41524-022-00716-8) with one network. Arms
differ in where the network starts and in its input layer only. Runs that are in the card already are not repeated; a run
that was stopped goes on.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import labels
import numpy as np
import torch

from cryskit.cli.memory import keep_pages
from cryskit.evaluate.evaluate import evaluate
from cryskit.predict.predictor import load
from cryskit.training.plan import Plan
from cryskit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.data.splits import Split
    from cryskit.types import Crystal

_PLAN = Path(__file__).resolve().parent / "plans" / "few-labels.yaml"
_CARD = "few-labels.json"
EPOCHS: Mapping[int, int] = MappingProxyType({2: 50, 5: 40, 10: 30, 20: 24, 40: 16, 80: 10})
"""Percent of the crystals that train, to passes over them: the same for every arm."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every arm at every size and seed and keep the test errors in a card."""
    asked = labels.options(
        __doc__ or "",
        arguments,
        arms={"nargs": "+", "default": ("scratch", "start", "selector"), "choices": ("scratch", "start", "selector")},
        start={"default": "crysae", "help": "the pre-trained file of the arms start and selector"},
        runs={"type": Path, "default": Path("runs/few-labels"), "help": "where runs and their predictions are kept"},
    )
    keep_pages()
    torch.set_num_threads(1)
    crystals, split = labels.data(asked)
    path = asked.out / _CARD
    card = labels.open_card(
        path, "Few labels: scratch, CrysAE start, CrysAE start with selector", asked, split, crystals
    )
    card["plan"], card["epochs"] = Plan.from_yaml(_PLAN).model_dump(mode="json"), dict(EPOCHS)
    for percent, seed in labels.sizes(asked):
        for arm in asked.arms:
            if labels.find(card, arm, percent, seed) is None:
                found = run(arm, percent, seed, asked, crystals, split)
                labels.add_run(path, card, found)
                print(found, flush=True)


def plan_of(arm: str, percent: int, seed: int, start: str) -> Plan:
    """Return the plan of a run: the file's, with the budget of the size and what the arm changes."""
    values = Plan.from_yaml(_PLAN).model_dump(mode="json")
    values["optimisation"] |= {"epochs": EPOCHS[percent], "seed": seed}
    if arm != "scratch":
        values["start"] = {"file": start}
    if arm == "selector":
        values["encoder"]["inputs"] = "selector"
    return Plan.make(values)


def run(arm: str, percent: int, seed: int, asked: Any, crystals: Sequence[Crystal], split: Split) -> dict[str, Any]:
    """Train and judge one arm at one size and seed; the test predictions stay in the folder of the runs."""
    part = labels.part(split, percent, seed)
    folder = asked.runs / f"{arm}-{percent}-{seed}"
    started = time.monotonic()
    file = folder / "model.safetensors"
    card = train(plan_of(arm, percent, seed, asked.start), crystals, part, file, folder, cache=asked.runs / "graphs")
    taken = round(time.monotonic() - started, 1)
    found = {crystal.id: crystal for crystal in crystals}
    judged = evaluate(load(file), [found[name] for name in split.test])
    judged.table.to_parquet(folder / "test.parquet")
    return {
        "arm": arm,
        "percent": percent,
        "seed": seed,
        "train": card.rows["training"],
        "validation": card.rows["validation"],
        "epoch": card.epoch,
        "seconds": taken,
        "test": {name: figures(judged.metrics[name]) for name in labels.PROPERTIES},
        "validated": {name: figures(card.metrics[name])["mae"] for name in card.metrics},
    }


def figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the mean absolute error, of logarithms where the property is learned as one, and of how many crystals."""
    end = "_log10" if "mae_log10" in metrics else ""
    return {"mae": float(np.round(metrics[f"mae{end}"], 6)), "n": int(metrics[f"n{end}"])}


if __name__ == "__main__":
    main()
