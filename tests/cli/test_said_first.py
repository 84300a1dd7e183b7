"""What is wrong with a call is said first, in the words of who makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cryskit import properties
from cryskit.data.splits import make
from cryskit.data.validate import validate
from cryskit.errors import CoordinatesError, DataError, ElementError, PlanError, UnknownNameError
from cryskit.training.plan import Plan
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]

TRAIN = ("train", "--property", "bulk_modulus", "--out", "m.safetensors")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_hardware_that_is_not_there_is_refused_at_once(cryskit: Call) -> None:
    result = cryskit(*TRAIN, "--data", "nowhere.parquet", "--accelerator", "gpu")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "PyTorch finds no hardware of the kind gpu on this computer" in line


CONFIGS = {
    "optimisaton: {epochs: 2}": "optimisaton: there is no such key; did you mean optimisation?",
    "lr: 0.001": "lr: there is no such key; it is called optimisation.rate here",
    "optimisation: {learning_rate: 0.001}": "optimisation.learning_rate: there is no such key; it is called optimisation.rate here",
    "optimisation: {batch_size: 64}": "it is called optimisation.edges, for batches are cut by edges",
    "epochs: 5": "epochs: there is no such key; it is called optimisation.epochs here",
    "optimisation: {epoch: 5}": "optimisation.epoch: there is no such key; did you mean epochs?",
    "model: cgcnn": "model: there is no such key; it is called encoder here",
    "target: band_gap": "target: there is no such key; it is called properties here",
    "encoder: {name: cgcn}": "There is no encoder called 'cgcn'. Did you mean cgcnn",
    "objective: {name: property, los: mse}": "There is no argument of objective property called 'los'. Did you mean loss?",
}


@pytest.mark.parametrize(("config", "expected"), CONFIGS.items())
def test_a_typo_in_a_plan_is_judged_before_anything_else(
    cryskit: Call, tmp_path: Path, config: str, expected: str
) -> None:
    (tmp_path / "plan.yaml").write_text(f"{config}\n")
    named = ("--property", "bulk_modulus") if config.startswith(("encoder", "objective")) else ()
    result = cryskit("train", "--out", "m.safetensors", "--data", "nowhere.parquet", "--config", "plan.yaml", *named)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_keys_that_are_known_under_no_name_are_refused_with_those_that_are() -> None:
    with pytest.raises(PlanError, match=r"optimisation\.zzz: there is no such key; known: .*epochs, steps"):
        Plan.make({"optimisation": {"zzz": 1}})


def test_labels_and_splits_that_are_misspelled_are_guessed(cryskit: Call, data: Path) -> None:
    said = cryskit("train", "--property", "bulk_modulu", "--out", "m.safetensors", "--data", data).stderr
    assert "The data has no column bulk_modulu. Did you mean bulk_modulus?" in said
    said = cryskit(*TRAIN, "--data", data, "--split", "formulas").stderr
    assert "Did you mean formula?" in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("gap", "band_gap"),
        ("Band Gap (eV)", "band_gap"),
        ("band gap", "band_gap"),
        ("BandGap [eV]", "band_gap"),
        ("Bulk modulus / (GPa)", "bulk_modulus"),
        ("Formation energy per atom (eV/atom)", "formation_energy_per_atom"),
        ("last phdos peak", "phonon_peak_frequency"),
        ("Band Gap (meV)", None),
        ("Bulk modulus (Mbar)", None),
        ("N", None),
    ],
)
def test_columns_are_known_as_people_write_them(column: str, expected: str | None) -> None:
    if expected is not None:
        assert properties.canonical(column) == expected
        return
    with pytest.raises(UnknownNameError):
        properties.canonical(column)


def test_elements_are_named() -> None:
    cell = [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]
    with pytest.raises(ElementError, match=r"Og \(atomic number 118\) is heavier than Fm"):
        validate(Crystal("x", cell, [[0, 0, 0]], [118]))
    with pytest.raises(CoordinatesError, match=r"Atoms 1 and 2 \(O and Ti\)"):
        validate(Crystal("x", cell, [[0, 0, 0], [0, 0, 0]], [8, 22]))


def test_the_advice_for_a_few_crystals_is_not_what_they_already_do() -> None:
    few = [Crystal(name, [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]], [[0, 0, 0]], [26]) for name in "abc"]
    with pytest.raises(DataError, match="No crystal is left") as refused:
        make(few, "random")
    assert "'random'" not in refused.value.cure
    with pytest.raises(DataError, match="3 crystals in 1 group of the kind 'formula'") as refused:
        make(few, "formula")
    assert "or the kind 'random'" in refused.value.cure
