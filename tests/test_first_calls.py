"""The first calls from Python: what people have is taken as it is, and what they see is short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.core import Lattice, Structure

import cryskit
from cryskit.data.sources import open_source
from cryskit.data.splits import Split
from cryskit.errors import DataError, PlanError, UnusableRowsWarning
from cryskit.predict.card import read_card

SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
TINY = {"encoder": {"name": "cgcnn", "width": 8, "layers": 1}, "optimisation": {"epochs": 1}}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Sixty small bundled crystals as pymatgen structures, with labels."""
    crystals = sorted((row for row in open_source("elastic_tensor") if isinstance(row, cryskit.Crystal)), key=len)[:60]
    structures = [crystal.to_pymatgen() for crystal in crystals]
    return pd.DataFrame({"structure": structures, "K_VRH": [crystal.targets["bulk_modulus"] for crystal in crystals]})


@pytest.fixture(scope="module")
def trained(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that was trained from a frame, with a text as path, no split and no folder."""
    out = str(tmp_path_factory.mktemp("first") / "x.safetensors")
    with pytest.warns(UserWarning, match="validation crystals"):
        cryskit.train({"properties": "K_VRH", **TINY}, frame, split=None, out=out)
    return out


def test_train_takes_a_frame_and_makes_split_and_folder(trained: str, frame: pd.DataFrame) -> None:
    split = Split.load(f"{trained}.run/split.json")
    assert (len(split.train), len(split.validation), len(split.test)) == (48, 6, 6)
    card = read_card(Path(trained))
    assert (card.name, card.split["name"], card.rows["training"]) == ("x", "random-seed0", 48)
    assert len(cryskit.load(trained).predict(frame, "K_VRH")) == 60


def test_evaluate_and_explain_are_functions_whatever_was_imported(trained: str, frame: pd.DataFrame) -> None:
    import cryskit.evaluate.metrics
    import cryskit.explain.atoms

    found = cryskit.evaluate(trained, frame)
    assert found.metrics["bulk_modulus"]["n"] == 60
    assert cryskit.evaluate(cryskit.load(trained), frame, "K_VRH").metrics == found.metrics
    (explained,) = cryskit.explain(trained, [SALT], "bulk_modulus")
    assert set(explained.elements) == {"Cs", "Cl"}
    assert "elastic_tensor" in cryskit.datasets()


def test_plans_have_the_forms_that_people_write(frame: pd.DataFrame, tmp_path: Path) -> None:
    from cryskit.training.inputs import plan_of

    (tmp_path / "plan.yaml").write_text("properties: band_gap\n")
    given = (
        "band_gap",
        ["band_gap"],
        {"properties": ["band_gap"]},
        str(tmp_path / "plan.yaml"),
        tmp_path / "plan.yaml",
    )
    plans = [plan_of(each) for each in given]
    assert all(plan == plans[0] for plan in plans)
    with pytest.raises(PlanError, match="A int is no plan"):
        plan_of(3)
    with pytest.raises(DataError, match="has no usable crystal"):
        cryskit.train("band_gap", frame.assign(structure=None), out=tmp_path / "y.safetensors")


def test_rows_that_are_no_crystals_are_warned_of(frame: pd.DataFrame) -> None:
    from cryskit.training.inputs import crystals_of

    broken = frame.astype(object)
    broken.iloc[3, 0] = None
    with pytest.warns(UnusableRowsWarning, match="1 of 60 rows cannot be used and are left out, the first: 3"):
        assert len(crystals_of(broken)) == 59


def test_crystals_come_from_other_libraries_and_go_back() -> None:
    crystal = cryskit.Crystal.from_pymatgen(SALT)
    assert (crystal.id, crystal.formula) == ("CsCl", "CsCl")
    assert crystal.to_pymatgen() == SALT
    silicon = cryskit.Crystal.from_ase(bulk("Si"), id="mine")
    assert (silicon.id, silicon.formula, len(silicon.to_ase())) == ("mine", "Si", 2)
    assert np.allclose(silicon.to_ase().get_all_distances(mic=True), bulk("Si").get_all_distances(mic=True))
    with pytest.raises(cryskit.CrystalError, match="no full periodic cell"):
        cryskit.Crystal.from_ase(Atoms("H"))


def test_what_is_printed_is_short(trained: str) -> None:
    predictor = cryskit.load(trained)
    for shown in (
        repr(cryskit.Crystal.from_pymatgen(SALT)),
        repr(predictor),
        repr(predictor.card),
        str(predictor.card),
    ):
        assert len(shown.splitlines()) <= 3
    assert repr(predictor).splitlines() == [
        "Predictor x (cgcnn)",
        "  predicts bulk_modulus (GPa)",
        "  trained on 48 crystals",
    ]
    assert repr(cryskit.Crystal.from_pymatgen(SALT)) == "Crystal('CsCl', CsCl, 2 atoms, 4.12 x 4.12 x 4.12 angstrom)"


def test_bundled_names_are_sources_like_any_other(trained: str) -> None:
    table = cryskit.load(trained).predict("dielectric_constant")
    assert list(table.columns) == ["id", "formula", "bulk_modulus", "status", "reason"]
    assert len(table) == cryskit.datasets()["dielectric_constant"].rows


def test_tables_say_which_crystal_each_row_is(trained: str, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        SALT.to(filename=str(tmp_path / place / "CONTCAR"), fmt="poscar")
    files = [str(tmp_path / place / "CONTCAR") for place in ("a", "b")]
    table = cryskit.load(trained).predict(files)
    assert list(table.columns) == ["id", "path", "formula", "bulk_modulus", "status", "reason"]
    assert table["id"].tolist() == ["a/CONTCAR", "b/CONTCAR"]
    assert table["path"].tolist() == files
    assert table["formula"].tolist() == ["CsCl", "CsCl"]


def test_only_public_names_are_offered() -> None:
    code = "import cryskit; cryskit.load; import cryskit.evaluate.metrics; print(dir(cryskit) == cryskit.__all__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"
