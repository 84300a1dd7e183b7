"""A language model of two layers with a vocabulary of single characters, as files in a folder."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST = 32
"""Tokens that the small model reads, the two around a text included."""


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    places = {word: place for place, word in enumerate([*special, *string.ascii_letters, *string.digits])}
    words = Tokenizer(models.WordLevel(places, unk_token="[UNK]"))  # noqa: S106 - no password
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", places["[CLS]"]), ("[SEP]", places["[SEP]"])]
    )
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(
        tokenizer_object=words, model_max_length=LONGEST, truncation_side="left", **named
    ).save_pretrained(folder)


@pytest.fixture(scope="session")
def make_small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A function that makes a model from a seed."""
    pytest.importorskip("transformers")
    from transformers import BertConfig, BertModel

    def make(seed: int) -> Path:
        folder = tmp_path_factory.mktemp("model") / f"small-{seed}"
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = BertConfig(vocab_size=80, max_position_embeddings=LONGEST, initializer_range=0.5, **sizes)
            BertModel(config).save_pretrained(folder)
        _tokenizer(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def small(make_small: Callable[[int], Path]) -> Path:
    return make_small(0)


@pytest.fixture
def empty_hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No model of the hub is on this computer, whatever its owner has fetched."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
