"""The ASE calculator gives what the model predicts, calculates on changes only, and says that it is no potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError, all_properties
from ase.io import read, write

import cryskit
from cryskit.ase import CryskitCalculator
from cryskit.errors import LatticeError, ModelError, SizeError
from cryskit.predict.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The calculations so far."""
    found: list[object] = []
    plain = Predictor.stream
    monkeypatch.setattr(Predictor, "stream", lambda self, *given: found.append(given) or plain(self, *given))
    return found


def test_results_are_those_of_predict() -> None:
    silicon = bulk("Si")
    silicon.calc = CryskitCalculator("cryskit-mp")
    silicon.calc.calculate(silicon)
    (row,) = cryskit.load("cryskit-mp").predict([silicon]).to_dict("records")
    expected = {name: row[name] for name in row if name not in {"id", "formula", "status", "reason"}}
    assert silicon.calc.results == expected
    assert {"band_gap", "formation_energy_per_atom", "band_gap_lo", "domain"} <= expected.keys()
    assert silicon.calc.units["bulk_modulus"] == "GPa"
    assert silicon.calc.prediction.reason == row["reason"]


def test_it_calculates_on_changes_only(runs: list[object]) -> None:
    silicon = bulk("Si")
    silicon.calc = calculator = CryskitCalculator("crysxpp")
    first = calculator.get_property("band_gap", silicon)
    calculator.get_property("bulk_modulus", silicon)
    silicon.set_initial_magnetic_moments([1.0, 1.0])
    silicon.info["note"] = "nothing of the crystal"
    assert calculator.get_property("band_gap", silicon) == first
    assert len(runs) == 1
    silicon.set_cell(silicon.cell * 1.1, scale_atoms=True)
    assert calculator.get_property("band_gap", silicon, allow_calculation=False) is None
    assert calculator.get_property("band_gap", silicon) != first
    silicon.numbers[0] = 32
    calculator.get_property("band_gap", silicon)
    assert len(runs) == 3
    calculator.set(model="cryskit-lab")
    assert not calculator.results
    assert calculator.get_property("band_gap_experimental", silicon) >= 0
    assert len(runs) == 4
    calculator.set(model="cryskit-lab")
    calculator.get_property("band_gap_experimental", silicon)
    assert len(runs) == 4


@pytest.mark.parametrize("name", all_properties)
def test_it_says_that_it_is_no_potential(name: str) -> None:
    with pytest.raises(
        PropertyNotImplementedError, match=rf"no potential and gives no {name}\. crysxpp predicts .*band_gap"
    ):
        CryskitCalculator("crysxpp").get_property(name, bulk("Si"))


def test_energies_and_forces_of_atoms_are_refused_and_other_names_too() -> None:
    silicon = bulk("Si")
    silicon.calc = CryskitCalculator("crysxpp")
    for method in (silicon.get_potential_energy, silicon.get_forces, silicon.get_stress):
        with pytest.raises(PropertyNotImplementedError, match="no potential"):
            method()
    with pytest.raises(PropertyNotImplementedError, match="no hardness: crysxpp predicts"):
        silicon.calc.get_property("hardness", silicon)
    assert not set(silicon.calc.implemented_properties) & set(all_properties)


def test_what_is_no_crystal_is_refused_and_leaves_no_results() -> None:
    silicon = bulk("Si")
    calculator = CryskitCalculator("crysxpp", limit=1)
    with pytest.raises(SizeError):
        calculator.get_property("band_gap", silicon)
    with pytest.raises(LatticeError):
        CryskitCalculator("crysxpp").get_property("band_gap", Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]))
    assert not calculator.results
    calculator.set(limit=500)
    assert calculator.get_property("band_gap", silicon) >= 0


def test_a_model_that_predicts_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="pre-trained without labels"):
        CryskitCalculator("crysae")


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.json", "a.vasp"])
def test_atoms_with_the_calculator_can_be_written(name: str, tmp_path: Path) -> None:
    silicon = bulk("Si")
    silicon.calc = CryskitCalculator("crysxpp")
    silicon.calc.calculate(silicon)
    write(tmp_path / name, silicon)
    assert len(read(tmp_path / name)) == 2
