"""What test crystals share with what was seen is reported, and what cannot be known is not called nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cryskit.data.sources import open_source
from cryskit.errors import DataError
from cryskit.evaluate.leakage import Comparison, Seen
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 6][:12]


def swollen(crystal: Crystal, factor: float) -> Crystal:
    return replace(crystal, id=f"{crystal.id}*", lattice=crystal.lattice * factor)


def write_manifest(path: Path, crystals: list[Crystal], before: str = "") -> None:
    columns = {
        "id": [f"{before}{crystal.id}" for crystal in crystals],
        "source": ["set"] * len(crystals),
        "part": ["train"] * len(crystals),
        "fingerprint": [crystal.fingerprint[:32] for crystal in crystals],
    }
    pq.write_table(pa.table(columns), path)


def test_each_way_of_sharing_is_told() -> None:
    same, near, far = CRYSTALS[0], swollen(CRYSTALS[1], 1.004), swollen(CRYSTALS[2], 1.2)
    alien = Crystal("alien", np.diag([3.0, 4.0, 5.0]), np.zeros((1, 3)), np.array([2]))
    found = Comparison().overlap([same, near, far, alien], Seen.of(CRYSTALS))
    assert found.ids == found.contents == [same.id]
    assert found.formulas == [same.id, near.id, far.id]
    assert found.prototypes == [same.id, near.id, far.id]
    assert found.near_duplicates == {same.id: [same.id], near.id: [CRYSTALS[1].id]}
    assert found.counts == {
        "asked": 4,
        "seen": 12,
        "at_hand": 12,
        "ids": 1,
        "contents": 1,
        "formulas": 3,
        "prototypes": 3,
        "near_duplicates": 2,
    }


def test_a_manifest_gives_its_structures_only_with_a_corpus(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", CRYSTALS[:6], before="set/")
    bare = Comparison().overlap(CRYSTALS, Seen.of_manifest(tmp_path / "m.parquet"))
    assert bare.ids == bare.contents == [crystal.id for crystal in CRYSTALS[:6]]
    assert (bare.at_hand, bare.formulas, bare.counts["near_duplicates"]) == (0, None, None)
    whole = Seen.of_manifest(tmp_path / "m.parquet", [swollen(CRYSTALS[8], 1), *CRYSTALS[:6], CRYSTALS[9]])
    assert [crystal.id for crystal in whole.crystals] == [crystal.id for crystal in CRYSTALS[:6]]
    assert set(Comparison().overlap(CRYSTALS, whole).near_duplicates or {}) == set(bare.ids)


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_text("nothing", encoding="utf-8")
    with pytest.raises(DataError, match="no manifest"):
        Seen.of_manifest(tmp_path / "m.parquet")
