"""Tokens in place of vectors of texts, for a model that trains its language model, too."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryskit.text import TOKENS_OF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.text.transformer import Pretrained, TextTransformer

_FILLER = -1.0


class Tokens:
    """The tokens of texts, each a number, as rows of one length.

    Args:
        reader: Language model whose tokenizer is used; it is not run.
    """

    def __init__(self, reader: Pretrained) -> None:
        self._reader = reader

    @property
    def name(self) -> str:
        """Which model's tokens they are."""
        return f"{TOKENS_OF}{self._reader.name}"

    @property
    def hash(self) -> str:
        """SHA-256 of the model; its tokens are not its vectors."""
        return hashlib.sha256(f"{TOKENS_OF}{self._reader.hash}".encode()).hexdigest()

    @property
    def width(self) -> int:
        """Number of tokens in a row: the longest text that is read."""
        longest: int = self._module.max_length
        return longest

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the tokens of texts, (texts, width) float32, filled up with -1."""
        found = np.full((len(texts), self.width), _FILLER, dtype=np.float32)
        for row, tokens in zip(found, self._module.tokens(texts), strict=True):
            row[: len(tokens)] = tokens
        return found

    @cached_property
    def _module(self) -> TextTransformer:
        return self._reader.module()


def read(module: TextTransformer, rows: Float[Tensor, "texts parts tokens"]) -> Float[Tensor, "texts parts width"]:
    """Return the vectors of texts by their tokens; NaN where there is no text.

    Args:
        module: The language model.
        rows: (texts, parts, tokens) tokens from `Tokens.encode`, float32; NaN where there is no text.
    """
    known = ~rows.isnan().any(2)
    vectors = rows.new_full((*known.shape, module.width), torch.nan)
    if known.any():
        vectors[known] = module([row[row >= 0].long() for row in rows[known]])
    return vectors
