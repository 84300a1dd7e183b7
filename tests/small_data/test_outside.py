"""Vectors of another program as a candidate of a fit, and a model that reads them: for the crystals of the table, and no others."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import cryskit
from cryskit.cli import app
from cryskit.data.interchange import write
from cryskit.errors import DataError, ModelError
from cryskit.predict.outside import ORIGIN, OutsideVectors
from cryskit.small_data.fit import Fitted, fit_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CRYSTALS = [c for c in islice(cryskit.read("elastic_tensor"), 45) if isinstance(c, cryskit.Crystal)]
TRAINED, NEW = CRYSTALS[:30], CRYSTALS[30:]
ABOUT = {"model": "Potential 1", "training_set": "the Materials Project", "licence": "MIT"}


def telling(crystal: cryskit.Crystal) -> list[float]:
    """Vectors that know the answer, as those of a very good program would."""
    known = np.log10(crystal.targets["bulk_modulus"])
    noise = np.random.default_rng(len(crystal)).normal(size=4)
    return [float(known), float(known**2), *noise.tolist()]


def written(path: Path, crystals: Sequence[cryskit.Crystal], about: dict[str, str] | None = None, **other: Any) -> Path:
    columns = {
        "id": [c.id for c in crystals],
        "fingerprint": [c.fingerprint for c in crystals],
        "vector": [telling(c) for c in crystals],
    }
    table = pa.table(columns | other).replace_schema_metadata({ORIGIN: json.dumps(ABOUT if about is None else about)})
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("outside")
    table = written(folder / "vectors.parquet", CRYSTALS)
    return fit_table(TRAINED, "bulk_modulus", folder / "m.safetensors", budget=1, encoders=["crysae"], vectors=table)


def test_they_are_a_candidate_and_the_warning_says_whose_they_are(done: Fitted) -> None:
    single = {name: error for name, (error, _) in done.errors.items() if ", " in name}
    assert min(single, key=lambda name: single[name]).startswith("Potential 1, ")
    assert done.errors["fit"][0] < 0.5 * min(e for name, e in single.items() if name.startswith("crysae"))
    assert any("vectors.parquet has vectors of Potential 1" in warning for warning in done.warnings)
    assert done.model.card.plan["fit"]["vectors"]["model"] == "Potential 1"


def test_the_model_predicts_the_crystals_of_a_table(done: Fitted, tmp_path: Path) -> None:
    model = cryskit.load(done.path).with_vectors(written(tmp_path / "new.parquet", NEW[1:]))
    found = model.predict(NEW)
    assert found["status"].tolist()[0] == "failed"
    assert "new.parquet has no vector of" in found["reason"][0]
    assert not (found["status"] == "failed")[1:].any()
    expected = np.log10([crystal.targets["bulk_modulus"] for crystal in NEW[1:]])
    assert np.abs(np.log10(found["bulk_modulus"][1:].astype(float)) - expected).mean() < 0.1


def test_without_a_table_it_says_what_to_write(done: Fitted) -> None:
    with pytest.raises(ModelError, match="reads vectors of Potential 1, which cryskit does not compute"):
        cryskit.load(done.path).predict(NEW)


def test_other_vectors_and_other_models_are_refused(done: Fitted, tmp_path: Path) -> None:
    model = cryskit.load(done.path)
    other = written(tmp_path / "other.parquet", NEW, {"model": "Potential 2"})
    with pytest.raises(DataError, match=r"6 numbers of Potential 2 .* fitted to 6 of Potential 1"):
        model.with_vectors(other)
    short = written(tmp_path / "short.parquet", NEW, vector=[[1.0]] * len(NEW))
    with pytest.raises(DataError, match="has 1 numbers"):
        model.with_vectors(short)
    with pytest.raises(ModelError, match="reads no vectors"):
        cryskit.load("cryskit-mp").with_vectors(other)


def test_a_table_that_lacks_a_crystal_or_has_another_is_refused(tmp_path: Path) -> None:
    def fit(table: Path) -> None:
        fit_table(TRAINED, "bulk_modulus", tmp_path / "m.safetensors", budget=1, encoders=["crysae"], vectors=table)

    with pytest.raises(DataError, match=r"1 crystal of 30 cannot be used .* has no vector of"):
        fit(written(tmp_path / "lacking.parquet", TRAINED[1:]))
    moved = [replace(TRAINED[0], lattice=TRAINED[0].lattice * 1.1), *TRAINED[1:]]
    with pytest.raises(DataError, match="is that of another crystal"):
        fit(written(tmp_path / "moved.parquet", moved))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"id": ["a"]}, "lacks the columns vector"),
        ({"id": ["a"], "vector": ["1 2 3"]}, "is no list of numbers"),
        ({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, r"lengths \[1, 2\]"),
    ],
)
def test_what_is_no_table_of_vectors_is_refused(columns: dict[str, Any], says: str, tmp_path: Path) -> None:
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=says):
        OutsideVectors(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_text("nothing", encoding="utf-8")
    with pytest.raises(DataError, match="no table of vectors"):
        OutsideVectors(tmp_path / "t.parquet")


def test_the_verbs_take_the_table(done: Fitted, tmp_path: Path) -> None:
    write(tmp_path / "new.parquet", NEW)
    table = written(tmp_path / "vectors.parquet", NEW)
    call = [str(tmp_path / "new.parquet"), "--model", str(done.path)]
    found = CliRunner().invoke(app, ["predict", *call, "--vectors", str(table), "--json"])
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.stdout)["rows"]) == len(NEW)
    judged = CliRunner().invoke(app, ["evaluate", "--data", *call, "--vectors", str(table), "--json"])
    assert judged.exit_code == 0, judged.output
    without = CliRunner().invoke(app, ["predict", *call])
    assert without.exit_code == 2
    assert "--vectors FILE" in without.output
