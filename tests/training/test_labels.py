"""Labels that cannot be train nothing, choose no epoch, and are counted and listed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cryskit import properties
from cryskit.data import splits
from cryskit.data.sources import open_source
from cryskit.predict.load import load
from cryskit.training.labels import IMPOSSIBLE, without_impossible
from cryskit.training.plan import Plan
from cryskit.training.train import train

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 8][:50]
SPLIT = splits.make(CRYSTALS, "random", fractions=(0.6, 0.2, 0.2), seed=0)
PLAN = Plan.make(
    {
        "properties": ["bulk_modulus", "shear_modulus"],
        "encoder": {"name": "cgcnn", "width": 8, "layers": 1},
        "optimisation": {"epochs": 1, "edges": 1000, "accelerator": "cpu"},
    }
)


def test_labels_that_cannot_be_are_left_out_counted_and_listed(tmp_path: Path) -> None:
    wrong = {SPLIT.train[0]: 1e12, SPLIT.train[1]: -5.0, SPLIT.validation[0]: math.inf}
    spoiled = [replace(c, targets={**c.targets, "bulk_modulus": wrong[c.id]}) if c.id in wrong else c for c in CRYSTALS]
    absent = [
        replace(c, targets={k: v for k, v in c.targets.items() if k != "bulk_modulus"}) if c.id in wrong else c
        for c in CRYSTALS
    ]
    card = train(PLAN, spoiled, SPLIT, tmp_path / "a.safetensors", tmp_path / "a")
    same = train(PLAN, absent, SPLIT, tmp_path / "b.safetensors", tmp_path / "b")
    assert card.rows == {**same.rows, "impossible labels": 3}
    assert card.metrics == same.metrics
    values = [load(tmp_path / f"{name}.safetensors").predict(CRYSTALS[:5])["bulk_modulus"].tolist() for name in "ab"]
    assert values[0] == values[1]
    rows = json.loads((tmp_path / "a" / IMPOSSIBLE).read_text())
    assert [(row["crystal"], row["property"], row["value"]) for row in rows] == [
        (name, "bulk_modulus", "inf" if math.isinf(value) else value) for name, value in wrong.items()
    ]
    assert not (tmp_path / "b" / IMPOSSIBLE).exists()


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("formation_energy_per_atom", (-4.594, 4.51), (-13.57, -9.72, math.nan, -math.inf)),
        ("band_gap", (0.0, 17.65), (-0.1, 1e12)),
        ("bulk_modulus", (0.02, 443.0), (-1.0, 0.0, 1e5)),
        ("poisson_ratio", (-0.12, 0.47), (0.7, -3.0)),
    ],
)
def test_bounds_keep_what_has_been_measured_or_computed_rightly(
    name: str, right: tuple[float, ...], wrong: tuple[float, ...]
) -> None:
    crystals = [replace(CRYSTALS[0], targets={name: value, "other": value}) for value in (*right, *wrong)]
    kept, found = without_impossible(crystals, [properties.get(name)])
    assert [crystal.targets.get(name) for crystal in kept[: len(right)]] == list(right)
    assert [one.value for one in found] == [value for value in wrong if not math.isnan(value)]
    assert all("other" in crystal.targets for crystal in kept)
