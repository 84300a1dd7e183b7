"""The baseline that knows the composition only: 132 Magpie features (doi 10.1038/npjcompumats.2016.28) and boosted trees.

    python benchmarks/magpie.py --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0-80.json

Needs the extra `baselines`. The rows are those of `few_labels.py` for the same size and seed; a second baseline predicts the
mean of the training rows. Runs that are in the card already are not repeated.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import labels
import numpy as np
from matminer.featurizers.composition import ElementProperty
from pymatgen.core import Composition, Element
from sklearn.ensemble import HistGradientBoostingRegressor

from cryskit import properties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal

_ARMS = ("magpie", "mean")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the baselines for every size and seed and keep their test errors in a card."""
    asked = labels.options(__doc__ or "", arguments)
    crystals, split = labels.data(asked)
    path = asked.out / "magpie.json"
    card = labels.open_card(path, "Magpie features with boosted trees, and the mean", asked, split, crystals)
    features = _features(crystals)
    row = {crystal.id: i for i, crystal in enumerate(crystals)}
    for percent, seed in labels.sizes(asked):
        part = labels.part(split, percent, seed)
        for arm in _ARMS:
            if labels.find(card, arm, percent, seed):
                continue
            started = time.monotonic()
            rows = {name: [row[i] for i in getattr(part, name)] for name in ("train", "test")}
            errors = {name: _error(arm, features, crystals, rows, name) for name in labels.PROPERTIES}
            taken = round(time.monotonic() - started, 1)
            run = {"arm": arm, "percent": percent, "seed": seed, "train": len(part.train), "seconds": taken}
            labels.add_run(path, card, run | {"test": errors})
            print(run | {"test": errors}, flush=True)


def _features(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the Magpie features of the composition of each crystal, (B, 132)."""
    featurizer = ElementProperty.from_preset("magpie", impute_nan=True)
    compositions = []
    for crystal in crystals:
        numbers, counts = np.unique(crystal.numbers, return_counts=True)
        compositions.append(Composition({Element.from_Z(int(z)): int(n) for z, n in zip(numbers, counts, strict=True)}))
    return np.array([featurizer.featurize(composition) for composition in compositions])


def _error(
    arm: str, features: np.ndarray, crystals: Sequence[Crystal], rows: dict[str, list[int]], name: str
) -> dict[str, float]:
    truth = labels.learned(properties.get(name), [crystal.targets.get(name, np.nan) for crystal in crystals])
    train = [i for i in rows["train"] if np.isfinite(truth[i])]
    test = [i for i in rows["test"] if np.isfinite(truth[i])]
    if arm == "mean":
        found = np.full(len(test), truth[train].mean())
    else:
        model = HistGradientBoostingRegressor(max_iter=500, learning_rate=0.05, random_state=0)
        found = model.fit(features[train], truth[train]).predict(features[test])
    return {"n": len(test), "mae": round(float(np.abs(found - truth[test]).mean()), 6)}


if __name__ == "__main__":
    main()
