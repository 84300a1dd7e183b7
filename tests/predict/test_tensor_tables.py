"""Tensors in tables: frames, rotation, what follows from them, and the forms of CSV, JSON and Parquet."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from predict.tensor_models import untrained
from predict.test_tensors import BUNDLED, CRYSTALS
from pymatgen.analysis.elasticity import ElasticTensor
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from cryskit.cli import app
from cryskit.data.read import read
from cryskit.errors import PlanError, UnknownNameError
from cryskit.predict.tensors import TURNED
from cryskit.symmetry import point_group
from cryskit.tensors.frames import ieee_rotation
from cryskit.tensors.kinds import ELASTIC
from cryskit.tensors.notation import components_to_matrix
from cryskit.tensors.project import residual
from cryskit.tensors.rotate import rotate_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.predict.predictor import Predictor

COLUMNS = [f"elastic_tensor_{component}" for component in ELASTIC.components]
SOME = BUNDLED[:12]


@pytest.fixture(scope="module")
def model() -> Predictor:
    return untrained(["elastic_tensor"], CRYSTALS)


@pytest.fixture(scope="module")
def optical() -> Predictor:
    matrix = np.diag([3.0, 3.5, 4.0])
    tensors = {"dielectric_tensor_electronic": matrix, "dielectric_tensor": 2 * matrix}
    crystals = [
        replace(crystal, tensors={name: (1 + i / 60) * m for name, m in tensors.items()})
        for i, crystal in enumerate(BUNDLED)
    ]
    return untrained(["dielectric_tensor_electronic", "dielectric_tensor"], crystals)


def matrices(table: pd.DataFrame) -> np.ndarray:
    return components_to_matrix(table[COLUMNS].to_numpy(), ELASTIC)


def test_components_that_symmetry_makes_equal_are_equal_to_the_last_digit(model: Predictor) -> None:
    found = matrices(model.predict(SOME))
    for matrix, crystal in zip(found, SOME, strict=True):
        assert residual(matrix, point_group(crystal), ELASTIC) < 5e-4
    for c in found[[len(point_group(crystal)) == 48 for crystal in SOME]]:
        assert c[0, 0] == c[1, 1] == c[2, 2]
        assert c[3, 3] == c[4, 4] == c[5, 5]


def test_both_frames_are_one_tensor_and_the_rotation_turns_one_into_the_other(model: Predictor) -> None:
    given, standard = (model.predict(SOME, frame=frame) for frame in ("input", "ieee"))
    assert set(given["frame"]) == {"input"}
    assert set(standard["frame"]) == {"ieee"}
    for table in (given, standard):
        rotations = table[list(TURNED)].to_numpy().reshape(-1, 3, 3)
        np.testing.assert_allclose(rotations, [ieee_rotation(crystal) for crystal in SOME], atol=1e-11)
        turned = [rotate_matrix(c, r, ELASTIC) for c, r in zip(matrices(given), rotations, strict=True)]
        np.testing.assert_allclose(matrices(standard), turned, atol=2e-3)
    assert np.abs(matrices(given) - matrices(standard)).max() > 1


def test_the_tensor_in_the_standard_frame_does_not_depend_on_the_orientation(model: Predictor) -> None:
    rotation = Rotation.random(rng=3).as_matrix()
    turned = [replace(crystal, lattice=crystal.lattice @ rotation.T) for crystal in SOME]
    given, there = model.predict(SOME, frame="ieee"), model.predict(turned, frame="ieee")
    np.testing.assert_allclose(matrices(there), matrices(given), atol=1e-4 * matrices(given).max())


def test_what_follows_from_a_tensor_is_that_of_pymatgen_and_has_units(model: Predictor) -> None:
    table = model.predict(SOME, derive=True)
    for c, (_, row), crystal in zip(matrices(table), table.iterrows(), SOME, strict=True):
        expected, structure = ElasticTensor.from_voigt(c), crystal.to_pymatgen()
        assert row["bulk_modulus"] == pytest.approx(expected.k_vrh, rel=1e-5)
        assert row["shear_modulus_reuss"] == pytest.approx(expected.g_reuss, rel=1e-5)
        assert row["elastic_anisotropy"] == pytest.approx(expected.universal_anisotropy, abs=1e-5)
        assert row["sound_longitudinal"] == pytest.approx(expected.long_v(structure), rel=1e-3)
        assert row["debye_temperature"] == pytest.approx(expected.debye_temperature(structure), rel=1e-2)
        assert row["stable"] is True
    units = table.attrs["units"]
    assert [units[n] for n in ("young_modulus", "sound_mean", "debye_temperature")] == ["GPa", "m/s", "K"]
    assert "bulk_modulus" not in model.predict(SOME)


def test_only_the_electronic_permittivity_has_refractive_indices(optical: Predictor) -> None:
    table = optical.predict(SOME, derive=True)
    np.testing.assert_allclose(table["refractive_index"] ** 2, table["dielectric_electronic"], rtol=1e-6)
    cubic = [len(point_group(crystal)) == 48 for crystal in SOME]
    assert set(table["optical_class"][cubic]) == {"isotropic"}
    assert (table["birefringence"][cubic] == 0).all()
    assert "dielectric_total" in table
    other = optical.predict(SOME, "dielectric_tensor", derive=True)
    assert "refractive_index" not in other
    with pytest.raises(UnknownNameError, match="no frame of tensors called 'crystal'"):
        optical.predict(SOME, frame="crystal")


def test_nothing_follows_from_piezoelectric_constants() -> None:
    crystals = [replace(c, tensors={"piezoelectric_tensor": np.full((3, 6), i / 60)}) for i, c in enumerate(BUNDLED)]
    model = untrained(["piezoelectric_tensor"], crystals)
    assert model.predict(SOME[:2])["piezoelectric_tensor_e14"].notna().all()
    with pytest.raises(PlanError, match="Nothing follows from piezoelectric_tensor"):
        model.predict(SOME[:2], derive=True)


def test_files_hold_components_matrices_or_lists(model: Predictor, tmp_path: Path) -> None:
    model.save(tmp_path / "made.safetensors")
    given = [
        "predict",
        "examples/NaCl.cif",
        "examples/Al2O3.cif",
        "--model",
        str(tmp_path / "made.safetensors"),
        "--derive",
    ]
    flat = CliRunner().invoke(
        app, [*given, "--out", str(tmp_path / "a.csv"), "--json", "--frame", "ieee", "--plots", str(tmp_path / "plots")]
    )
    assert flat.exit_code == 0, flat.stderr
    document, table = json.loads(flat.stdout), pd.read_csv(tmp_path / "a.csv")
    nested = np.array([row["elastic_tensor"] for row in document["rows"]])
    np.testing.assert_array_equal(nested, matrices(table))
    assert nested.shape == (2, 6, 6)
    assert np.shape(document["rows"][0]["rotation"]) == (3, 3)
    assert (document["units"]["elastic_tensor"], document["units"]["debye_temperature"]) == ("GPa", "K")
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        f"{name}.{ending}" for name in ("Al2O3", "NaCl") for ending in ("html", "png")
    ]
    assert "IEEE standard frame" in (tmp_path / "plots" / "NaCl.html").read_text()

    CliRunner().invoke(app, [*given, "--units", "--frame", "ieee", "--out", str(tmp_path / "a.parquet")])
    columns = pq.read_table(tmp_path / "a.parquet")
    assert {"elastic_tensor (GPa)", "rotation", "sound_mean (m/s)"} <= set(columns.column_names)
    np.testing.assert_array_equal(np.reshape(columns["elastic_tensor (GPa)"].to_pylist(), (2, 6, 6)), nested)


def test_a_failed_row_has_no_tensor(model: Predictor) -> None:
    failed = next(iter(read([{"structure": "nonsense"}])))
    table = model.predict([SOME[0], failed], derive=True)
    assert table["status"].tolist() == ["ok", "failed"]
    assert table.loc[1, [*COLUMNS, "bulk_modulus", "frame"]].isna().all()


def test_a_terminal_shows_tensors_as_matrices_and_data_derive_what_follows_from_known_ones(tmp_path: Path) -> None:
    file, silicon = tmp_path / "silicon.json", np.zeros((6, 6))
    silicon[:3, :3] = 63.9
    silicon[range(6), range(6)] = [165.7] * 3 + [79.6] * 3
    cell = next(crystal for crystal in BUNDLED if len(point_group(crystal)) == 48)
    row = {"id": "a", "structure": cell.to_pymatgen().as_dict(), "elastic_tensor": silicon.tolist()}
    file.write_text(json.dumps([row, row | {"id": "b", "elastic_tensor": None}]))
    shown = CliRunner().invoke(app, ["data", "derive", str(file), "--plots", str(tmp_path / "young")])
    assert shown.exit_code == 0, shown.output
    assert "a: elastic_tensor in GPa, input frame\n     165.7      63.9      63.9         0" in shown.stdout
    assert "rotation" not in shown.stdout
    assert "elastic_tensor_c11" not in shown.stdout
    assert (tmp_path / "young" / "a.png").stat().st_size > 1000
    made = CliRunner().invoke(app, ["data", "derive", str(file), "--json"])
    (found,) = json.loads(made.stdout)["rows"]
    assert found["bulk_modulus"] == pytest.approx(97.83, abs=0.01)
    assert found["debye_temperature"] > 0
    file.write_text(json.dumps([row | {"elastic_tensor": None}]))
    assert "no crystal with a tensor" in CliRunner().invoke(app, ["data", "derive", str(file)]).stderr
