"""Data sets are listed without a clash of ids, and what a split holds out is seen from no side."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from cryskit.data import corpus as corpus_module
from cryskit.data.corpus import SHARES, Assignment, Corpus
from cryskit.data.interchange import manifest
from cryskit.data.splits import make
from cryskit.errors import DataError, PlanError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryskit.data.splits import Split


def crystals(prefix: str, count: int, size: float) -> list[Crystal]:
    """Return cubic crystals of different sizes."""
    return [
        Crystal(f"{prefix}{i}", np.eye(3) * (size + i / 100), np.zeros((1, 3)), np.array([26])) for i in range(count)
    ]


def listed(sources: Mapping[str, Sequence[Crystal]]) -> tuple[Corpus, np.ndarray]:
    """Return the list of data sets, and a number for the structure of each crystal: its size."""
    corpus = Corpus(sources)
    sizes = [
        int(crystal.lattice[0, 0] * 1000) for name, every in sources.items() for crystal in corpus.listed(name, every)
    ]
    return corpus, np.array(sizes, dtype=np.uint64)


def divided(
    sources: Mapping[str, Sequence[Crystal]], splits: Sequence[Split] = (), seed: int = 0
) -> dict[Assignment, list[str]]:
    """Return the ids that meet each assignment."""
    corpus, structures = listed(sources)
    assignments = corpus.divide(structures, splits, seed)
    return {assignment: corpus.ids(np.flatnonzero(assignments == assignment)) for assignment in Assignment}


def test_each_data_set_is_divided_by_itself() -> None:
    big, small = crystals("b", 40, 3), crystals("s", 10, 5)
    found = divided({"data/big.parquet": big, "small": small}, seed=1)
    assert [len(found[assignment]) for assignment in Assignment] == [45, 5, 0, 0, 0, 0]
    assert sum(name.startswith("s") for name in found[Assignment.VALIDATION]) == 1
    again = divided({"data/big.parquet": big[::-1], "small": small}, seed=1)
    assert set(again[Assignment.TRAIN]) == set(found[Assignment.TRAIN]), "the order of rows does not matter"
    assert set(found[Assignment.VALIDATION]) > set(make(big, fractions=SHARES, seed=1).validation), (
        "the rule is that of splits"
    )
    corpus, _ = listed({"data/big.parquet": big, "small": small})
    assert corpus.manifests == {"big": manifest(big), "small": manifest(small)}
    assert len(corpus) == 50


def test_ids_that_clash_get_the_name_of_their_data_set() -> None:
    left, right = [*crystals("x", 20, 3), *crystals("l", 1, 9)], crystals("x", 20, 5)
    corpus, _ = listed({"a/mp.parquet": left, "perov.parquet": right})
    assert corpus.ids(np.arange(41)) == [
        *(f"mp/x{i}" for i in range(20)),
        "l0",
        *(f"perov/x{i}" for i in range(20)),
    ]
    alike, _ = listed({"a/mp.parquet": left, "b/mp.parquet": right})
    assert set(alike.manifests) == {"a/mp.parquet", "b/mp.parquet"}
    with pytest.raises(DataError, match="1 id given twice in a, the first 'x0'"):
        listed({"a": [*left, left[0]]})
    with pytest.raises(DataError, match="No crystal is left for validation"):
        divided({"a": left[:1]})


def test_a_split_is_followed_and_its_test_crystals_are_held_out_everywhere() -> None:
    left = crystals("x", 20, 3)
    split = make(left, fractions=(0.5, 0.25, 0.25)).first(0.5)
    copies = [replace(c, id=f"copy of {c.id}") for c in left] + crystals("y", 20, 5)
    found = divided({"mp": left, "other": copies}, [split])
    seen = {*found[Assignment.TRAIN], *found[Assignment.VALIDATION]}
    assert set(split.train) <= set(found[Assignment.TRAIN])
    assert set(split.validation) <= set(found[Assignment.VALIDATION])
    assert set(found[Assignment.HELD_OUT]) == {name for test in split.test for name in (test, f"copy of {test}")}
    assert set(found[Assignment.DUPLICATE]) == {f"copy of {name}" for name in (*split.train, *split.validation)}
    assert set(found[Assignment.LEFT_OUT]) == {c.id for c in left} - {*split.train, *split.validation, *split.test}
    assert {f"copy of {name}" for name in found[Assignment.LEFT_OUT]} < seen, (
        "what the split does not name hides nothing"
    )


def test_of_one_structure_the_first_crystal_is_kept_and_what_is_unusable_is_told() -> None:
    left = crystals("x", 20, 3)
    corpus, structures = listed({"mp": left})
    structures[[3, 7, 9]] = structures[3]
    structures[[4, 5]] = 0
    assignments = corpus.divide(structures)
    assert np.flatnonzero(assignments == Assignment.DUPLICATE).tolist() == [7, 9]
    assert np.flatnonzero(assignments == Assignment.UNUSABLE).tolist() == [4, 5]


def test_a_split_of_other_data_or_a_second_one_is_refused() -> None:
    left, right = crystals("x", 20, 3), crystals("y", 20, 3)
    with pytest.raises(PlanError, match=r"random-seed0 is of none of the data sets mp"):
        divided({"mp": left}, [make(right)])
    with pytest.raises(PlanError, match="Two splits of mp"):
        divided({"mp": left}, [make(left), make(left, seed=1)])


@pytest.mark.parametrize("piece", [7, 10_000])
def test_the_manifest_lists_every_crystal_that_was_seen(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "_PIECE", piece)
    sources = {"other": crystals("x", 20, 5), "mp": crystals("x", 20, 3)}
    corpus, structures = listed(sources)
    structures[30] = structures[25]
    assignments = corpus.divide(structures)
    path = tmp_path / "seen.parquet"
    assert corpus.write_manifest(path, assignments) == hashlib.sha256(path.read_bytes()).hexdigest()
    table = pq.read_table(path)
    assert table.column_names == ["id", "source", "part", "fingerprint"]
    rows = table.to_pylist()
    assert [(row["source"], row["id"]) for row in rows] == sorted((row["source"], row["id"]) for row in rows)
    expected = {
        f"{name}/{crystal.id}": (name, Assignment(assignment).name.lower(), crystal.fingerprint[:32])
        for (name, crystal), assignment in zip(
            ((name, crystal) for name, every in sources.items() for crystal in every), assignments, strict=True
        )
        if assignment != Assignment.DUPLICATE
    }
    assert {row["id"]: (row["source"], row["part"], row["fingerprint"]) for row in rows} == expected
    assert len(rows) == 39
