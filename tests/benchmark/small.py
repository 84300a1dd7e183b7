"""A benchmark that takes seconds: two regimes of a small network on sixty crystals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.benchmark.draw import DataSet
from cryskit.benchmark.plan import BenchmarkPlan
from cryskit.data import splits
from cryskit.data.interchange import manifest
from cryskit.data.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 6][:60]


def plan(**changes: Any) -> BenchmarkPlan:
    values = {
        "name": "small",
        "data": {"elastic": {"source": "elastic_tensor", "properties": ["bulk_modulus"]}},
        "encoders": {"cgcnn": {"name": "cgcnn", "width": 8, "layers": 1, "neighbours": 6, "radius": 5.0}},
        "regimes": {"scratch": {}, "squared": {"objective": {"name": "property", "loss": "squared"}}},
        "plan": {"optimisation": {"edges": 1000, "accelerator": "cpu"}},
        "budget": {"epochs": 2},
        "least": 5,
    }
    return BenchmarkPlan.model_validate(values | changes)


def data(crystals: Sequence[Crystal] = CRYSTALS) -> dict[str, DataSet]:
    rows = list(crystals)
    return {"elastic": DataSet(rows, rows, manifest(rows), [splits.make(rows, seed=0)], "elastic")}


def spoiled(crystals: Sequence[Crystal], hidden: Sequence[str]) -> list[Crystal]:
    """Return the crystals with other labels for those that are hidden."""
    values = np.random.default_rng(0).uniform(1, 1000, len(crystals)).tolist()
    return [
        replace(c, targets={"bulk_modulus": value}) if c.id in hidden else c
        for c, value in zip(crystals, values, strict=True)
    ]
