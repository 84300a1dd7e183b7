"""A benchmark that takes seconds: two regimes of a small network on sixty crystals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.benchmark.card import Divided, LeakageCounts, Place, PlanUsed, PropertyResult, Result, RowCard, Source
from cryskit.benchmark.draw import DataSet
from cryskit.benchmark.facts import machine
from cryskit.benchmark.plan import BenchmarkPlan, Row
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
        "encoders": {"cgcnn": {"name": "cgcnn", "width": 8, "layers": 1, "count": 6, "radius": 5.0}},
        "regimes": {"scratch": {}, "squared": {"objective": {"name": "property", "loss": "squared"}}},
        "plan": {"optimisation": {"edges": 1000, "accelerator": "cpu"}},
        "budget": {"epochs": 2},
        "least": 5,
    }
    return BenchmarkPlan.model_validate(values | changes)


def data(crystals: Sequence[Crystal] = CRYSTALS) -> dict[str, DataSet]:
    rows = list(crystals)
    return {"elastic": DataSet(rows, rows, manifest(rows), [splits.make(rows, seed=0)], "elastic")}


def row_card(
    row: Row,
    *,
    properties: tuple[PropertyResult, ...] = (),
    predictions: str = "",
    leakage: LeakageCounts | None = None,
    reason: str = "",
    traceback: str = "",
) -> RowCard:
    """Return the card of a row without doing it."""
    result = Result(
        properties=properties,
        encoder={"name": row.encoder},
        parameters=10,
        plan=PlanUsed(hash="plan", values={}),
        epoch=1,
        epochs=2,
        model="model.safetensors",
        crystals={"training": 100, "test": 40},
        predictions=predictions,
        training_seconds=1.0,
    )
    return RowCard(
        status="failed" if reason else "done",
        reason=reason,
        traceback=traceback,
        benchmark="small",
        hash="-".join(map(str, row)),
        row=Place(**row._asdict()),
        date=f"2026-01-0{1 + row.seed}",
        data=Source(source="x", manifest="m", labels="l"),
        split=Divided(name="s", hash="h"),
        machine=machine(),
        seconds=2.0,
        memory_mib={"process": 5.0},
        result=None if reason else result,
        leakage=leakage,
    )


def spoiled(crystals: Sequence[Crystal], hidden: Sequence[str]) -> list[Crystal]:
    """Return the crystals with other labels for those that are hidden."""
    values = np.random.default_rng(0).uniform(1, 1000, len(crystals)).tolist()
    return [
        replace(c, targets={"bulk_modulus": value}) if c.id in hidden else c
        for c, value in zip(crystals, values, strict=True)
    ]
