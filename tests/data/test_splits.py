"""Splits: no leak, no straddling group, the same for the same seed, tamper-proof on disk."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryskit.data.splits import Split, folds, make
from cryskit.elements import chemical_system, formula
from cryskit.errors import DataError, PlanError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path


def crystal(name: str, numbers: list[int]) -> Crystal:
    fractional = np.arange(3 * len(numbers)).reshape(-1, 3) / (3 * len(numbers))
    return Crystal(name, 4.0 * np.eye(3), fractional, np.array(numbers))


def some(count: int = 200) -> list[Crystal]:
    """Oxides and fluorides of a few metals, each composition in several forms."""
    cells = [
        [metal] * n + [anion] * m
        for metal in (3, 12, 13, 22, 26)
        for anion in (8, 9)
        for n in (1, 2)
        for m in (1, 2, 3)
    ]
    return [crystal(f"c-{i}", cells[i % len(cells)]) for i in range(count)]


def parts(split: Split) -> list[set[str]]:
    return [set(split.train), set(split.validation), set(split.test)]


GROUPS = {"formula": formula, "system": chemical_system}


@pytest.mark.parametrize("kind", ["random", "formula", "system"])
def test_every_crystal_is_in_one_part(kind: str) -> None:
    crystals = some()
    split = make(crystals, kind, fractions=(0.6, 0.2, 0.2))
    assert set.union(*parts(split)) == {c.id for c in crystals}
    assert sum(len(part) for part in parts(split)) == len(crystals)
    assert split.kind == kind


def test_random_parts_have_exactly_the_size_asked_for() -> None:
    split = make(some(), fractions=(0.8, 0.1, 0.1))
    assert [len(part) for part in parts(split)] == [160, 20, 20]
    split = make(some(), fractions=(0.2, 0.0, 0.8))
    assert [len(part) for part in parts(split)] == [40, 0, 160]


@pytest.mark.parametrize("kind", ["formula", "system"])
@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles(kind: str, seed: int) -> None:
    key = {c.id: GROUPS[kind](c.numbers) for c in some()}
    for split in (make(some(), kind, fractions=(0.5, 0.2, 0.3), seed=seed), *folds(some(), 3, kind, seed=seed)):
        found = [{key[name] for name in part} for part in parts(split)]
        assert not any(a & b for a, b in combinations(found, 2))


def test_a_random_split_of_the_same_crystals_does_leak_compositions() -> None:
    key = {c.id: formula(c.numbers) for c in some()}
    train, _, test = ({key[name] for name in part} for part in parts(make(some())))
    assert train & test


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_the_rows() -> None:
    one, other = make(some(), "formula", seed=3), make(some()[::-1], "formula", seed=3)
    assert (one.train, one.validation, one.test) == (other.train, other.validation, other.test)
    assert make(some(), seed=3) == make(some(), seed=3)
    assert make(some(), seed=3).hash != make(some(), seed=4).hash


def test_a_split_is_pinned() -> None:
    """A new version of numpy or of this package must not move published test rows."""
    split = make([crystal(f"{i}", [26]) for i in range(10)], fractions=(0.6, 0.2, 0.2), seed=1)
    assert split.train == ("8", "4", "7", "0", "1", "2")
    assert (split.validation, split.test) == (("5", "9"), ("6", "3"))


def test_a_smaller_training_part_lies_within_the_larger() -> None:
    whole = make(some())
    half, fifth = make(some(), train_fraction=0.5), make(some(), train_fraction=0.2)
    assert set(fifth.train) < set(half.train) < set(whole.train)
    assert (len(half.train), len(fifth.train)) == (80, 32)
    assert half.validation == whole.validation
    assert half.test == whole.test
    assert fifth.name == "random-seed0-first0.2"
    assert half.first(0.4).train == fifth.train
    with pytest.raises(PlanError, match="keeps none"):
        whole.first(0.001)


@given(st.integers(2, 6), st.sampled_from(["random", "formula"]), st.integers(0, 100), st.sampled_from([0.0, 0.1, 0.3]))
def test_test_folds_partition_the_data(count: int, kind: str, seed: int, validation: float) -> None:
    crystals = some(60)
    splits = folds(crystals, count, kind, validation=validation, seed=seed)
    tests = [set(split.test) for split in splits]
    assert set.union(*tests) == {c.id for c in crystals}
    assert sum(map(len, tests)) == len(crystals)
    for split in splits:
        assert set.union(*parts(split)) == {c.id for c in crystals}
        assert abs(len(split.validation) - validation * (60 - len(split.test))) <= 5
    assert splits[0].name.endswith(f"fold1of{count}")


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(PlanError, match="shares of 1"):
        make(some(), fractions=(0.8, 0.1, 0.2))
    with pytest.raises(PlanError, match="shares of 1"):
        make(some(), fractions=(1.2, -0.1, -0.1))
    with pytest.raises(PlanError, match="no split by 'space group'"):
        make(some(), "space group")
    with pytest.raises(DataError, match="No crystal is left for"):
        make([crystal(f"c-{i}", [6, 6]) for i in range(50)], "formula")
    with pytest.raises(DataError, match="No crystal is left for"):
        make([])
    with pytest.raises(DataError, match=r"1 id given twice in the data, the first 'c-0'"):
        make([*some(), some()[0]])
    with pytest.raises(PlanError, match="1 folds"):
        folds(some(), 1)
    with pytest.raises(DataError, match="too few for 5 folds"):
        folds([crystal(f"c-{i}", [6, 6]) for i in range(50)], 5, "formula")


def test_a_split_divides_its_own_data_and_no_other() -> None:
    crystals = some()
    split = make(crystals, train_fraction=0.5)
    divided = split.divide(crystals)
    assert [tuple(c.id for c in part) for part in divided] == [split.train, split.validation, split.test, ()]
    for other in ([*crystals[1:], crystal("c-0", [3, 3, 9])], crystals[1:], [*crystals, crystal("new", [26])]):
        with pytest.raises(DataError, match="made of other data"):
            split.divide(other)


def test_a_file_gives_back_the_split(tmp_path: Path) -> None:
    split = make(some(), "system", seed=7, name="mine", fractions=(0.5, 0.2, 0.3))
    split.save(tmp_path / "deep" / "split.json")
    assert Split.load(tmp_path / "deep" / "split.json") == split
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["split.json"]


def test_a_fourth_part_calibrates(tmp_path: Path) -> None:
    crystals = some()
    split = make(crystals, "formula", fractions=(0.5, 0.1, 0.2, 0.2))
    assert len(split.calibration) == pytest.approx(40, abs=10)
    assert not set(split.calibration) & (set(split.train) | set(split.validation) | set(split.test))
    assert tuple(c.id for c in split.divide(crystals).calibration) == split.calibration
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    with pytest.raises(PlanError, match="5 fractions"):
        make(crystals, fractions=(0.2, 0.2, 0.2, 0.2, 0.2))


def test_a_split_without_a_part_that_calibrates_keeps_its_hash() -> None:
    assert make(some(), seed=3).hash == "5ac825f271d11359f6d97210f7488fe29583abcf8c1301ccc2e916b457d74efa"


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    make(some()).save(path)
    fields = json.loads(path.read_text())

    path.write_text(json.dumps(fields | {"seed": 1}))
    with pytest.raises(DataError, match="hash differs"):
        Split.load(path)
    path.write_text(json.dumps(fields | {"test": [*fields["test"], fields["train"][0]]}))
    with pytest.raises(DataError, match="given twice"):
        Split.load(path)
    path.write_text(json.dumps({k: v for k, v in fields.items() if k != "hash"}))
    with pytest.raises(DataError, match="no split file"):
        Split.load(path)
    path.write_text(json.dumps(fields)[:100])
    with pytest.raises(DataError, match="no split file"):
        Split.load(path)
    with pytest.raises(DataError, match="no split file"):
        Split.load(tmp_path / "absent.json")
