"""Feature selectors side by side: what they select, whether they select it again, and what it costs.

    python -m benchmarks.studies.selected_features

Trains a small CGCNN on the bundled elastic tensors without a selector, with the paper's form of it (doi
10.1038/s41524-022-00716-8) and with gates at several penalties, each from several seeds on the same split. Then it plants a
target that is a sum over the shares of atoms that have two known features, and looks whether these are found. Runs that are in
the card already are not repeated; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from benchmarks.speed import machine
from cryskit import elements
from cryskit.atomic_write import replacing
from cryskit.data.interchange import manifest
from cryskit.data.sources import open_source
from cryskit.data.splits import make
from cryskit.errors import ModelError
from cryskit.evaluate.evaluate import evaluate
from cryskit.explain.selector import strength_table
from cryskit.predict.load import load
from cryskit.training.plan import Plan
from cryskit.training.sparsity import error_of, sparsest
from cryskit.training.train import train
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.data.splits import Split

_CARD = machine.RESULTS / "selector.json"
SOURCE = "elastic_tensor"
PROPERTIES = ("bulk_modulus", "shear_modulus")
PENALTIES = (0.1, 0.3, 1.0)
ARMS: Mapping[str, Any] = MappingProxyType(
    {
        "none": "features",
        "paper": {"name": "selector", "form": "paper"},
        **{f"gates {penalty:g}": {"name": "selector", "penalty": penalty} for penalty in PENALTIES},
    }
)
PLANTED: Mapping[str, float] = MappingProxyType({"electronegativity 1.55 to 1.9": 1.0, "period 4": -1.0})
_PLANTED_ARMS = ("paper", "gates 1")
_NETWORK: Mapping[str, Any] = MappingProxyType({"name": "cgcnn", "width": 32, "layers": 2})
_LOOP: Mapping[str, Any] = MappingProxyType({"rate": 5e-3, "averaging": 0.99, "accelerator": "cpu"})
_PLANTED_LOOP: Mapping[str, Any] = MappingProxyType({**_LOOP, "rate": 1e-2})


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not in the card yet, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds of weights and order")
    parser.add_argument("--planted-seeds", type=int, default=2, help="number of seeds of the planted target")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--planted-epochs", type=int, default=240)
    parser.add_argument("--runs", type=Path, default=Path("runs/selector"), help="where runs are kept")
    parser.add_argument("--out", type=Path, default=_CARD, help="the card")
    asked = parser.parse_args(arguments)
    crystals = [planted(item) for item in open_source(SOURCE) if isinstance(item, Crystal)]
    split = make(crystals, "random", seed=0)
    card = opened(asked, crystals, split)
    jobs = [(arm, seed, PROPERTIES) for seed in range(asked.seeds) for arm in ARMS]
    jobs += [(arm, seed, ("planted",)) for seed in range(asked.planted_seeds) for arm in _PLANTED_ARMS]
    done = {(one["arm"], one["seed"], tuple(one["error"])) for one in card["runs"]}
    for arm, seed, properties in jobs:
        if (arm, seed, properties) not in done:
            card["runs"].append(run(arm, seed, properties, asked, crystals, split))
            card["summary"] = summary(card["runs"], seen(crystals, split))
            with replacing(asked.out) as temporary:
                temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    show(card)


def planted(crystal: Crystal) -> Crystal:
    """Return the crystal with the planted target."""
    shares = elements.features()[crystal.numbers].mean(0)
    value = sum(weight * shares[_names().index(name)] for name, weight in PLANTED.items())
    return replace(crystal, targets={**crystal.targets, "planted": float(value)})


def opened(asked: argparse.Namespace, crystals: Sequence[Crystal], split: Split) -> dict[str, Any]:
    """Return the card of an earlier call, or a new one.

    Raises:
        SystemExit: The earlier call was another.
    """
    torch.set_num_threads(1)
    about = {
        "data": {"source": SOURCE, "manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"hash": split.hash, "kind": split.kind, "validation": len(split.validation), "test": len(split.test)},
        "network": dict(_NETWORK),
        "optimisation": {**_LOOP, "epochs": asked.epochs},
        "planted": {"target": dict(PLANTED), "optimisation": {**_PLANTED_LOOP, "epochs": asked.planted_epochs}},
    }
    if not asked.out.exists():
        return {"title": "Feature selectors", **machine.facts(1), **about, "summary": {}, "runs": []}
    card: dict[str, Any] = json.loads(asked.out.read_text(encoding="utf-8"))
    if any(card[key] != value for key, value in about.items()):
        message = f"{asked.out} is of other data or another plan; give another --out"
        raise SystemExit(message)
    return card


def run(
    arm: str,
    seed: int,
    properties: tuple[str, ...],
    asked: argparse.Namespace,
    crystals: Sequence[Crystal],
    split: Split,
) -> dict[str, Any]:
    """Train one network and return its errors and what it selected."""
    loop = (
        {**_PLANTED_LOOP, "epochs": asked.planted_epochs}
        if "planted" in properties
        else {**_LOOP, "epochs": asked.epochs}
    )
    plan = Plan(
        properties=properties,
        encoder={**_NETWORK, "inputs": ARMS[arm]},
        optimisation={**loop, "seed": seed},
    )
    folder = asked.runs / f"{properties[0]}-{arm.replace(' ', '-')}-{seed}"
    started = time.monotonic()
    trained = train(plan, crystals, split, folder / "model.safetensors", folder, cache=asked.runs)
    seconds = round(time.monotonic() - started, 1)
    predictor = load(folder / "model.safetensors")
    judged = evaluate(predictor, split.divide(list(crystals))[2])
    return {
        "arm": arm,
        "seed": seed,
        "epoch": trained.epoch,
        "seconds": seconds,
        "error": {name: _mae(trained.metrics[name]) for name in properties},
        "test_error": {name: _mae(judged.metrics[name]) for name in properties},
        "relative": {name: round(value, 5) for name, value in error_of(trained.metrics).items()},
        "strengths": _strengths(predictor.encoder),
    }


def seen(crystals: Sequence[Crystal], split: Split) -> np.ndarray:
    """Return which bits any training crystal has."""
    numbers = np.concatenate([crystal.numbers for crystal in split.divide(list(crystals))[0]])
    found: np.ndarray = elements.features()[np.unique(numbers)].any(0)
    return found


def summary(runs: Sequence[dict[str, Any]], known: np.ndarray) -> dict[str, Any]:
    """Return what the seeds of each arm have in common."""
    learned = [one for one in runs if "planted" not in one["error"]]
    found: dict[str, Any] = {"bits_seen_in_training": int(known.sum()), "arms": {}, "planted": {}}
    for arm in ARMS:
        of_arm = [one for one in learned if one["arm"] == arm]
        if of_arm:
            found["arms"][arm] = errors(of_arm) | stability(of_arm, known)
    tried = [
        {"penalty": penalty, **found["arms"][f"gates {penalty:g}"]["relative"]}
        for penalty in PENALTIES
        if f"gates {penalty:g}" in found["arms"]
    ]
    if tried:
        found["penalty_by_one_standard_error"] = sparsest(tried)
    for one in (one for one in runs if "planted" in one["error"]):
        found["planted"].setdefault(one["arm"], []).append(discovery(one))
    return found


def discovery(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found of the planted features."""
    strengths = pd.Series(run["strengths"], _names())
    selected = strengths[strengths > 0].sort_values(ascending=False)
    blocks = {elements.block_of(_names().index(name)) for name in selected.index}
    return {
        "seed": run["seed"],
        "test_mae": run["test_error"]["planted"],
        "bits": len(selected),
        "strongest": selected.round(3).head(5).to_dict(),
        "the_two_strongest": set(selected.index[:2]) == set(PLANTED),
        "their_blocks_alone": blocks == {elements.block_of(_names().index(name)) for name in PLANTED},
        "exact": set(selected.index) == set(PLANTED),
    }


def errors(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and deviation over seeds of the errors."""
    frames = {part: pd.DataFrame([one[part] for one in runs]) for part in ("error", "test_error", "relative")}
    return {
        "seeds": len(runs),
        "validation_mae": frames["error"].mean().round(5).to_dict(),
        "validation_deviation": frames["error"].std(ddof=1).round(5).to_dict() if len(runs) > 1 else {},
        "test_mae": frames["test_error"].mean().round(5).to_dict(),
        "relative": frames["relative"].mean().round(5).to_dict(),
    }


def stability(runs: Sequence[dict[str, Any]], known: np.ndarray) -> dict[str, Any]:
    """Return what was selected, and how alike the seeds are in it."""
    if runs[0]["strengths"] is None:
        return {}
    strengths = np.array([one["strengths"] for one in runs])
    blocks = [{elements.block_of(int(bit)) for bit in np.flatnonzero(one)} for one in strengths]
    found: dict[str, Any] = {
        "bits": (strengths > 0).sum(1).tolist(),
        "blocks": [len(names) for names in blocks],
        "blocks_of_all_seeds": sorted(set.intersection(*blocks)),
        "blocks_of_any_seed": sorted(set.union(*blocks)),
        "least_and_largest": [float(strengths.min()), float(strengths.max())],
    }
    if len(runs) > 1:
        pairs = list(combinations(strengths, 2))
        found["spearman"] = _spread([_spearman(*pair) for pair in pairs])
        found["spearman_of_seen_bits"] = _spread([_spearman(a[known], b[known]) for a, b in pairs])
        found["shared_of_selected"] = _spread([((a > 0) & (b > 0)).sum() / ((a > 0) | (b > 0)).sum() for a, b in pairs])
    return found


def show(card: Mapping[str, Any]) -> None:
    """Print the summary."""
    for arm, found in card["summary"]["arms"].items():
        print(arm, json.dumps(found))
    print("penalty by one standard error:", card["summary"].get("penalty_by_one_standard_error"))
    for arm, found in card["summary"]["planted"].items():
        print("planted", arm, json.dumps(found))


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    return float(pd.Series(one).corr(pd.Series(other), method="spearman"))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 4), "least": round(float(np.min(values)), 4)}


def _strengths(encoder: Any) -> list[float] | None:
    try:
        return [round(value, 8) for value in strength_table(encoder)["strength"]]
    except ModelError:
        return None


def _mae(metrics: Mapping[str, float]) -> float:
    return round(metrics.get("mae_log10", metrics["mae"]), 5)


def _names() -> list[str]:
    return [elements.feature_name(bit) for bit in range(elements.FEATURE_COUNT)]


if __name__ == "__main__":
    main()
