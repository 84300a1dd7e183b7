"""Tensors are read from every format that holds structures with labels, and the audit says in whose frame they are."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymatgen.analysis.elasticity import ElasticTensor
from tensors.made import CRYSTALS, rotated, turned
from typer.testing import CliRunner

from cryskit.cli import app
from cryskit.data.audit import audit
from cryskit.data.interchange import read_rows, write
from cryskit.data.read import read
from cryskit.data.tensors import component_of, from_ieee, tensors_in
from cryskit.errors import UnreadableError
from cryskit.symmetry import point_group
from cryskit.tensors.frames import ieee_rotation
from cryskit.tensors.kinds import DIELECTRIC, ELASTIC
from cryskit.tensors.project import project
from cryskit.tensors.rotate import rotate_matrix
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

RUBY = rotated(CRYSTALS["Al2O3"], turned(7))
STIFFNESS = project(np.diag([400.0, 380, 420, 150, 160, 170]) + 50, point_group(RUBY), ELASTIC)
PERMITTIVITY = project(np.diag([9.0, 9.5, 11.0]) + 0.5, point_group(RUBY), DIELECTRIC)
COMPONENTS = {f"c{i + 1}{j + 1}": STIFFNESS[i, j] for i, j in zip(*np.triu_indices(6), strict=True)}
STRUCTURE = RUBY.to_pymatgen()
LABELS = {"elastic_tensor": STIFFNESS.tolist(), "e_total": PERMITTIVITY.tolist(), "band_gap": 8.8}


def one(source: Any, **how: Any) -> Crystal:
    (found,) = read(source, **how)
    assert isinstance(found, Crystal), found
    return found


def check(found: Crystal, *, dielectric: bool = True) -> None:
    np.testing.assert_allclose(found.tensors["elastic_tensor"], STIFFNESS, atol=1e-6)
    assert list(found.tensors) == ["elastic_tensor", "dielectric_tensor"][: 1 + dielectric]
    assert found.targets == {"band_gap": 8.8}
    assert not found.labels


@pytest.mark.parametrize("prefix", ["", "elastic_tensor_"])
def test_a_csv_file_has_a_column_for_each_component(tmp_path: Path, prefix: str) -> None:
    columns = {f"{prefix}{name}": [value] for name, value in COMPONENTS.items()}
    frame = pd.DataFrame({"id": ["a"], "cif": [STRUCTURE.to(fmt="cif")], "band_gap": [8.8], **columns})
    frame.to_csv(tmp_path / "a.csv", index=False)
    check(one(tmp_path / "a.csv"), dielectric=False)


def test_a_csv_file_may_hold_matrices_as_json(tmp_path: Path) -> None:
    cells = {name: [json.dumps(value)] for name, value in LABELS.items()}
    pd.DataFrame({"id": ["a"], "cif": [STRUCTURE.to(fmt="cif")], **cells}).to_csv(tmp_path / "a.csv", index=False)
    check(one(tmp_path / "a.csv"))


def test_json_and_json_lines_have_matrices(tmp_path: Path) -> None:
    row = {"material_id": "a", "structure": STRUCTURE.as_dict(), **LABELS}
    (tmp_path / "a.json").write_text(json.dumps([row]))
    (tmp_path / "a.jsonl").write_text(json.dumps(row | {"elastic_tensor": STIFFNESS.ravel().tolist()}) + "\n")
    for name in ("a.json", "a.jsonl"):
        check(one(tmp_path / name))


def test_extended_xyz_and_ase_have_tensors_in_their_info(tmp_path: Path) -> None:
    atoms = RUBY.to_ase()
    atoms.info |= {"elastic_tensor": STIFFNESS, "e_total": PERMITTIVITY, "band_gap": 8.8}
    check(one([atoms]))
    atoms.write(tmp_path / "a.xyz", format="extxyz")
    check(one(tmp_path / "a.xyz"))


def test_frames_and_structures_of_pymatgen_hold_arrays_and_tensors_of_pymatgen() -> None:
    tensor = ElasticTensor.from_voigt(STIFFNESS)
    frame = pd.DataFrame({"structure": [STRUCTURE], "elastic_tensor": [tensor], "band_gap": 8.8})
    check(one(frame), dielectric=False)
    labels = {"elastic_tensor": tensor, "e_total": PERMITTIVITY, "band_gap": 8.8}
    whole = RUBY.to_pymatgen()
    whole.properties = labels
    check(one([whole]))
    stored = {"structure": STRUCTURE, "elastic_tensor": json.loads(tensor.to_json()), "band_gap": 8.8}
    check(one([stored]), dielectric=False)
    of_mp = {"raw": STIFFNESS.tolist(), "ieee_format": np.eye(6).tolist()}
    check(one([{"structure": STRUCTURE, "elastic_tensor": of_mp, "band_gap": 8.8}]), dielectric=False)


def test_parquet_has_lists_or_a_column_for_each_component(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [replace(RUBY, targets={"band_gap": 8.8})])
    table = pq.read_table(tmp_path / "a.parquet")
    for name, value in COMPONENTS.items():
        table = table.append_column(name, pa.array([value]))
    pq.write_table(table, tmp_path / "b.parquet")
    (found,) = read_rows(tmp_path / "b.parquet")
    assert isinstance(found, Crystal)
    check(found, dielectric=False)
    nested = pd.DataFrame({"cif": [STRUCTURE.to(fmt="cif")], **{name: [value] for name, value in LABELS.items()}})
    file = BytesIO()
    nested.to_parquet(file)
    file.seek(0)
    check(one(file, name="c.parquet"))


def test_components_need_all_of_their_tensor_and_keep_what_is_not_symmetric() -> None:
    some = {name: value for name, value in COMPONENTS.items() if name != "c66"}
    assert not tensors_in(some).tensors
    assert not tensors_in({**COMPONENTS, "c66": float("nan")}).columns
    skew = tensors_in({**COMPONENTS, "c21": 7.0}).tensors["elastic_tensor"]
    assert (skew[1, 0], skew[0, 1]) == (7.0, STIFFNESS[0, 1])
    assert component_of("e46") is None
    assert component_of("dielectric_tensor_electronic_eps33") == ("dielectric_tensor_electronic", 2, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0] * 4] * 9, "The elastic_tensor is 9 x 4"),
        ([1.0] * 21, "has 21 numbers, expected 36"),
        ([["a"] * 6] * 6, "is no list of numbers"),
        ("[1, 2", "is no list of numbers"),
        ([[1.0], [1.0, 2.0]], "is no list of numbers"),
    ],
)
def test_what_is_no_tensor_is_a_failure_of_its_row(value: Any, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        tensors_in({"elastic_tensor": value})
    bad, good = read([{"structure": STRUCTURE, "elastic_tensor": value}, {"structure": STRUCTURE, **LABELS}])
    assert isinstance(bad, Failure)
    assert message in str(bad.error)
    assert isinstance(good, Crystal)
    assert not tensors_in({"elastic_tensor": None, "e_total": [[None] * 3] * 3}).tensors


def test_the_audit_says_in_whose_frame_tensors_are_and_convert_turns_them(tmp_path: Path) -> None:
    standard = rotate_matrix(STIFFNESS, ieee_rotation(RUBY), ELASTIC)
    given = [
        replace(RUBY, id=str(i), tensors={"elastic_tensor": matrix, "dielectric_tensor": PERMITTIVITY - i * np.eye(3)})
        for i, matrix in enumerate(
            [standard, standard, STIFFNESS, rotate_matrix(STIFFNESS, turned(9), ELASTIC), -STIFFNESS]
        )
    ]
    elastic, dielectric = audit([*given, CRYSTALS["NaCl"]]).tensors
    assert elastic == ("elastic_tensor", "GPa", 5, 1, 1, 2, 2, 1)
    assert (dielectric.known, dielectric.impossible, dielectric.input) == (5, 0, 5)
    write(tmp_path / "a.parquet", given[:2])
    shown = CliRunner().invoke(app, ["data", "audit", str(tmp_path / "a.parquet")])
    assert "2 of 2 elastic_tensor seem to be in the IEEE standard frame" in shown.stdout
    made = ["data", "convert", str(tmp_path / "a.parquet"), "--tensors", "ieee", "--out", str(tmp_path / "b.parquet")]
    assert CliRunner().invoke(app, made).exit_code == 0
    for found in read_rows(tmp_path / "b.parquet"):
        assert isinstance(found, Crystal)
        np.testing.assert_allclose(found.tensors["elastic_tensor"], STIFFNESS, atol=1e-3)
    assert from_ieee(CRYSTALS["NaCl"]) is CRYSTALS["NaCl"]


def test_a_permittivity_of_one_or_less_is_doubtful_and_trains_nothing() -> None:
    from cryskit.properties import get
    from cryskit.training.labels import without_impossible

    thin = replace(CRYSTALS["NaCl"], tensors={"dielectric_tensor": np.eye(3)})
    (row,) = audit([thin]).tensors
    assert row.impossible == 1
    (label,) = without_impossible([thin], [get("dielectric_tensor")])[1]
    assert "not above that of the vacuum" in label.reason
    assert audit([thin]).of("doubtful tensor")[0].message == label.reason
