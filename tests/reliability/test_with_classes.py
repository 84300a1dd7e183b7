"""A model of numbers and classes has intervals of the numbers; one of classes alone has a domain and no intervals."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from cryskit.data.sources import open_source
from cryskit.data.splits import make
from cryskit.predict.load import load
from cryskit.training.plan import Plan
from cryskit.training.train import train
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("soft", "hard", "stiff")


def crystals() -> list[Crystal]:
    """Return crystals with a modulus and, by it, one of three classes."""
    found = [row for row in islice(open_source("elastic_tensor"), 160) if isinstance(row, Crystal)]
    edges = np.quantile([c.targets["bulk_modulus"] for c in found], [1 / 3, 2 / 3])
    return [
        replace(c, labels={"kind": KINDS[int(np.searchsorted(edges, c.targets["bulk_modulus"]))]}, text=None)
        for c in found
    ]


def trained(folder: Path, *names: str) -> Path:
    """Return the file of a small model of these properties."""
    rows = crystals()
    split = make(rows, kind="random", fractions=(0.65, 0.1, 0.05, 0.2), seed=0)
    network = {"name": "cgcnn", "width": 8, "layers": 1}
    plan = Plan.make({"properties": list(names), "encoder": network, "optimisation": {"epochs": 1}})
    train(plan, rows, split, folder / "m.safetensors")
    return folder / "m.safetensors"


def test_classes_of_three_outputs_leave_intervals_to_the_numbers(tmp_path: Path) -> None:
    predictor = load(trained(tmp_path, "kind", "bulk_modulus"))
    assert predictor.reliability is not None
    assert predictor.reliability.intervals.factors.shape[0] == 4, "three logits and a number"
    assert list(predictor.card.calibration["crystals"]) == ["bulk_modulus"]
    table = predictor.predict(crystals()[:8])
    assert (table["bulk_modulus_lo"] < table["bulk_modulus"]).all()
    assert (table["bulk_modulus"] < table["bulk_modulus_hi"]).all()
    assert set(table["kind"]) <= set(KINDS)
    assert table["kind_p"].between(1 / 3, 1).all()
    assert not {"kind_lo", "kind_std"} & set(table)


def test_a_model_of_classes_alone_has_no_intervals(tmp_path: Path) -> None:
    predictor = load(trained(tmp_path, "kind"))
    table = predictor.predict(crystals()[:8])
    assert (table["status"] != "failed").all()
    assert not [name for name in table if name.endswith(("_lo", "_hi", "_std"))]
    assert table["domain"].isin(["in", "edge", "out"]).all()
    assert predictor.card.calibration["crystals"] == {}
