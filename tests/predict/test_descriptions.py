"""A model that reads words is trained with descriptions, says which reader it had, and predicts where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from cryskit.cli.crystals import watch_descriptions
from cryskit.data.read import read
from cryskit.data.splits import make
from cryskit.errors import CryskitError, DataError, ModelError
from cryskit.predict import descriptions
from cryskit.predict.load import load
from cryskit.text.attach import parts_of
from cryskit.text.table import read_texts, with_texts
from cryskit.text.terms import Terms
from cryskit.training.plan import Plan
from cryskit.training.pretrain import pretrain
from cryskit.training.train import train
from cryskit.types import Crystal

if TYPE_CHECKING:
    from cryskit.predict.card import Card

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
TEXTS = {
    c.id: f"{c.id} is a crystal of {len(c)} atoms.\nThere are {len(set(c.numbers.tolist()))} elements."
    for c in CRYSTALS
}
LABELLED = [replace(c, text=TEXTS[c.id], targets={"x": float(len(c))}) for c in CRYSTALS]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("reader") / "terms.safetensors"
    Terms.fit(TEXTS.values(), width=6, rarest=1).save(path)
    return str(path)


def plan_of(reader: str, **values: object) -> Plan:
    fused = {"name": "fused", "graph": {"name": "cgcnn", "width": 8, "layers": 1}, "text": reader, "text_width": 6}
    return Plan.make({"encoder": fused, "optimisation": {"epochs": 2, "edges": 400}, **values})


def trained(reader: str, folder: Path, crystals: list[Crystal] = LABELLED) -> Card:
    split = make(crystals, seed=0)
    return train(plan_of(reader, properties=["x"]), crystals, split, folder / "m.safetensors", folder / "run")


def test_the_card_names_the_reader_and_counts_the_silent(reader: str, tmp_path: Path) -> None:
    card = trained(reader, tmp_path)
    assert card.text == {"name": Terms.load(Path(reader)).name, "hash": Terms.load(Path(reader)).hash}
    assert "without text" not in card.rows
    silent = [replace(c, text=None) if i % 2 else c for i, c in enumerate(LABELLED)]
    assert trained(reader, tmp_path / "silent", silent).rows["without text"] > 0


def test_words_change_a_prediction(reader: str, tmp_path: Path) -> None:
    trained(reader, tmp_path)
    model = load(tmp_path / "m.safetensors")
    table = model.predict(LABELLED)
    assert not table["reason"].str.contains("description").any()
    other = model.predict([replace(c, text="Something else.\nAltogether.") for c in LABELLED])
    assert not np.allclose(table["x"], other["x"])


def test_crystals_are_described_where_they_bring_no_words(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(reader, tmp_path)
    model = load(tmp_path / "m.safetensors")
    bare = [replace(c, text=None) for c in LABELLED]
    monkeypatch.setattr(descriptions, "_made", lambda crystal: (TEXTS[crystal.id], ""))
    np.testing.assert_allclose(model.predict(bare)["x"], model.predict(LABELLED)["x"], rtol=1e-5)
    monkeypatch.setattr(descriptions, "_made", lambda _: (None, "Predicted without a description (no)"))
    table = model.predict(bare)
    assert table["status"].eq("warned").all()
    assert table["x"].notna().all()
    assert table["reason"].str.contains("without a description").all()


def test_that_descriptions_are_written_is_said_once_and_only_then(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(reader, tmp_path)
    model = load(tmp_path / "m.safetensors", batch_edges=500)
    model.chunk = 3
    monkeypatch.setattr(descriptions, "_made", lambda crystal: (TEXTS[crystal.id], ""))
    watch_descriptions(model)
    model.predict(LABELLED)
    assert capsys.readouterr().err == ""
    mixed = [replace(c, text=None) if i % 2 else c for i, c in enumerate(LABELLED)]
    np.testing.assert_allclose(model.predict(mixed)["x"], model.predict(LABELLED)["x"], rtol=1e-5)
    said = capsys.readouterr().err
    assert said == "m reads descriptions: one is written for each crystal that has none, which takes a while\n"


def test_another_reader_of_the_same_name_is_refused(reader: str, tmp_path: Path) -> None:
    trained(reader, tmp_path)
    before = Path(reader).read_bytes()
    try:
        Terms.fit(["other words altogether", "other words again"], width=6, rarest=1).save(Path(reader))
        with pytest.raises(ModelError, match="not the one"):
            load(tmp_path / "m.safetensors").predict(LABELLED)
    finally:
        Path(reader).write_bytes(before)


def test_other_descriptions_are_another_run(reader: str, tmp_path: Path) -> None:
    trained(reader, tmp_path)
    with pytest.raises(CryskitError, match="another run"):
        trained(reader, tmp_path, [replace(c, text="New.") for c in LABELLED])


def test_a_contrast_is_pretrained_and_started_from(reader: str, tmp_path: Path) -> None:
    out = tmp_path / "contrast.safetensors"
    plan = plan_of(reader, objective={"name": "contrast"})
    card = pretrain(plan, {"examples": LABELLED}, out, tmp_path / "contrast")
    assert set(card.metrics) == {"contrast"}
    assert card.text["hash"] == Terms.load(Path(reader)).hash
    begun = Plan.make({"properties": ["x"], "start": {"file": str(out)}, "optimisation": {"epochs": 1, "edges": 400}})
    split = make(LABELLED, seed=0)
    report = train(begun, LABELLED, split, tmp_path / "begun.safetensors", tmp_path / "begun").start
    assert report["file"] == str(out)
    assert load(tmp_path / "begun.safetensors").card.encoder["name"] == "fused"


def test_a_table_of_descriptions_is_joined_by_id(tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    rows = [{"id": c.id, "global": f"{c.id}.", "local": "Sites.", "text": f"{c.id}. Sites."} for c in CRYSTALS[:5]]
    pd.DataFrame([*rows, {"id": "none", "global": None, "local": None, "text": None}]).to_parquet(path)
    told = list(with_texts(CRYSTALS, read_texts(path)))
    assert [parts_of(c.text) for c in told[:6]] == [*((f"{c.id}.", "Sites.") for c in CRYSTALS[:5]), (None, None)]
    pd.DataFrame(rows)[["id", "text"]].to_parquet(path)
    assert parts_of(read_texts(path)[CRYSTALS[0].id]) == (f"{CRYSTALS[0].id}. Sites.", None)
    pd.DataFrame([rows[0], rows[0]]).to_parquet(path)
    with pytest.raises(DataError, match="2 rows but 1 ids"):
        read_texts(path)
    path.write_text("no table", encoding="utf-8")
    with pytest.raises(DataError, match="no table of descriptions"):
        read_texts(path)
