"""Tables and figures that leave cryskit: units, formulas, few digits, Excel, vectors as arrays, formats of figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from cryskit.data.read import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]


def test_every_row_has_its_path_and_formula(cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path) -> None:
    assert cryskit("predict", *cifs[:2], "--model", model, "--out", "t.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["path"].tolist() == [str(path) for path in cifs[:2]]
    assert table["formula"].tolist() == ["Si", "NaCl"]


def test_numbers_have_the_fewest_digits_that_read_back(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    cryskit("predict", *cifs, "--model", model, "--out", "t.csv")
    cryskit("predict", *cifs, "--model", model, "--out", "t.parquet")
    texts = pd.read_csv(tmp_path / "t.csv", dtype=str)["bulk_modulus"]
    exact = pd.read_parquet(tmp_path / "t.parquet")["bulk_modulus"].to_numpy()
    assert all(len(text) <= 11 for text in texts)
    assert (texts.astype(float).to_numpy(np.float32) == exact.astype(np.float32)).all()
    rows = json.loads(cryskit("predict", *cifs, "--model", model, "--json").stdout)["rows"]
    assert [repr(row["bulk_modulus"]) for row in rows] == texts.tolist()


def test_names_of_columns_have_units_on_demand_and_are_known_when_read(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    assert cryskit("predict", *cifs, "--model", model, "--units", "--out", "t.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns)[3:5] == ["bulk_modulus (GPa)", "poisson_ratio"]
    (crystal,) = read(pd.DataFrame({"cif_path": [str(cifs[0])], "bulk_modulus (GPa)": [98.0]}))
    assert dict(crystal.targets) == {"bulk_modulus": 98.0}


def test_tables_are_written_for_excel(cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    assert cryskit("predict", *cifs, "--model", model, "--out", "t.xlsx").exit_code == 0
    cryskit("predict", *cifs, "--model", model, "--out", "t.csv")
    rows, about = (pd.read_excel(tmp_path / "t.xlsx", sheet_name=name) for name in ("rows", "about"))
    pd.testing.assert_frame_equal(rows, pd.read_csv(tmp_path / "t.csv"), check_dtype=False)
    assert about["what"].tolist() == ["model", "units"]


def test_vectors_are_written_as_an_array_or_as_columns(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    (cifs[0].parent / "broken.cif").touch()
    for name in ("v.npy", "flat.csv", "v.parquet"):
        assert cryskit("embed", cifs[0].parent, "--model", model, "--out", name).exit_code == 1
    vectors, flat = np.load(tmp_path / "v.npy"), pd.read_csv(tmp_path / "flat.csv")
    ids = pd.read_csv(tmp_path / "v.csv")
    table = pd.read_parquet(tmp_path / "v.parquet")
    assert vectors.shape == (6, 8)
    assert vectors.dtype == np.float32
    assert ids["id"].tolist() == flat["id"].tolist() == table["id"].tolist()
    failed = (ids["status"] == "failed").to_numpy()
    assert failed.sum() == 1
    assert np.isnan(vectors[failed]).all()
    assert np.array_equal(vectors[~failed], np.stack(table["vector"][~failed]))
    numbers = flat[[f"vector_{i}" for i in range(8)]].to_numpy(np.float32)
    assert np.array_equal(numbers, vectors, equal_nan=True)
    refused = cryskit("embed", cifs[0], "--model", model, "--atoms", "--out", "v.npy")
    assert refused.exit_code == 2


@pytest.mark.parametrize(("form", "magic"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_figures_have_the_format_that_is_asked_for(
    cryskit: Call, model: Path, data: Path, tmp_path: Path, form: str, magic: bytes
) -> None:
    asked = ("evaluate", "--data", data, "--model", model, "--property", "bulk_modulus", "--plots", "plots")
    assert cryskit(*asked, "--format", form).exit_code == 0
    assert (tmp_path / "plots" / f"parity-bulk_modulus.{form}").read_bytes().startswith(magic)
