"""A record of training crystals knows every one of them, in any cell, and hardly any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryskit.data.sources import open_source
from cryskit.reliability.training_record import TrainingRecord
from cryskit.types import Crystal

CRYSTALS = [c for c in open_source("elastic_tensor") if isinstance(c, Crystal)]
HALF = len(CRYSTALS) // 2


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    return TrainingRecord.of(CRYSTALS[:HALF])


def scaled(crystal: Crystal, volume: float, name: str = "") -> Crystal:
    return replace(crystal, id=name or crystal.id, lattice=crystal.lattice * volume ** (1 / 3))


def test_training_crystals_are_known_by_all_three(record: TrainingRecord) -> None:
    known = record.known(CRYSTALS[:HALF])
    assert known.ids.all()
    assert known.cells.all()
    assert known.formulas.all()


def test_other_crystals_are_not_known_by_id(record: TrainingRecord) -> None:
    known = record.known(CRYSTALS[HALF:])
    assert known.ids.sum() <= 2, "one false answer in 2000"
    same = {(c.id, c.formula) for c in CRYSTALS[:HALF]} & {(c.id, c.formula) for c in CRYSTALS[HALF:]}
    assert not same
    formulas = {c.formula for c in CRYSTALS[:HALF]}
    wanted = np.array([c.formula in formulas for c in CRYSTALS[HALF:]])
    assert wanted.any()
    assert known.formulas[wanted].all()
    assert (known.formulas & ~wanted).sum() <= 2


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.035, 0.035), st.integers(0, HALF - 1))
def test_a_cell_is_known_under_another_name_and_with_a_little_strain(strain: float, row: int) -> None:
    record = TrainingRecord.of(CRYSTALS[:HALF])
    known = record.known([scaled(CRYSTALS[row], 1 + strain, "mine")])
    assert known.cells[0]
    assert not known.ids[0]


def test_another_volume_is_another_cell_of_a_known_formula() -> None:
    record = TrainingRecord.of(CRYSTALS[:1])
    known = record.known([scaled(CRYSTALS[0], factor) for factor in (0.9, 1.1)])
    assert not known.cells.any()
    assert known.formulas.all()


def test_an_id_that_numbers_rows_is_no_training_crystal(record: TrainingRecord) -> None:
    other = next(c for c in CRYSTALS[HALF:] if c.formula != CRYSTALS[0].formula)
    assert not record.known([replace(other, id=CRYSTALS[0].id)]).ids[0]


def test_it_is_small_and_its_sizes_make_it_again(record: TrainingRecord) -> None:
    assert sum(record.sizes.values()) <= 7 * HALF
    again = TrainingRecord(**record.sizes)
    again.load_state_dict(record.state_dict())
    assert again.known(CRYSTALS[:5]).ids.all()


def test_nothing_and_nobody(record: TrainingRecord) -> None:
    assert record.known([]).cells.shape == (0,)
    empty = TrainingRecord.of([])
    assert not empty.known(CRYSTALS[:50]).formulas.any()
