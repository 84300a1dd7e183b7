"""Vectors of other programs: the scripts in tools/extract write what a student learns from, and another crystal is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cryskit.data.interchange import write
from cryskit.data.read import read
from cryskit.errors import DataError
from cryskit.predict.card import Card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.training.plan import Teacher
from cryskit.training.teacher import Vectors
from cryskit.types import Crystal

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tools" / "extract"
CRYSTALS = [c for c in read(ROOT / "examples") if isinstance(c, Crystal)][:12]


@pytest.fixture
def extraction(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import extraction

    return extraction


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder = ENCODERS.build({"name": "cgcnn", "width": 6, "layers": 3})
    card = Card(name="teacher", encoder=ENCODERS.config_of(encoder), spec=encoder.needs, properties=[])
    Predictor(encoder, None, card).save(tmp_path / "teacher.safetensors")
    return tmp_path / "teacher.safetensors"


@pytest.fixture
def crystals_file(tmp_path: Path) -> Path:
    write(tmp_path / "crystals.parquet", CRYSTALS)
    return tmp_path / "crystals.parquet"


@pytest.fixture
def table(extraction: Any, model: Path, crystals_file: Path, tmp_path: Path) -> Path:
    """A table that the scripts' own code wrote of the vectors of one of our models; it fails for one crystal."""
    known = load(model).embed_atoms(CRYSTALS, 2).set_index("id")

    def extract(crystal: Any) -> Any:
        if crystal.id == CRYSTALS[3].id:
            raise RuntimeError("no such element")
        return extraction.Vectors(known["vectors"][crystal.id].reshape(len(crystal.numbers), 2, 6))

    about = extraction.About("Outside", "1.0", "MPtrj", "MIT")
    rows = list(extraction.crystals_of(crystals_file))
    assert extraction.write(tmp_path / "outside.parquet", rows, extract, about) == 1
    return tmp_path / "outside.parquet"


def test_a_script_knows_crystals_by_the_same_fingerprint(extraction: Any, crystals_file: Path) -> None:
    found = {one.id: one.fingerprint for one in extraction.crystals_of(crystals_file)}
    assert found == {crystal.id: crystal.fingerprint for crystal in CRYSTALS}


def test_the_table_of_a_script_teaches_as_the_model_itself(table: Path, model: Path, tmp_path: Path) -> None:
    usable = [crystal for crystal in CRYSTALS if crystal.id != CRYSTALS[3].id]
    outside, own = Vectors(Teacher(file=str(table))), Vectors(Teacher(file=str(model)))
    assert outside.width == own.width == 6
    for given, wanted in zip(outside.of(usable, 2, tmp_path), own.of(usable, 2, tmp_path), strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match=r"no vectors of the crystal .* \(RuntimeError: no such element\)"):
        outside.of(CRYSTALS, 2, tmp_path)


def test_vectors_of_another_crystal_are_refused_by_name(table: Path, tmp_path: Path) -> None:
    vectors, first = Vectors(Teacher(file=str(table))), CRYSTALS[0]
    stretched = replace(first, lattice=first.lattice * 1.001)
    with pytest.raises(DataError, match=rf"vectors of {first.id} are those of another crystal"):
        vectors.of([stretched], 2, tmp_path)
    rows = pq.read_table(table).drop_columns(["fingerprint"])
    cut = pa.array([v and v[:-1] for v in rows["vectors"].to_pylist()], rows["vectors"].type)
    pq.write_table(rows.set_column(rows.column_names.index("vectors"), "vectors", cut), tmp_path / "cut.parquet")
    with pytest.raises(
        DataError, match=rf"vectors of {first.id} are of {len(first) - 1} atoms, but it has {len(first)}"
    ):
        Vectors(Teacher(file=str(tmp_path / "cut.parquet"))).of([first], 2, tmp_path)


def test_whose_vectors_they_are_is_known_and_warned_of(table: Path, model: Path, tmp_path: Path) -> None:
    vectors = Vectors(Teacher(file=str(table)))
    assert vectors.origin == {"model": "Outside", "version": "1.0", "training_set": "MPtrj", "licence": "MIT"}
    assert (
        "Outside, which was trained on MPtrj: that your test crystals are among them cannot be excluded"
        in vectors.warning
    )
    assert Vectors(Teacher(file=str(model))).warning == ""
    load(model).embed_atoms(CRYSTALS).to_parquet(tmp_path / "plain.parquet")
    plain = Vectors(Teacher(file=str(tmp_path / "plain.parquet")))
    assert plain.origin == {}
    assert "an unnamed model" in plain.warning


def test_the_command_prints_it_and_the_card_keeps_it(table: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cryskit.cli import app

    usable = [replace(c, targets={"x": float(i % 5)}) for i, c in enumerate(CRYSTALS) if c.id != CRYSTALS[3].id]
    write(tmp_path / "data.parquet", usable)
    plan = {"encoder": {"name": "cgcnn", "width": 8, "layers": 3}, "objective": {"name": "distill", "layers": 2}}
    (tmp_path / "plan.yaml").write_text(json.dumps(plan | {"optimisation": {"epochs": 1, "accelerator": "cpu"}}))
    split = {"--data": tmp_path / "data.parquet", "--config": tmp_path / "plan.yaml", "--teacher": table}
    call = [str(part) for pair in split.items() for part in pair]
    out = tmp_path / "student.safetensors"
    result = CliRunner().invoke(app, ["train", *call, "--property", "x", "--kind", "scalar", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "which was trained on MPtrj" in result.stderr
    assert load(out).card.teacher["origin"]["model"] == "Outside"


@pytest.mark.parametrize("name", ["chgnet", "mace", "orb", "sevennet"])
def test_every_script_helps_and_runs_dry_without_its_model(name: str, crystals_file: Path, tmp_path: Path) -> None:
    script, out = SCRIPTS / f"extract_{name}.py", tmp_path / "none.parquet"

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, str(script), *map(str, arguments)]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    assert "--dry-run" in run("--help").stdout
    result = run(crystals_file, out, "--dry-run", "--first", 3)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"3 crystals, {sum(map(len, CRYSTALS[:3]))} atoms\n")
    assert "trained on " in result.stdout
    assert "leakage" in result.stdout
    assert not out.exists()
    text = script.read_text(encoding="utf-8")
    assert text.startswith("# /// script\n# requires-python = ")
    pd.DataFrame({"id": ["x"]}).to_parquet(tmp_path / "wrong.parquet")
    assert "cryskit data convert" in run(tmp_path / "wrong.parquet", out, "--dry-run").stderr
