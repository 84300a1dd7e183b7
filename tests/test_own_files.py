"""Files that a run or the package wrote for itself: what is damaged is made again, or refused in words with what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from cryskit.atomic_write import read_json
from cryskit.benchmark.draw import Drawn
from cryskit.benchmark.leaks import Reports
from cryskit.cli.training import tell_impossible, tell_unusable, transfer_of
from cryskit.data.corpus import training_fingerprints
from cryskit.data.read import read
from cryskit.data.splits import make
from cryskit.errors import CryskitError, DataError, ModelError
from cryskit.predict import published
from cryskit.predict.card import Card
from cryskit.text.terms import Terms
from cryskit.text.transformer import Pretrained
from cryskit.training.labels import COUNT, IMPOSSIBLE
from cryskit.training.log import read_log
from cryskit.training.run import TRANSFER, UNUSABLE
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [c for c in read(Path(__file__).parents[1] / "examples") if isinstance(c, Crystal)]
BAD = [b"", b"{", b"3", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b"\0"]


def label(content: bytes) -> str:
    return repr(content[:6])


@pytest.mark.parametrize("content", [each for each in BAD if each not in {b"3", b"null", b'"x"'}], ids=label)
def test_json_that_is_none_says_what_to_do(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json is missing or damaged .*\. Make it again\.$"):
        read_json(tmp_path / "a.json", "Make it again")


@pytest.mark.parametrize("content", [*BAD, b"[]", b"{}", b'{"overlaps": {"a": 1}, "unknown": 3}'], ids=label)
def test_a_damaged_leakage_report_is_made_again(content: bytes, tmp_path: Path) -> None:
    drawn = Drawn(CRYSTALS[:4], make(CRYSTALS[:10], fractions=(0.6, 0.2, 0.2)), CRYSTALS[3:6])
    reports = Reports(tmp_path, [])
    counts = reports.of(drawn, {})
    (path,) = tmp_path.glob("*.json")
    whole = path.read_bytes()
    path.write_bytes(content)
    assert reports.of(drawn, {}) == counts
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", BAD, ids=label)
def test_what_a_run_left_is_refused_in_words_where_it_is_damaged(content: bytes, tmp_path: Path) -> None:
    rows = {"unusable": 1, COUNT: 1}
    card = Card(name="x", encoder={}, spec=GraphSpec(), properties=[], rows=rows, start={"file": "y"})
    for name in (UNUSABLE, IMPOSSIBLE, TRANSFER):
        (tmp_path / name).write_bytes(content)
    for use in (tell_unusable, tell_impossible, transfer_of):
        with pytest.raises(DataError, match="Delete the folder of the run"):
            use(card, tmp_path)


@pytest.mark.parametrize("content", [*BAD, b"[]", b'{"a": 3}', b'{"a": {"x.y": "z"}}'], ids=label)
def test_a_damaged_index_of_the_published_models_says_so(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / published.INDEX).write_bytes(content)
    monkeypatch.setattr(published, "files", lambda _: tmp_path)
    with pytest.raises((ModelError, DataError), match="Install cryskit again"):
        published.versions()


@pytest.mark.parametrize(
    "card", ["", "3", "[]", "{}", '{"recipe": 1, "normalisation": 1, "vocabulary": 3}', "[" * 9999]
)
def test_a_bag_of_terms_with_a_damaged_card_is_refused(card: str, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"weights": np.zeros(0), "directions": np.zeros((0, 2))}, path, {"cryskit.terms": card})
    with pytest.raises(ModelError, match="holds no bag of terms"):
        Terms.load(path)


@pytest.mark.parametrize("content", [*BAD, b'{"hidden_size": "wide"}', b'{"hidden_size": null}'], ids=label)
def test_a_damaged_configuration_of_a_language_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"config\.json is damaged"):
        _ = Pretrained(str(tmp_path)).width


def test_lines_of_a_log_that_are_none_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    odd: list[Any] = [{"validation_loss": 1}, {"validation_loss": 1, "epoch": "x"}, {"epoch": 1}, [], 3, None]
    sound = {"epoch": 2, "validation_loss": 0.5}
    path.write_text("\n".join([*map(json.dumps, odd), "[" * 100_000, json.dumps(sound), '{"epo']))
    assert read_log(path) == [sound]


@pytest.mark.parametrize("how", ["empty", "other columns", "cut"])
def test_a_damaged_manifest_of_a_model_is_refused(how: str, tmp_path: Path) -> None:
    models = published.models()["crysae"].parent
    path = tmp_path / "m.manifest.parquet"
    if how == "other columns":
        shutil.copy(next((models.parent / "data" / "sources").glob("*.parquet")), path)
    else:
        content = (models / "crysae.manifest.parquet").read_bytes()
        path.write_bytes(content[: len(content) // 2] if how == "cut" else b"")
    with pytest.raises(CryskitError, match="is no manifest of a model"):
        training_fingerprints(path)
