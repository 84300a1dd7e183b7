"""The rows of the few-label benchmarks: the same for every arm, nested, never a test crystal; and how runs are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import labels
import numpy as np
import pandas as pd
import pytest
import summary

from cryskit.data.splits import Split

if TYPE_CHECKING:
    from pathlib import Path

SPLIT = Split(
    "random",
    "random",
    0,
    tuple(f"train{i}" for i in range(800)),
    tuple(f"validation{i}" for i in range(200)),
    tuple(f"test{i}" for i in range(200)),
    "hash",
)


def test_smaller_parts_lie_in_larger_ones_of_the_same_seed() -> None:
    small, large = labels.part(SPLIT, 5, 1), labels.part(SPLIT, 20, 1)
    assert small.train == large.train[:60]
    assert len(large.train) == 240
    assert set(small.validation) <= set(SPLIT.validation)
    assert small.test == SPLIT.test


def test_another_seed_draws_other_rows_and_the_largest_part_is_the_whole() -> None:
    assert labels.part(SPLIT, 5, 1).train != labels.part(SPLIT, 5, 2).train
    assert sorted(labels.part(SPLIT, 80, 3).train) == sorted(SPLIT.train)


def test_a_run_is_added_beside_those_of_another_process(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    ours: dict[str, list[dict[str, object]]] = {"runs": []}
    labels.add_run(path, {"runs": []}, {"arm": "start", "percent": 5, "seed": 0})
    labels.add_run(path, ours, {"arm": "scratch", "percent": 5, "seed": 0})
    assert [run["arm"] for run in ours["runs"]] == ["scratch", "start"]
    assert labels.find(ours, "start", 5, 0)
    assert labels.find(ours, "start", 5, 1) is None


def test_paired_differences_are_those_of_the_same_crystals(tmp_path: Path) -> None:
    truth = np.linspace(-3, 1, 200)
    files = []
    for arm, error in (("scratch", 0.2), ("start", 0.15)):
        file = tmp_path / f"{arm}.parquet"
        name = "formation_energy_per_atom"
        pd.DataFrame({name: truth + error, f"{name}_true": truth}).to_parquet(file)
        files.append(file)
    found = summary._paired([files], "formation_energy_per_atom")
    assert found["change_percent"] == pytest.approx(-25)
    assert found["low"] == pytest.approx(-25)
    assert found["high"] == pytest.approx(-25)


def test_errors_of_moduli_are_those_of_their_logarithms(tmp_path: Path) -> None:
    file = tmp_path / "runs.parquet"
    pd.DataFrame({"bulk_modulus": [10.0, 100.0, 5.0], "bulk_modulus_true": [100.0, 100.0, np.nan]}).to_parquet(file)
    assert summary._absolute(file, "bulk_modulus").tolist() == pytest.approx([1.0, 0.0])
