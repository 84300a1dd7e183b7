"""Tensors from the file to the table: columns of lists, labels that cannot be, training, prediction, evaluation, refusals."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from cryskit.data.audit import audit
from cryskit.data.interchange import read_rows, write
from cryskit.data.sources import open_source
from cryskit.data.splits import Split, make
from cryskit.errors import ModelError, PlanError
from cryskit.evaluate.evaluate import evaluate
from cryskit.explain.atoms import Explainer
from cryskit.exported.write import export
from cryskit.predict.card import read_card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.predict.tensors import FRAME, TURNED
from cryskit.properties import get
from cryskit.symmetry import point_group
from cryskit.tensors.elastic import moduli
from cryskit.tensors.kinds import ELASTIC
from cryskit.tensors.notation import components_to_matrix, mandel_to_voigt, voigt_to_mandel
from cryskit.tensors.project import project, residual
from cryskit.training.calibrate import calibrate, calibrated
from cryskit.training.labels import without_impossible
from cryskit.training.plan import Plan
from cryskit.training.train import train
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

BUNDLED = [c for c in islice(open_source("elastic_tensor"), 60) if isinstance(c, Crystal)]
BULK, DEVIATORIC = np.kron(np.diag([1.0, 0.0]), np.full((3, 3), 1 / 3)), np.eye(6)
DEVIATORIC = DEVIATORIC - BULK


def labelled(crystal: Crystal, seed: int) -> Crystal:
    """Return a crystal with a stiffness of its published moduli, and as much anisotropy as its symmetry allows."""
    moduli = crystal.targets
    isotropic = 3 * moduli["bulk_modulus"] * BULK + 2 * moduli["shear_modulus"] * DEVIATORIC
    noise = np.random.default_rng(seed).normal(size=(6, 6))
    factor = np.eye(6) + 0.1 * (noise + noise.T) / 2
    matrix = project(mandel_to_voigt(factor @ isotropic @ factor, ELASTIC), point_group(crystal), ELASTIC)
    tensors = {"elastic_tensor": matrix}
    return Crystal(crystal.id, crystal.lattice, crystal.fractional, crystal.numbers, targets=moduli, tensors=tensors)


CRYSTALS = [labelled(crystal, seed) for seed, crystal in enumerate(BUNDLED)]
PLAN = {
    "properties": ["elastic_tensor", "bulk_modulus"],
    "encoder": {"name": "steinhardt", "width": 16, "layers": 2, "channels": 4},
    "optimisation": {"epochs": 3, "edges": 3000, "averaging": 0.5},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("tensors") / "tensors.parquet"
    write(path, CRYSTALS)
    return path


@pytest.fixture(scope="module")
def split() -> Split:
    return make(CRYSTALS, kind="random", fractions=(0.6, 0.2, 0.2), seed=0)


@pytest.fixture(scope="module")
def model(file: Path, split: Split) -> Predictor:
    train(Plan.make(PLAN), file, split, file.parent / "model.safetensors", file.parent / "run")
    return load(file.parent / "model.safetensors")


def test_a_tensor_is_read_as_it_was_written(file: Path) -> None:
    for found, expected in zip(read_rows(file), CRYSTALS, strict=True):
        assert isinstance(found, Crystal)
        np.testing.assert_array_equal(found.tensors["elastic_tensor"], expected.tensors["elastic_tensor"])
        assert found.targets == expected.targets


def test_a_list_under_the_name_of_an_average_is_the_tensor_and_one_of_another_length_a_failure(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", BUNDLED[:3])
    table = pq.read_table(tmp_path / "a.parquet")
    lists = [list(np.diag([2.0, 3.0, 4.0]).ravel()), [1.0] * 8, None]
    pq.write_table(table.append_column("dielectric_total", pa.array(lists)), tmp_path / "b.parquet")
    good, wrong, unknown = read_rows(tmp_path / "b.parquet")
    assert isinstance(good, Crystal)
    np.testing.assert_array_equal(good.tensors["dielectric_tensor"], np.diag([2.0, 3.0, 4.0]))
    assert isinstance(wrong, Failure)
    assert "has 8 numbers, expected 9" in str(wrong.error)
    assert isinstance(unknown, Crystal)
    assert not unknown.tensors


def test_tensors_that_cannot_be_are_left_out_and_found_by_the_audit() -> None:
    matrix = CRYSTALS[0].tensors["elastic_tensor"]
    asymmetric, unstable = matrix.copy(), -matrix
    asymmetric[0, 1] *= 1.5
    bad = [
        Crystal(name, CRYSTALS[0].lattice, CRYSTALS[0].fractional, CRYSTALS[0].numbers, tensors={"elastic_tensor": m})
        for name, m in (("asymmetric", asymmetric), ("unstable", unstable))
    ]
    kept, found = without_impossible([*CRYSTALS, *bad], [get("elastic_tensor")])
    assert [(one.crystal, one.property) for one in found] == [(c.id, "elastic_tensor") for c in bad]
    assert not any(crystal.tensors for crystal in kept[-2:])
    assert {name for finding in audit([*CRYSTALS, *bad]).of("doubtful tensor") for name in finding.ids} == {
        "asymmetric",
        "unstable",
    }


def test_predicted_tensors_are_columns_in_the_symmetry_of_the_crystal(model: Predictor) -> None:
    table = model.predict(BUNDLED)
    columns = [f"elastic_tensor_{component}" for component in ELASTIC.components]
    assert [name for name in table if name.startswith("elastic_tensor")] == [*columns, "elastic_tensor_error"]
    assert list(table)[-13:-2] == [FRAME, *TURNED, "domain"]
    assert table.attrs["units"]["elastic_tensor_c11"] == "GPa"
    for row, crystal in zip(table[columns].to_numpy(), BUNDLED, strict=True):
        matrix = components_to_matrix(row, ELASTIC)
        assert residual(matrix, point_group(crystal), ELASTIC) < 1e-3
        assert np.linalg.eigvalsh(matrix).min() > 0
    cubic = [i for i, crystal in enumerate(BUNDLED) if len(point_group(crystal)) == 48]
    assert (table[columns[0]][cubic] == table["elastic_tensor_c22"][cubic]).all()
    assert not table["elastic_tensor_c14"][cubic].any()


def test_training_on_tensors_and_scalars_comes_nearer_to_both(model: Predictor, split: Split) -> None:
    training = split.divide(CRYSTALS)[0]
    fresh = Predictor.from_card(model.card)
    before, after = evaluate(fresh, training).metrics, evaluate(model, training).metrics
    for name in ("elastic_tensor", "bulk_modulus"):
        assert after[name]["mae"] < before[name]["mae"]
    assert after["elastic_tensor"]["n"] == len(training)


def test_the_error_of_a_tensor_is_a_frobenius_norm(model: Predictor) -> None:
    found = evaluate(model, CRYSTALS, "elastic_tensor")
    columns = [f"elastic_tensor_{component}" for component in ELASTIC.components]
    errors = [
        np.linalg.norm(sum_of_squares(row, truth))
        for row, truth in zip(
            found.table[columns].to_numpy(), found.table[[f"{c}_true" for c in columns]].to_numpy(), strict=True
        )
    ]
    assert found.metrics["elastic_tensor"]["mae"] == pytest.approx(np.mean(errors))


def test_the_scalars_that_follow_from_a_tensor_are_judged_with_it(model: Predictor) -> None:
    without = [replace(crystal, targets={}) for crystal in CRYSTALS]
    found = evaluate(model, without, "elastic_tensor")
    assert found.metrics["elastic_tensor"]["share"] == pytest.approx(
        found.metrics["elastic_tensor"]["mae"] / found.metrics["elastic_tensor"]["mad"]
    )
    assert found.units == {"elastic_tensor": "GPa", "bulk_modulus": "GPa", "shear_modulus": "GPa"}
    labels = [moduli(crystal.tensors["elastic_tensor"]) for crystal in CRYSTALS]
    np.testing.assert_allclose(found.table["shear_modulus_true"], [each.shear for each in labels])
    errors = np.log10(found.table["bulk_modulus"]) - np.log10([each.bulk for each in labels])
    assert found.metrics["bulk_modulus"]["mae_log10"] == pytest.approx(np.abs(errors).mean())
    known = evaluate(model, CRYSTALS, "elastic_tensor").table["shear_modulus_true"]
    np.testing.assert_array_equal(known, [crystal.targets["shear_modulus"] for crystal in CRYSTALS])
    assert model.card.judged[-1].name == "shear_modulus"
    assert model.card.metrics["shear_modulus"]["mae_log10"] > 0


def test_intervals_of_a_tensor_cover_its_whole_error_and_the_scalars(model: Predictor) -> None:
    assert model.card.calibration["crystals"]["elastic_tensor"] == 12  # by the validation crystals
    made = Predictor.from_card(model.card)
    made.load_state_dict(model.state_dict())
    calibrated(made, calibrate(made, CRYSTALS[:30], CRYSTALS[30:]), "the others")
    found = evaluate(made, CRYSTALS[30:], "elastic_tensor")
    for name in ("elastic_tensor_error", "bulk_modulus", "shear_modulus"):
        assert found.coverage[name]["all"]["coverage"] >= 0.9
        narrower = evaluate(made, CRYSTALS[30:], "elastic_tensor", interval=0.5).coverage[name]["all"]
        width = "width_share" if name.endswith("_error") else "width"
        assert narrower[width] < found.coverage[name]["all"][width]
    columns = [f"elastic_tensor_{component}" for component in ELASTIC.components]
    values, truth = (
        voigt_to_mandel(components_to_matrix(found.table[[f"{c}{end}" for c in columns]].to_numpy(), ELASTIC), ELASTIC)
        for end in ("", "_true")
    )
    shares = np.linalg.norm(values - truth, axis=(1, 2)) / np.linalg.norm(values, axis=(1, 2))
    inside = (shares <= found.table["elastic_tensor_error"]).mean()
    assert inside == pytest.approx(found.coverage["elastic_tensor_error"]["all"]["coverage"])
    assert (found.table["bulk_modulus_lo"] < found.table["bulk_modulus"]).all()
    table = made.predict(BUNDLED[:3], derive=True)
    assert {"shear_modulus_std", "shear_modulus_lo", "shear_modulus_hi", "domain"} <= set(table)
    turned = made.predict([replace(c, lattice=c.lattice @ Rotation.random(rng=1).as_matrix()) for c in BUNDLED[:3]])
    np.testing.assert_allclose(turned["elastic_tensor_error"], table["elastic_tensor_error"], rtol=1e-3)


def test_a_label_of_a_scalar_alone_calibrates_the_scalar_and_not_the_tensor(model: Predictor) -> None:
    alone = [replace(crystal, tensors={}) for crystal in CRYSTALS[30:]]
    assert set(calibrate(model, CRYSTALS[:30], alone).facts) == {"bulk_modulus", "shear_modulus"}


def sum_of_squares(row: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the difference of two tensors in Cartesian indices."""
    from cryskit.tensors.notation import voigt_to_cartesian

    return (voigt_to_cartesian(components_to_matrix(row - truth, ELASTIC), ELASTIC)).ravel()


def test_the_file_remembers_kind_and_graph_and_gives_the_same(model: Predictor, tmp_path: Path) -> None:
    model.save(tmp_path / "copy.safetensors")
    card = read_card(tmp_path / "copy.safetensors")
    assert card.heads["name"] == "tensors"
    assert card.spec.point_group
    assert card.properties[0].symmetry == "elastic"
    np.testing.assert_array_equal(
        load(tmp_path / "copy.safetensors").predict(BUNDLED[:5])["elastic_tensor_c11"],
        model.predict(BUNDLED[:5])["elastic_tensor_c11"],
    )


def test_what_tensors_cannot_do_is_refused(model: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be explained"):
        Explainer(model)
    with pytest.raises(ModelError, match="cannot be exported"):
        export(model, tmp_path / "model.onnx")
    mixed = Plan.make({**PLAN, "properties": ["elastic_tensor", "poisson_ratio"]})
    with pytest.raises(PlanError, match="poisson_ratio does not follow from elastic_tensor"):
        train(mixed, CRYSTALS, out=tmp_path / "mixed.safetensors")
