"""The studies of measured labels: tables are joined crystal by crystal, draws divide formulas, heads change their names only."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from benchmarks.studies.experiment_card import mean_of_best, unseen
from benchmarks.studies.experiment_draws import DRAWS, chosen, draws
from benchmarks.studies.measured import DFT_OF, joined, renamed
from cryskit import Crystal, load
from cryskit.data.sources import open_source
from cryskit.elements import formula

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return sorted(islice(open_source("elastic_tensor"), 200), key=lambda crystal: crystal.id)


def labelled(crystal: Crystal, **targets: float) -> Crystal:
    return Crystal(crystal.id, crystal.lattice, crystal.fractional, crystal.numbers, targets=targets)


def study(crystals: Sequence[Crystal]) -> Any:
    """Return what `chosen` asks of a study: two labels, of which every crystal has one and every third both."""
    rows = np.arange(len(crystals))
    labels = np.stack([np.where(rows % 3 != 1, 1.0, np.nan), np.where(rows % 3 != 2, 2.0, np.nan)], axis=1)
    return SimpleNamespace(labels=labels, formulas=np.array([formula(c.numbers) for c in crystals]))


def test_a_crystal_that_was_measured_often_has_the_median_of_its_labels(crystals: list[Crystal]) -> None:
    first, second = crystals[:2]
    rows = [
        labelled(second, band_gap_experimental=1.5),
        *(labelled(first, formation_enthalpy_experimental=value) for value in (-1.0, -1.1, -3.0)),
        labelled(first, band_gap_experimental=0.0),
    ]
    found = joined(rows)
    assert [crystal.id for crystal in found] == [first.id, second.id]
    assert found[0].targets == {"formation_enthalpy_experimental": -1.1, "band_gap_experimental": 0.0}
    assert found[1].targets == {"band_gap_experimental": 1.5}


def test_no_formula_is_on_both_sides_of_a_draw_and_every_crystal_is_judged_once(crystals: list[Crystal]) -> None:
    again = [labelled(c, band_gap=1.0) for c in crystals]
    twins = [Crystal(f"{c.id}-twin", 1.1 * c.lattice, c.fractional, c.numbers) for c in crystals[:50]]
    every = sorted([*again, *twins], key=lambda crystal: crystal.id)
    found = draws(every)
    names = [formula(crystal.numbers) for crystal in every]
    assert len(found) == DRAWS
    assert sorted(np.concatenate([draw.test for draw in found])) == list(range(len(every)))
    for draw in found:
        assert not {names[i] for i in draw.order} & {names[i] for i in draw.test}
        assert len(draw.order) + len(draw.test) == len(every)


def test_as_many_labels_as_asked_for_are_known_and_the_smaller_set_is_in_the_larger(crystals: list[Crystal]) -> None:
    given, draw = study(crystals), draws(crystals)[0]
    smaller = np.zeros(0, int)
    for size in (10, 30):
        part = chosen(given, draw, size, [0, 1])
        used = np.concatenate([part.train, part.choose])
        for column in (0, 1):
            wanted = [i for i in draw.order if np.isfinite(given.labels[i, column])][:size]
            assert set(wanted) <= set(used)
        assert not {given.formulas[i] for i in part.train} & {given.formulas[i] for i in part.choose}
        assert not set(used) & set(part.test)
        assert set(smaller) <= set(used)
        smaller = used


def test_heads_that_change_their_names_predict_the_same(crystals: list[Crystal]) -> None:
    model = load("cryskit-mp")
    other = renamed(model, DFT_OF)
    before, after = model.predict(crystals[:3]), other.predict(crystals[:3])
    for new, old in DFT_OF.items():
        assert old not in after
        assert after[new].tolist() == before[old].tolist()


def test_the_two_best_are_chosen_without_the_test_crystals() -> None:
    truth = {"a": 1.0, "b": 2.0, "t": 10.0}
    found = {
        "good": {"choose": {"a": 1.1, "b": 2.0}, "test": {"t": 0.0}},
        "fair": {"choose": {"a": 1.2, "b": 2.0}, "test": {"t": 2.0}},
        "lucky": {"choose": {"a": 5.0, "b": 5.0}, "test": {"t": 10.0}},
    }
    assert mean_of_best(found, truth) == (("good", "fair"), {"t": 1.0})


def test_a_crystal_is_unseen_if_neither_its_id_nor_its_cell_trained(crystals: list[Crystal]) -> None:
    seen, other = crystals[0], crystals[1]
    near = Crystal("near", 1.01 * seen.lattice, seen.fractional, seen.numbers)
    far = Crystal("far", 1.1 * seen.lattice, seen.fractional, seen.numbers)
    same_id = Crystal(seen.id, other.lattice, other.fractional, other.numbers)
    assert unseen([seen, near, far, same_id, other], [seen]) == {"far", other.id}
