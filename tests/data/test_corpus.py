"""Data sets are joined without a clash of ids, and what a split holds out is seen from no side."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from cryskit.data.corpus import join, write_manifest
from cryskit.data.interchange import manifest
from cryskit.data.splits import make
from cryskit.errors import DataError, PlanError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path


def crystals(prefix: str, count: int, size: float) -> list[Crystal]:
    """Return cubic crystals of different sizes."""
    return [
        Crystal(f"{prefix}{i}", np.eye(3) * (size + i / 100), np.zeros((1, 3)), np.array([26])) for i in range(count)
    ]


def test_each_data_set_is_divided_by_itself() -> None:
    found = join({"data/big.parquet": crystals("b", 40, 3), "small": crystals("s", 10, 5)}, seed=1)
    assert (len(found.train), len(found.validation), found.held_out) == (45, 5, 0)
    assert sum(c.id.startswith("s") for c in found.validation) == 1
    assert {found.origin[c.id] for c in found.train} == {"big", "small"}
    assert found.manifests == {"big": manifest(crystals("b", 40, 3)), "small": manifest(crystals("s", 10, 5))}
    again = join({"data/big.parquet": crystals("b", 40, 3)[::-1], "small": crystals("s", 10, 5)}, seed=1)
    assert {c.id for c in again.train} == {c.id for c in found.train}, "the order of rows does not matter"


def test_ids_that_clash_get_the_name_of_their_data_set() -> None:
    left, right = [*crystals("x", 20, 3), *crystals("l", 1, 9)], crystals("x", 20, 5)
    found = join({"a/mp.parquet": left, "perov.parquet": right})
    ids = {c.id for c in [*found.train, *found.validation]}
    assert ids == {"l0", *(f"{name}/x{i}" for name in ("mp", "perov") for i in range(20))}
    alike = join({"a/mp.parquet": left, "b/mp.parquet": right})
    assert set(alike.manifests) == {"a/mp.parquet", "b/mp.parquet"}
    with pytest.raises(DataError, match="occur twice"):
        join({"a": [*left, left[0]]})


def test_a_split_is_followed_and_its_test_crystals_are_held_out_everywhere() -> None:
    left = crystals("x", 20, 3)
    split = make(left, fractions=(0.5, 0.25, 0.25))
    copies = [replace(c, id=f"copy of {c.id}") for c in left] + crystals("y", 20, 5)
    found = join({"mp": left, "other": copies}, [split])
    seen = [*found.train, *found.validation]
    by_id = {c.id: c for c in left}
    hidden = {by_id[name].fingerprint for name in split.test}
    assert set(split.train) <= {c.id for c in found.train}
    assert set(split.validation) <= {c.id for c in found.validation}
    assert not hidden & {c.fingerprint for c in seen}
    assert found.held_out == 2 * len(split.test)
    assert len(seen) + found.held_out == 60
    assert found.splits == {"mp": split.hash}


def test_a_split_of_other_data_or_a_second_one_is_refused() -> None:
    left, right = crystals("x", 20, 3), crystals("y", 20, 3)
    with pytest.raises(PlanError, match=r"random-seed0 is of none of the data sets mp"):
        join({"mp": left}, [make(right)])
    with pytest.raises(PlanError, match="Two splits of mp"):
        join({"mp": left}, [make(left), make(left, seed=1)])


def test_the_manifest_lists_every_crystal(tmp_path: Path) -> None:
    found = join({"mp": crystals("x", 20, 3), "other": crystals("x", 20, 5)})
    path = tmp_path / "seen.parquet"
    digest = write_manifest(path, {"train": found.train, "validation": found.validation}, found.origin)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    table = pq.read_table(path)
    assert table.column_names == ["id", "source", "part", "fingerprint"]
    rows = {row["id"]: row for row in table.to_pylist()}
    assert len(rows) == 40
    for part, members in (("train", found.train), ("validation", found.validation)):
        for crystal in members:
            row = rows[crystal.id]
            assert (row["part"], row["source"]) == (part, crystal.id.split("/")[0])
            assert crystal.fingerprint.startswith(row["fingerprint"])
            assert len(row["fingerprint"]) == 32
