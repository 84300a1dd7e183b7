"""The baseline that knows the composition only: 132 Magpie features (doi 10.1038/npjcompumats.2016.28) and boosted trees.

    python -m benchmarks.studies.magpie benchmarks/plans/benchmark/few-labels.yaml

Needs the extra `baselines`. The crystals that train and judge are those of the rows of the plan, which has one data set; a second
baseline predicts the mean of the training labels. Runs that are in the card already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matminer.featurizers.composition import ElementProperty
from pymatgen.core import Composition, Element
from sklearn.ensemble import HistGradientBoostingRegressor

from benchmarks.speed import machine
from benchmarks.studies.scales import learned
from cryskit import properties
from cryskit.atomic_write import write_json
from cryskit.benchmark.draw import draw, load
from cryskit.benchmark.plan import BenchmarkPlan
from cryskit.data.validate import LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.benchmark.draw import DataSet, Drawn
    from cryskit.types import Crystal

_ARMS = ("magpie", "mean")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the baselines for every size and seed and keep their test errors in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path, help="plan of a benchmark")
    parser.add_argument("--out", type=Path, default=machine.RESULTS, help="folder of the card")
    asked = parser.parse_args(arguments)
    plan = BenchmarkPlan.from_yaml(asked.plan)
    ((_, source),) = plan.data.items()
    data = load(source, LIMIT, lambda rows, _: iter(rows))
    path = asked.out / "magpie.json"
    card = _opened(path, source.source, data)
    features = dict(zip((c.id for c in data.crystals), magpie_features(data.crystals), strict=True))
    rows = {(row.property, row.fraction, row.seed): row for row in plan.rows()}
    for row in rows.values():
        drawn = draw(data, data.splits[0], row, plan)
        for arm in _ARMS:
            key = {"arm": arm, "percent": round(100 * row.fraction, 3), "seed": row.seed}
            if any(key.items() <= run.items() for run in card["runs"]):
                continue
            started = time.monotonic()
            errors = {name: _error(arm, features, drawn, name) for name in plan.learned(row)}
            taken = round(time.monotonic() - started, 1)
            run = {**key, "train": len(drawn.split.train), "seconds": taken, "test": errors}
            card["runs"].append(run)
            write_json(card, path)
            print(run, flush=True)


def _opened(path: Path, source: str, data: DataSet) -> dict[str, Any]:
    """Return the card of an earlier call on the same split, or a new one.

    Raises:
        SystemExit: The card is of another split.
    """
    (split,) = data.splits
    if path.exists():
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if card["split"]["hash"] != split.hash:
            raise SystemExit(f"{path} is of another split; give another --out")
        return card
    return {
        "title": "Magpie features with boosted trees, and the mean",
        **machine.facts(torch.get_num_threads()),
        "data": {"file": Path(source).name, "manifest": data.manifest, "crystals": len(data.crystals)},
        "split": {"file": split.name, "hash": split.hash, "kind": split.kind, "test": len(split.test)},
        "runs": [],
    }


def magpie_features(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the Magpie features of the composition of each crystal, (B, 132)."""
    featurizer = ElementProperty.from_preset("magpie", impute_nan=True)
    compositions = []
    for crystal in crystals:
        numbers, counts = np.unique(crystal.numbers, return_counts=True)
        compositions.append(Composition({Element.from_Z(int(z)): int(n) for z, n in zip(numbers, counts, strict=True)}))
    return np.array([featurizer.featurize(composition) for composition in compositions])


def _error(arm: str, features: Mapping[str, np.ndarray], drawn: Drawn, name: str) -> dict[str, float]:
    """Return the mean absolute error of a baseline on the test crystals that have a label, and their number."""
    trains = set(drawn.split.train)
    parts = [[c for c in drawn.seen if c.id in trains], drawn.test]
    labels = [learned(properties.get(name), [c.targets.get(name, np.nan) for c in part]) for part in parts]
    known = [np.isfinite(part) for part in labels]
    (train, test) = (part[rows] for part, rows in zip(labels, known, strict=True))
    if arm == "mean":
        found = np.full(len(test), train.mean())
    else:
        rows = [np.array([features[c.id] for c in part])[has] for part, has in zip(parts, known, strict=True)]
        model = HistGradientBoostingRegressor(max_iter=500, learning_rate=0.05, random_state=0)
        found = model.fit(rows[0], train).predict(rows[1])
    return {"n": len(test), "mae": round(float(np.abs(found - test).mean()), 6)}


if __name__ == "__main__":
    main()
