"""One row per input in order, and nothing is described twice."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import damaged

from cryskit import checksum
from cryskit.errors import DisorderError
from cryskit.text import table
from cryskit.text.describe import Description, stand_in
from cryskit.text.table import write
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ROWS = [
    Failure(f"bad {i}", DisorderError("Site 1 is Na:0.5", "Give an ordered cell"))
    if i % 10 == 3
    else Crystal(f"row {i}", np.eye(3) * (4 + i / 100), np.zeros((1, 3)), np.array([11]))
    for i in range(100)
]


class Recorder:
    """Describes in this process, writes down what it was asked for, and may stop half-way."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stop_after = 1000
        self.late: set[str] = set()

    def __call__(self, crystals: Iterable[Crystal], *_: Any) -> Iterator[Description]:
        for crystal in crystals:
            if len(self.asked) == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append(crystal.id)
            if crystal.id in self.late:
                yield stand_in(crystal, "too late")
            else:
                yield Description(crystal.id, crystal.fingerprint, f"This is {crystal.id}.", "It has atoms.")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(table, "describe_each", recorder)
    monkeypatch.setattr(table, "version", lambda: "1")
    return recorder


def stopped(pool: Recorder, path: Path, after: int, **options: Any) -> None:
    pool.stop_after = after
    with pytest.raises(KeyboardInterrupt):
        write(path, ROWS, **options)
    pool.stop_after = 1000
    pool.asked.clear()


def test_rows_are_those_of_the_input_in_its_order(pool: Recorder, tmp_path: Path) -> None:
    pool.late = {"row 8"}
    counted = write(tmp_path / "texts.parquet", ROWS)
    found = pd.read_parquet(tmp_path / "texts.parquet")
    assert found["id"].tolist() == [row.id for row in ROWS]
    assert counted == found["status"].value_counts().to_dict() == {"described": 89, "short": 1, "failed": 10}
    row = found.loc[0]
    assert (row["text"], row["global"], row["local"]) == (
        "This is row 0. It has atoms.",
        "This is row 0.",
        "It has atoms.",
    )
    assert len(row["hash"]) == 64
    assert row["version"] == "1"
    assert found.loc[3, ["text", "hash"]].isna().all()
    assert "ordered cell" in found.loc[3, "reason"]
    assert [path.name for path in tmp_path.iterdir()] == ["texts.parquet"]


def test_a_run_that_was_stopped_goes_on(pool: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    stopped(pool, path, 40)
    assert not path.exists()
    write(path, ROWS)
    assert len(pool.asked) == 90 - 40
    assert pd.read_parquet(path)["text"].dropna().tolist() == [
        f"This is {row.id}. It has atoms." for row in ROWS if isinstance(row, Crystal)
    ]


def test_what_is_finished_is_on_disk_in_small_parts(pool: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    stopped(pool, path, 70)
    parts = sorted(path.with_name("texts.parquet.parts").iterdir())
    assert sorted(len(pd.read_parquet(part)) for part in parts) == [6, 32, 32]


def test_a_row_is_known_by_its_content_and_not_by_its_name(pool: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    stopped(pool, path, 40)
    renamed = [replace(row, id=f"other {i}") for i, row in enumerate(ROWS) if isinstance(row, Crystal)]
    write(path, renamed)
    assert len(pool.asked) == 50
    assert pd.read_parquet(path)["id"].tolist() == [row.id for row in renamed]


def test_another_version_begins_again(pool: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(pool, tmp_path / "texts.parquet", 40)
    monkeypatch.setattr(table, "version", lambda: "2")
    write(tmp_path / "texts.parquet", ROWS)
    assert len(pool.asked) == 90


@pytest.mark.parametrize(("timeout", "again"), [(10.0, False), (20.0, True)])
def test_who_gives_more_time_tries_again(pool: Recorder, tmp_path: Path, timeout: float, *, again: bool) -> None:
    pool.late = {"row 8"}
    stopped(pool, tmp_path / "texts.parquet", 40, timeout=10.0)
    write(tmp_path / "texts.parquet", ROWS, timeout=timeout)
    assert ("row 8" in pool.asked) is again


def part_of(columns: dict[str, list[int]], path: Path) -> bytes:
    """Return a file with a checksum that holds something else than descriptions."""
    pq.write_table(pa.table(columns).replace_schema_metadata(checksum.METADATA), path)
    checksum.add(path)
    return path.read_bytes()


def test_damaged_parts_are_described_again_and_the_table_is_the_same(pool: Recorder, tmp_path: Path) -> None:
    path, undisturbed = tmp_path / "texts.parquet", tmp_path / "undisturbed.parquet"
    write(undisturbed, ROWS)
    pool.asked.clear()
    stopped(pool, path, 60)
    parts = tmp_path / "texts.parquet.parts"
    content = next(parts.glob("*.parquet")).read_bytes()
    shutil.rmtree(parts)
    others = [part_of({"x": [1]}, tmp_path / "x"), part_of({name: [1] for name in table._NAMES}, tmp_path / "y")]
    for bad in (b"", b"PAR1", *others, *damaged(content, 12, 4)):
        pool.asked.clear()
        stopped(pool, path, 60)
        first = min(parts.glob("*.parquet"))
        kept = len(pq.read_table(first))
        first.write_bytes(bad)
        write(path, ROWS)
        assert path.read_bytes() == undisturbed.read_bytes()
        assert len(pool.asked) == 30 + kept
        assert not parts.exists()
