"""The leaderboard's splits by id are kept, and a contribution is what it asks for."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from benchmark.small import CRYSTALS, plan
from damage import damaged

from cryskit.benchmark import jarvis
from cryskit.benchmark.draw import DataSet
from cryskit.benchmark.run import Benchmark
from cryskit.benchmark.submit import submissions
from cryskit.data.interchange import manifest
from cryskit.data.spreadsheet import unguard
from cryskit.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

TASK = "AI-SinglePropertyPrediction-bulk_modulus_kv-dft_3d-test-mae"
IDS = [crystal.id for crystal in CRYSTALS]
LABELS = {
    "train": dict.fromkeys(IDS[:30], 100.0) | {IDS[0]: 50.0},
    "val": dict.fromkeys(IDS[30:40], 90.0),
    "test": dict.fromkeys(IDS[40:50], 80.0),
}


def write(path: Path, labels: object) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.stem, json.dumps(labels))
    else:
        path.write_text(json.dumps(labels), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["labels.json", "labels.json.zip"])
def test_parts_and_labels_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    labels = jarvis.read_labels(write(tmp_path / name, LABELS))
    crystals, split = jarvis.divide(CRYSTALS, labels, "bulk_modulus", 0.1, TASK)
    assert (split.train, split.validation, split.test) == tuple(map(tuple, (IDS[:30], IDS[30:40], IDS[40:50])))
    assert split.divide(crystals)[0][0].targets == {"bulk_modulus": 50.0}
    assert len(crystals) == 50


def test_validation_is_nested_where_the_file_names_none() -> None:
    _, split = jarvis.divide(CRYSTALS, LABELS | {"val": {}}, "bulk_modulus", 0.2, TASK)
    assert (len(split.train), len(split.validation)) == (24, 6)
    assert {*split.train, *split.validation} == set(IDS[:30])


def test_data_that_lacks_test_crystals_is_refused() -> None:
    with pytest.raises(DataError, match=f"1 of 10 test crystals are not in the data, the first {IDS[45]}"):
        jarvis.divide([c for c in CRYSTALS if c.id != IDS[45]], LABELS, "bulk_modulus", 0.1, TASK)


@pytest.mark.parametrize("labels", [[1, 2], {"train": {"a": 1}}, {"train": {"a": "x"}, "test": {"b": 1}}])
def test_another_file_is_refused(tmp_path: Path, labels: object) -> None:
    with pytest.raises(DataError, match=r"no benchmark of the leaderboard|no train or no test"):
        jarvis.read_labels(write(tmp_path / "labels.json", labels))


def test_a_contribution_holds_every_test_crystal(tmp_path: Path) -> None:
    ids = write(tmp_path / "labels.json", LABELS)
    source = {"source": "x", "properties": ["bulk_modulus"], "split": "jarvis", "ids": str(ids), "task": TASK}
    asked = plan(
        data={"elastic": source},
        regimes={"scratch": {}},
        budget={"epochs": 1},
        leakage=False,
        submission={"team_name": "us", "author_email": "us@example.org"},
    )
    crystals, split = jarvis.divide(CRYSTALS, jarvis.read_labels(ids), "bulk_modulus", 0.1, TASK)
    data = DataSet(list(CRYSTALS), crystals, manifest(crystals), [split], TASK)
    benchmark = Benchmark(asked, {"elastic": data}, tmp_path / "out")
    cards = benchmark.run(lambda *_: None)
    assert cards[0].result
    (folder,) = submissions(benchmark, cards)
    with zipfile.ZipFile(folder / f"{TASK}.csv.zip") as archive:
        table = pd.read_csv(io.BytesIO(archive.read(f"{TASK}.csv")))
    assert list(table.columns) == ["id", "prediction"]
    assert table["id"].tolist() == IDS[40:50]
    assert (table["prediction"] - 80).abs().mean() == pytest.approx(cards[0].result.properties[0].test["mae"])
    facts = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    asked_for = ("author_email", "project_url", "git_url", "model_name", "team_name", "time_taken_seconds")
    assert {*asked_for, "software_used", "hardware_used", "date_submitted"} <= set(facts)
    assert facts["team_name"] == "us"


def test_a_zip_of_labels_that_is_too_large_or_damaged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "labels.json.zip", LABELS)
    whole = path.read_bytes()
    monkeypatch.setattr(jarvis, "_LARGEST", 100)
    with pytest.raises(DataError, match="unpacks to"):
        jarvis.read_labels(path)
    monkeypatch.undo()
    for content in damaged(whole, 150, 30):
        path.write_bytes(content)
        with suppress(DataError):
            jarvis.read_labels(path)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="no benchmark of the leaderboard"):
        jarvis.read_labels(tmp_path / "deep.json")


def test_ids_of_a_contribution_are_no_formulas_and_keep_their_row(tmp_path: Path) -> None:
    ids = ["JVASP-1", "=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", 'a,"b"', "two\nlines", "a\rb"]
    jarvis.write_contribution(tmp_path, TASK, dict(zip(ids, map(float, range(len(ids))), strict=True)), {}, 1.0)
    with zipfile.ZipFile(tmp_path / f"{TASK}.csv.zip") as archive:
        content = archive.read(f"{TASK}.csv")
    table = pd.read_csv(io.BytesIO(content), float_precision="round_trip")
    assert table["prediction"].tolist() == list(range(len(ids)))
    assert table["id"].map(unguard).tolist() == ids
    assert not [name for name in table["id"] if name[0] in "=+-@\t\r"]
    assert content.splitlines()[1] == b"JVASP-1,0.0"
