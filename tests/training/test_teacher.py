"""A teacher is asked once, of every atom of the cell; a table does as well as a model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from damage import damaged

from cryskit.data.read import read
from cryskit.data.splits import make
from cryskit.errors import CryskitError, DataError, ModelError, PlanError
from cryskit.graphs.build import build
from cryskit.predict.card import Card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.training.plan import Plan, Teacher
from cryskit.training.settle import settle
from cryskit.training.teacher import Vectors, taught
from cryskit.training.train import train
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    encoder = ENCODERS.build({"name": "cgcnn", "width": 6, "layers": 3})
    card = Card(name="teacher", encoder=ENCODERS.config_of(encoder), spec=encoder.needs, properties=[])
    path: Path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    Predictor(encoder, None, card).save(path)
    return path


def test_every_atom_has_the_vector_of_its_orbit(model: Path, tmp_path: Path) -> None:
    vectors = Vectors(Teacher(file=str(model))).of(CRYSTALS, 1, tmp_path)
    assert [v.shape for v in vectors] == [(len(c), 1, 6) for c in CRYSTALS]
    for reduce in (True, False):
        graph = taught(build(CRYSTALS, GraphSpec(origins=True, reduce=reduce)), vectors)
        expected = load(model).encoder(build(CRYSTALS, GraphSpec(reduce=reduce))).atoms
        torch.testing.assert_close(graph.teacher[:, 0], expected.detach(), rtol=1e-4, atol=1e-5)


def test_it_is_asked_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Vectors(Teacher(file=str(model))).of(CRYSTALS, 2, tmp_path)
    monkeypatch.setattr(Predictor, "embed_atoms", None)
    again = Vectors(Teacher(file=str(model))).of(CRYSTALS, 2, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_damaged_cache_of_a_teacher_is_made_again(model: Path, tmp_path: Path) -> None:
    few = CRYSTALS[:3]
    whole = Vectors(Teacher(file=str(model))).of(few, 2, tmp_path)
    (path,) = tmp_path.glob("teacher-*.parquet")
    content = path.read_bytes()
    other = tmp_path / "other.parquet"
    pd.DataFrame({"id": ["x"]}).to_parquet(other)
    for bad in (b"", b"PAR1", other.read_bytes(), *damaged(content, 12, 4)):
        path.write_bytes(bad)
        again = Vectors(Teacher(file=str(model))).of(few, 2, tmp_path)
        assert all(np.array_equal(a, b) for a, b in zip(again, whole, strict=True))
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    "changes",
    [
        {"vectors": "x"},
        {"vectors": 1.5},
        {"vectors": [["x"]] * 3},
        {"width": "6"},
        {"width": 6.0},
        {"width": 0},
        {"width": None},
        {"layers": "1"},
        {"layers": None},
    ],
    ids=str,
)
def test_a_table_of_other_types_is_refused(changes: dict[str, Any], model: Path, tmp_path: Path) -> None:
    few, path = CRYSTALS[:3], tmp_path / "vectors.parquet"
    load(model).embed_atoms(few).assign(**changes).to_parquet(path)
    with pytest.raises(DataError, match=r"vectors\.parquet|expected") as raised:
        Vectors(Teacher(file=str(path))).of(few, 1, tmp_path)
    assert raised.value.cure


def test_a_damaged_table_is_refused_or_read_as_it_was(model: Path, tmp_path: Path) -> None:
    few, path = CRYSTALS[:3], tmp_path / "vectors.parquet"
    load(model).embed_atoms(few).to_parquet(path, write_page_checksum=True)
    whole = Vectors(Teacher(file=str(path))).of(few, 1, tmp_path)
    for content in damaged(path.read_bytes(), 60, 20):
        path.write_bytes(content)
        try:
            found = Vectors(Teacher(file=str(path))).of(few, 1, tmp_path)
        except DataError:
            continue
        assert all(np.array_equal(a, b) for a, b in zip(found, whole, strict=True))


def test_a_table_does_as_well(model: Path, tmp_path: Path) -> None:
    table = load(model).embed_atoms(CRYSTALS[::-1])
    path = tmp_path / "vectors.parquet"
    table[["id", "vectors", "width"]].to_parquet(path)
    expected = Vectors(Teacher(file=str(model))).of(CRYSTALS, 1, tmp_path)
    found = Vectors(Teacher(file=str(path)))
    assert found.width == 6
    for given, wanted in zip(found.of(CRYSTALS, 1, tmp_path), expected, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)


def spoiled(table: pd.DataFrame, how: str) -> pd.DataFrame:
    if how == "missing":
        return table.iloc[1:]
    if how == "column":
        return table.drop(columns="width")
    if how == "widths":
        return table.assign(width=[7, *table["width"][1:]])
    cut = [vectors[:-1] for vectors in table["vectors"]]
    return table.assign(vectors=cut)


@pytest.mark.parametrize(
    ("how", "says"), [("missing", CRYSTALS[0].id), ("column", "width"), ("widths", "7"), ("cut", "numbers")]
)
def test_a_bad_table_is_refused(model: Path, tmp_path: Path, how: str, says: str) -> None:
    path = tmp_path / "vectors.parquet"
    spoiled(load(model).embed_atoms(CRYSTALS), how).to_parquet(path)
    with pytest.raises(DataError, match=says):
        Vectors(Teacher(file=str(path))).of(CRYSTALS, 1, tmp_path)


def test_a_teacher_and_a_pupil_need_one_another(model: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="Set the objective to distill"):
        settle(Plan(properties=("x",), teacher=Teacher(file=str(model))))
    with pytest.raises(PlanError, match="distill needs a teacher"):
        settle(Plan(properties=("x",), objective={"name": "distill"}))
    wrong = Teacher(file=str(model), digest="0")
    with pytest.raises(PlanError, match="SHA-256"):
        settle(Plan(properties=("x",), teacher=wrong, objective={"name": "distill"}))
    with pytest.raises(CryskitError, match="absent"):
        Vectors(Teacher(file=str(tmp_path / "absent.parquet")))


def run(teacher: Path, folder: Path, **settings: Any) -> Card:
    truth = np.random.default_rng(0).normal(size=len(CRYSTALS))
    crystals = [
        Crystal(c.id, c.lattice, c.fractional, c.numbers, None, {"x": float(y)})
        for c, y in zip(CRYSTALS, truth, strict=True)
    ]
    plan = Plan.make(
        {
            "properties": ["x"],
            "encoder": {"name": "cgcnn", "width": 8, "layers": 3},
            "objective": {"name": "distill", **settings},
            "teacher": {"file": str(teacher)},
            "optimisation": {"epochs": 4, "edges": 500},
        }
    )
    return train(plan, crystals, make(crystals, seed=0), folder / "student.safetensors", folder / "run")


@pytest.mark.parametrize("settings", [{}, {"preset": "paper", "projector": "needed"}, {"layers": 2}])
def test_a_student_is_trained_and_says_of_whom_it_learned(
    model: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    card = run(model, tmp_path, **settings)
    student = load(tmp_path / "student.safetensors")
    assert student.card.teacher["digest"] == card.teacher["digest"]
    assert not any("projector" in name for name in student.state_dict())
    assert student.predict(CRYSTALS)["status"].ne("failed").all()
    assert set(card.metrics) == {"x"}


def test_another_teacher_is_another_run(model: Path, tmp_path: Path) -> None:
    run(model, tmp_path)
    table = load(model).embed_atoms(CRYSTALS)
    other = tmp_path / "other.parquet"
    table.assign(vectors=[v + 1 for v in table["vectors"]]).to_parquet(other)
    with pytest.raises(PlanError, match="another run"):
        run(other, tmp_path)


def write_seen(model: Path, parts: dict[str, list[Crystal]]) -> None:
    rows = [{"id": c.id, "part": part, "fingerprint": c.fingerprint[:32]} for part, cs in parts.items() for c in cs]
    pd.DataFrame(rows).to_parquet(model.with_name(f"{model.stem}.manifest.parquet"))


def test_a_student_is_shown_no_crystal_that_its_teacher_was_not_trained_on(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    shutil.copy(model, copy)
    examples = (str(Path(__file__).parents[2] / "examples"),)
    assert Vectors(Teacher(file=str(copy))).unlabelled_crystals([], GraphSpec(), tmp_path) is None
    teacher = Vectors(Teacher(file=str(copy), unlabelled=examples))
    with pytest.raises(DataError, match="manifest"):
        teacher.unlabelled_crystals([], GraphSpec(), tmp_path)
    write_seen(copy, {"train": CRYSTALS[:8], "validation": CRYSTALS[8:12]})
    found, graph = teacher.unlabelled_crystals(CRYSTALS[:3], GraphSpec(), tmp_path)
    assert {c.fingerprint for c in found} == {c.fingerprint for c in CRYSTALS[3:8]}
    assert all(not c.targets for c in found)
    expected = build(found, GraphSpec())
    assert all(torch.equal(tensor, expected.tensors[name]) for name, tensor in graph.tensors.items())
    with pytest.raises(DataError, match="no other crystal of"):
        teacher.unlabelled_crystals(CRYSTALS[:8], GraphSpec(), tmp_path)


def test_unlabelled_crystals_are_learned_from_the_teacher_only(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    shutil.copy(model, copy)
    write_seen(copy, {"train": CRYSTALS})
    labels = {"x": 1.0}
    half = [Crystal(c.id, c.lattice, c.fractional, c.numbers, None, labels) for c in CRYSTALS[:9]]
    unlabelled = [str(Path(__file__).parents[2] / "examples")]
    plan = Plan.make(
        {
            "properties": ["x"],
            "encoder": {"name": "cgcnn", "width": 8, "layers": 2},
            "objective": {"name": "distill"},
            "teacher": {"file": str(copy), "unlabelled": unlabelled},
            "optimisation": {"epochs": 2, "edges": 500},
        }
    )
    split = make(half, fractions=(0.6, 0.2, 0.2), seed=0)
    card = train(plan, half, split, tmp_path / "student.safetensors", tmp_path / "run")
    assert card.rows["unlabelled"] == len(CRYSTALS) - len(half)


def test_a_teacher_that_predicts_labels_what_nobody_has_labelled(model: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    shutil.copy(model, start)
    write_seen(start, {"train": CRYSTALS})
    half = [Crystal(c.id, c.lattice, c.fractional, c.numbers, None, {"x": float(len(c))}) for c in CRYSTALS[:9]]
    plan = Plan.make({"properties": ["x"], "start": {"file": str(start)}, "optimisation": {"epochs": 1}})
    tuned = tmp_path / "tuned.safetensors"
    train(plan, half, make(half, fractions=(0.6, 0.2, 0.2), seed=0), tuned, tmp_path / "run")
    examples = (str(Path(__file__).parents[2] / "examples"),)
    spec = GraphSpec(origins=True)
    found, _ = Vectors(Teacher(file=str(tuned), unlabelled=examples, labels=True)).unlabelled_crystals(
        half, spec, tmp_path
    )
    assert {c.fingerprint for c in found} == {c.fingerprint for c in CRYSTALS[9:]}
    expected = load(tuned).predict(found)["x"].to_numpy()
    assert [c.targets["x"] for c in found] == pytest.approx(expected)
    with pytest.raises(ModelError, match="predicts nothing"):
        Vectors(Teacher(file=str(start), unlabelled=examples, labels=True)).unlabelled_crystals(half, spec, tmp_path)
