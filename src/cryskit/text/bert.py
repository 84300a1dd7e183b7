"""BERT (Devlin, Chang, Lee and Toutanova 2019, NAACL, doi 10.18653/v1/N19-1423) from the files of HuggingFace's transformers, without it.

The language models here are BERTs. Importing transformers takes longer than all else that a prediction with one of them does, so a plain
BERT with a plain tokenizer is read here; of every other model, and where there is any doubt, nothing is returned, and transformers reads it.
Parameters have the names that they have there, so a file that holds a model of one can be read into the other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
"""Files of a plain model."""
_OTHER = ("adapter_config.json", "added_tokens.json", "model.safetensors.index.json")
"""Files of models that are not plain."""
_UNUSED = ("pooler.", "cls.", "embeddings.position_ids")
"""Begins of the names of weights that are not of the encoder."""


class LanguageModel(NamedTuple):
    """A language model and its tokenizer.

    Attributes:
        tokens: Function that gives the numbers of the tokens of texts, at most as many of each as its second argument says.
        filler: Number of the token that fills up shorter texts of a batch.
        longest: Most tokens of a text.
        width: Number of components of the vector of a token.
        model: Module that gives the vectors of tokens as the first of its outputs.
    """

    tokens: Callable[[Sequence[str], int], list[list[int]]]
    filler: int
    longest: int
    width: int
    model: nn.Module


def plain(folder: Path) -> LanguageModel | None:
    """Return the model in a folder if it is a plain BERT with a plain tokenizer, else nothing.

    Args:
        folder: Folder with a model.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged.
        SafetensorError: The weights are damaged.
        RuntimeError: The weights have other shapes than the configuration says.
    """
    if any((folder / name).exists() for name in _OTHER) or not all((folder / name).is_file() for name in _FILES):
        return None
    config, words, options = (json.loads((folder / name).read_bytes()) for name in _FILES[:3])
    try:
        if not (_is_plain(config) and _cuts_plainly(words, options)):
            return None
    except (AttributeError, KeyError, TypeError):  # what is written there is none of this
        return None
    weights = _weights(folder / _FILES[3])
    with torch.device("meta"):
        model = Bert(config)
    if weights.keys() != model.state_dict().keys():
        return None
    model.load_state_dict(weights, assign=True)
    return _with_tokenizer(folder / _FILES[1], options, model)


class Bert(nn.Module):
    """BERT without what predicts words: token vectors of its last layer.

    Args:
        config: What `config.json` says.

    Attributes:
        places: Most tokens of a text, and the width of their vectors.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, inner, eps = config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"]
        self.places = (config["max_position_embeddings"], width)
        self._heads = config["num_attention_heads"]
        self._dropout, self._attention_dropout = config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": _table(config["vocab_size"], width, config.get("pad_token_id", 0)),
                "position_embeddings": _table(config["max_position_embeddings"], width),
                "token_type_embeddings": _table(config["type_vocab_size"], width),
                "LayerNorm": nn.LayerNorm(width, eps),
            }
        )
        layers = nn.ModuleList(_layer(width, inner, eps) for _ in range(config["num_hidden_layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})

    def forward(
        self, input_ids: Int[Tensor, "texts tokens"], attention_mask: Int[Tensor, "texts tokens"] | None = None
    ) -> tuple[Float[Tensor, "texts tokens width"]]:
        """Return the vectors of tokens, (texts, tokens, width) float32, in a tuple, as transformers does.

        Args:
            input_ids: (texts, tokens) numbers of tokens, int64.
            attention_mask: (texts, tokens) ones for tokens, zeros for what fills up a text; None: all are tokens.
        """
        kinds = self.embeddings["token_type_embeddings"](torch.zeros_like(input_ids))
        places = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        states = self.embeddings["word_embeddings"](input_ids) + kinds + self.embeddings["position_embeddings"](places)
        states = dropout(self.embeddings["LayerNorm"](states), self._dropout, self.training)
        seen = None if attention_mask is None or attention_mask.all() else attention_mask.bool()[:, None, None, :]
        layers: Any = self.encoder["layer"]
        for layer in layers:
            mixed = self._attended(layer["attention"]["self"], states, seen)
            states = self._added(layer["attention"]["output"], mixed, states)
            states = self._added(layer["output"], gelu(layer["intermediate"]["dense"](states)), states)
        return (states,)

    def _attended(self, layer: Any, states: Tensor, seen: Tensor | None) -> Tensor:
        query, key, value = (
            layer[name](states).unflatten(2, (self._heads, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )
        rate = self._attention_dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen, dropout_p=rate)
        return mixed.transpose(1, 2).flatten(2)

    def _added(self, layer: Any, inner: Tensor, states: Tensor) -> Tensor:
        added: Tensor = layer["LayerNorm"](dropout(layer["dense"](inner), self._dropout, self.training) + states)
        return added


def _table(rows: int, width: int, filler: int | None = None) -> nn.Embedding:
    """Return an embedding that is still to be read; to draw its numbers, where there are none, takes torch seconds of imports."""
    table: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False, padding_idx=filler)
    return table


def _layer(width: int, inner: int, eps: float) -> nn.ModuleDict:
    attention = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
    return nn.ModuleDict(
        {
            "attention": nn.ModuleDict({"self": attention, "output": _output(width, width, eps)}),
            "intermediate": nn.ModuleDict({"dense": nn.Linear(width, inner)}),
            "output": _output(inner, width, eps),
        }
    )


def _output(inner: int, width: int, eps: float) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, eps)})


def _is_plain(config: dict[str, Any]) -> bool:
    """Return whether a configuration is of a BERT that reads texts as `Bert` does."""
    needed = {"model_type": "bert", "hidden_act": "gelu"}
    usual = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}
    special = {"auto_map", "quantization_config", "pruned_heads"} & {name for name, value in config.items() if value}
    return (
        not special
        and all(config.get(name) == value for name, value in needed.items())
        and all(config.get(name, value) == value for name, value in usual.items())
        and config.keys() >= _NUMBERS
        and config["hidden_size"] % config["num_attention_heads"] == 0
    )


_NUMBERS = {
    *("attention_probs_dropout_prob", "hidden_dropout_prob", "hidden_size", "intermediate_size", "layer_norm_eps"),
    *("max_position_embeddings", "num_attention_heads", "num_hidden_layers", "type_vocab_size", "vocab_size"),
}


def _weights(path: Path) -> dict[str, Tensor]:
    """Return the weights of the encoder, float32, by their names in `Bert`."""
    named = {name.removeprefix("bert."): value for name, value in load_file(path).items()}
    kept = {name: value for name, value in named.items() if not name.startswith(_UNUSED)}
    return {
        name: value.to(torch.float32, copy=True) for name, value in kept.items()
    }  # what is read is mapped to the file


def _cuts_plainly(words: dict[str, Any], options: dict[str, Any]) -> bool:
    """Return whether a tokenizer does what its file says, also in transformers, which makes that of BERT anew from its options.

    Args:
        words: What `tokenizer.json` says.
        options: What `tokenizer_config.json` says.
    """
    special = {each["content"] for each in words["added_tokens"]}
    stated = {value for name, value in options.items() if name.endswith("_token")}
    listed = {each["content"] for each in options.get("added_tokens_decoder", {}).values()}
    more = options.get("extra_special_tokens") or options.get("additional_special_tokens")
    if more or not stated | listed | {options.get("pad_token")} <= special:
        return False
    if options.get("tokenizer_class") in {"PreTrainedTokenizerFast", "TokenizersBackend"}:
        return True
    around = [{"SpecialToken": {"id": options.get(name), "type_id": 0}} for name in ("cls_token", "sep_token")]
    return (
        options.get("tokenizer_class") in {"BertTokenizer", "BertTokenizerFast"}
        and words["normalizer"]
        == {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": options.get("tokenize_chinese_chars", True),
            "strip_accents": options.get("strip_accents"),
            "lowercase": options.get("do_lower_case", True),
        }
        and words["pre_tokenizer"] == {"type": "BertPreTokenizer"}
        and words["post_processor"].get("single") == [around[0], {"Sequence": {"id": "A", "type_id": 0}}, around[1]]
        and {name: value for name, value in words["model"].items() if name != "vocab"}
        == {
            "type": "WordPiece",
            "unk_token": options.get("unk_token"),
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        }
    )


def _with_tokenizer(path: Path, options: dict[str, Any], model: Bert) -> LanguageModel:
    from tokenizers import Tokenizer  # noqa: PLC0415 - an extra

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()

    def tokens(texts: Sequence[str], most: int) -> list[list[int]]:
        set_to = tokenizer.truncation or {}
        if (set_to.get("max_length"), set_to.get("direction")) != (
            most,
            "right",
        ):  # setting it would disturb other threads
            tokenizer.enable_truncation(most, direction="right")
        return [cut.ids for cut in tokenizer.encode_batch_fast(list(texts))]

    places, width = model.places
    longest = int(min(places, options.get("model_max_length", places)))
    return LanguageModel(tokens, int(tokenizer.token_to_id(options["pad_token"]) or 0), longest, width, model)
