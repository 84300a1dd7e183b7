"""Suggestions: the best of what is offered, never what is known or cannot be, better with every answer that is given back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cryskit
from cryskit.cli import app
from cryskit.data.interchange import write
from cryskit.errors import DataError, PlanError
from cryskit.types import Crystal

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = [c for c in islice(cryskit.read("elastic_tensor"), 120) if isinstance(c, Crystal)]
BARE = [replace(c, targets={}) for c in CRYSTALS]


def test_a_model_that_predicts_the_property_suggests_what_it_predicts_best() -> None:
    table = cryskit.suggest(BARE, "cryskit-mp", "max bulk_modulus", batch=3, acquisition="mean")
    predicted = cryskit.load("cryskit-mp").predict(BARE)
    within = predicted[predicted["domain"] != "out"]
    assert table["id"][0] == within.loc[within["bulk_modulus"].idxmax(), "id"]
    assert table["bulk_modulus"][0] == pytest.approx(table["bulk_modulus_predicted"][0], rel=1e-4)
    assert (table["bulk_modulus_lo"] < table["bulk_modulus"]).all()
    assert (table["bulk_modulus_hi"] > table["bulk_modulus"]).all()
    assert table.attrs["units"]["bulk_modulus_std"] == "GPa"
    assert table.attrs["measured"] == 0


def test_an_encoder_that_predicts_nothing_learns_from_what_is_measured() -> None:
    known, rest = CRYSTALS[:60], BARE[60:]
    table = cryskit.suggest(
        [*BARE[:60], *rest], "crysae", "max bulk_modulus", measured=known, batch=6, acquisition="mean"
    )
    truth = {c.id: c.targets["bulk_modulus"] for c in CRYSTALS[60:]}
    assert set(table["id"]) <= truth.keys(), "what is measured is not suggested"
    chosen = np.mean([truth[name] for name in table["id"]])
    assert chosen > np.quantile(list(truth.values()), 0.8)
    assert table["bulk_modulus_predicted"].isna().all()
    assert table.attrs["measured"] == len(known)


def test_near_a_value_and_the_smallest() -> None:
    near = cryskit.suggest(BARE, "cryskit-mp", "bulk_modulus near 100", batch=4, acquisition="mean")
    assert (np.log10(near["bulk_modulus"] / 100).abs() < 0.05).all()
    least = cryskit.suggest(BARE, "cryskit-mp", "min bulk_modulus", batch=2, acquisition="mean")
    assert (least["bulk_modulus"] < 60).all()


def test_what_cannot_be_is_not_suggested_unless_asked_for() -> None:
    squeezed = [replace(c, id=f"{c.id}-squeezed", lattice=0.75 * c.lattice) for c in BARE[:20]]
    inside = cryskit.suggest([*BARE, *squeezed], "cryskit-mp", "max bulk_modulus", batch=10)
    assert not inside["id"].str.endswith("-squeezed").any()
    every = cryskit.suggest([*BARE, *squeezed], "cryskit-mp", "max bulk_modulus", batch=10, outside=True)
    assert every["id"].str.endswith("-squeezed").any()
    assert set(every.loc[every["id"].str.endswith("-squeezed"), "domain"]) == {"out"}


def test_answers_are_a_table_of_ids(tmp_path: Path) -> None:
    write(tmp_path / "pool.parquet", BARE)
    answers = pd.DataFrame([{"id": c.id, "K_VRH": c.targets["bulk_modulus"]} for c in CRYSTALS[:30]])
    answers.to_csv(tmp_path / "answers.csv", index=False)
    command = [
        *("suggest", str(tmp_path / "pool.parquet"), "--goal", "max K_VRH", "--model", "crysae", "--batch", "5"),
        *("--measured", str(tmp_path / "answers.csv")),
    ]
    shown = CliRunner().invoke(app, [*command, "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert len(found["rows"]) == 5
    assert not {row["id"] for row in found["rows"]} & set(answers["id"])
    assert "30 values known" in shown.stderr
    out = tmp_path / "next.csv"
    assert CliRunner().invoke(app, [*command, "--out", str(out)]).exit_code == 0
    assert [row["id"] for row in found["rows"]] == pd.read_csv(out)["id"].tolist()


def test_what_is_asked_has_to_be_possible(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="crysae does not predict bulk_modulus, and 0 values measured"):
        cryskit.suggest(BARE[:5], "crysae", "max bulk_modulus")
    with pytest.raises(DataError, match="Nothing that is given as measured has a value of bulk_modulus"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "max bulk_modulus", measured=BARE[5:8])
    with pytest.raises(DataError, match="No candidate is left"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "max bulk_modulus", measured=CRYSTALS[:5])
    with pytest.raises(PlanError, match="bulk_modulus is never -3"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "bulk_modulus near -3")
    with pytest.raises(PlanError, match="0 candidates"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "max bulk_modulus", batch=0)
    with pytest.raises(PlanError, match="Did you mean bulk_modulus or"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "max bulk_modulos")
    with pytest.raises(DataError, match="Did you mean bulk_modulus or"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "max bulk_modulos", measured=CRYSTALS[5:8])
    folder = tmp_path / "structures"
    folder.mkdir()
    (folder / "Si.cif").write_bytes((EXAMPLES / "Si.cif").read_bytes())
    with pytest.raises(DataError, match="Nothing that is given as measured has a value of bulk_modulus"):
        cryskit.suggest(BARE[:5], "cryskit-mp", "max bulk_modulus", measured=folder)
    bad = tmp_path / "bad.cif"
    bad.write_text("nothing", encoding="utf-8")
    table = cryskit.suggest([EXAMPLES / "Si.cif", bad], "cryskit-mp", "max band_gap")
    assert (len(table), table.attrs["unusable"]) == (1, 1)


def test_answers_that_cannot_be_used_are_named_and_cost_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    names = {"0012": "Si", "NaN": "NaCl", "1e5": "MgO", "GaN": "GaN", "GaAs": "GaAs", "Fe": "Fe", "Cu": "Cu"}
    for name, source in names.items():
        (folder / f"{name}.cif").write_bytes((EXAMPLES / f"{source}.cif").read_bytes())
    answers = tmp_path / "answers.csv"
    rows = ["0012,98", "NaN,25", "1e5,160", "GaN,high", "GaAs,inf", "Fe,-170", "elsewhere,5"]
    answers.write_text("\n".join(["id,bulk_modulus", *rows]), encoding="utf-8")
    command = ["suggest", str(folder), "--goal", "max bulk_modulus", "--measured", str(answers), "--json"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert {row["id"] for row in json.loads(shown.stdout)["rows"]} == {"GaN", "GaAs", "Fe", "Cu"}
    assert "3 values known" in shown.stderr
    assert "4 rows of --measured (GaN, GaAs, Fe, elsewhere)" in shown.stderr


def test_each_structure_is_offered_once_and_copies_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    sources = {
        "C": "C-diamond",
        "C-copy": "C-diamond",
        "C-again": "C-diamond",
        "MgO": "MgO",
        "Si": "Si",
        "Si-copy": "Si",
    }
    for name, source in sources.items():
        (folder / f"{name}.cif").write_bytes((EXAMPLES / f"{source}.cif").read_bytes())
    answers = tmp_path / "answers.csv"
    answers.write_text("id,bulk_modulus\nSi,98\n", encoding="utf-8")
    command = ["suggest", str(folder), "--goal", "max bulk_modulus", "--json"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert sorted(row["formula"] for row in json.loads(shown.stdout)["rows"]) == ["C", "MgO", "Si"]
    assert "3 left out as copies of other structures" in shown.stderr
    assert "0 values known, `chance` is that of being better than the best prediction" in shown.stderr
    measured = CliRunner().invoke(app, [*command, "--measured", str(answers)])
    assert sorted(row["formula"] for row in json.loads(measured.stdout)["rows"]) == ["C", "MgO"]
    assert "best prediction" not in measured.stderr


def test_a_goal_that_says_nothing_is_refused_before_torch_is_loaded() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cryskit.cli import app\n"
        f"done = CliRunner().invoke(app, ['suggest', {str(EXAMPLES / 'Si.cif')!r}, '--goal', 'most gap please'])\n"
        "assert done.exit_code == 2 and 'is no goal' in done.output, done.output\nassert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
