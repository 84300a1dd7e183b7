"""Vectors of texts, by any encoder, each text read once.

encoder = embedder("minilm")                      # or "matscibert", a name on the hub, a folder
encoder = embedder("terms", texts=training)       # the control: a bag of terms, fitted
vectors(texts, encoder, cache=Path("cache"))      # (texts, width) float32
"""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cryskit.errors import ModelError, PlanError, UnknownNameError
from cryskit.text import TOKENS_OF
from cryskit.text.cache import Cache, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

DEFAULT = "matscibert"
"""Name of the text encoder of CrysMMNet."""

CHUNK = 256
"""Number of texts between two writes to the cache: what a killed run can lose."""


class Embedder(Protocol):
    """Anything that turns texts into vectors, always the same vector for the same text.

    Attributes:
        name: Name of the encoder, for cards and messages.
        hash: SHA-256 of all that its vectors depend on, hexadecimal.
        width: Number of components of a vector.
    """

    @property
    def name(self) -> str:
        """Name of the encoder, for cards and messages."""

    @property
    def hash(self) -> str:
        """SHA-256 of all that its vectors depend on."""

    @property
    def width(self) -> int:
        """Number of components of a vector."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, (texts, width) float32."""


def embedder(name: str = DEFAULT, *, texts: Iterable[str] | None = None, **settings: Any) -> Embedder:
    """Return a text encoder by name.

    Args:
        name: "matscibert", "minilm", the name of a model on the HuggingFace hub, a folder that holds one; "terms", or a file
            with a fitted bag of terms. "tokens:" before a language model gives its tokens instead (see `tokens`).
        texts: Descriptions of training crystals, to fit an encoder on that has to be fitted; the others leave them unread.
        settings: Arguments of `transformer.Pretrained` (pooling, max_length, revision, download, device) or of
            `terms.Terms.fit` (width, vocabulary, rarest).

    Raises:
        ModelError: The model is not on this computer or cannot be read.
        PlanError: The encoder has to be fitted and there are no texts, or it has no such pooling.
        UnknownNameError: The encoder has no such setting.
    """
    if name.startswith(TOKENS_OF):
        from cryskit.text.tokens import Tokens  # noqa: PLC0415 - torch takes seconds to import
        from cryskit.text.transformer import Pretrained  # noqa: PLC0415

        return Tokens(Pretrained(name.removeprefix(TOKENS_OF), **_known(name, settings, Pretrained)))
    make = {"terms": _fitted, ".safetensors": _read}
    chosen = make.get(name) or make.get(Path(name).suffix) or _pretrained
    return chosen(name, texts, settings)


def vectors(
    texts: str | Sequence[str | None],
    encoder: Embedder,
    cache: Path | None = None,
    *,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return the vectors of texts, (texts, width) float32; NaN where there is no text.

    Args:
        texts: Texts, one or many; each begins with what matters most, the global part of a description, for a long one may be cut off.
        encoder: Text encoder; it is asked once for each text that is not in the cache, equal ones counting once.
        cache: Folder where vectors are kept, if any (see `cache`).
        chunk: Number of texts that are encoded between two writes to the cache.
        progress: Function that is called after each chunk with the numbers of texts done and of texts to encode.

    Raises:
        DataError: A file in the cache is damaged.
        ModelError: The encoder gives anything but finite numbers.
    """
    texts = [texts] if isinstance(texts, str) else texts
    keys = [key_of(text) if text and text.strip() else None for text in texts]
    wanted = {key: text for key, text in zip(keys, texts, strict=True) if key is not None and text is not None}
    kept = None if cache is None else Cache(cache, encoder.name, encoder.hash, encoder.width)
    known = {} if kept is None else kept.read()
    new = sorted(wanted.keys() - known.keys(), key=lambda key: (-len(wanted[key]), key))
    done = 0
    for part in _parts(new, chunk):
        found = _checked(encoder, [wanted[key] for key in part])
        if kept is not None:
            kept.add(part, found)
        known.update(zip(part, found, strict=True))
        done += len(part)
        if progress is not None:
            progress(done, len(new))
    nothing = np.full(encoder.width, np.nan, dtype=np.float32)
    rows = [nothing if key is None else known[key] for key in keys]
    return np.stack(rows) if rows else np.empty((0, encoder.width), dtype=np.float32)


def _parts(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield chunks of keys."""
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _checked(encoder: Embedder, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of a chunk, unless they are none."""
    found = encoder.encode(texts)
    if found.shape != (len(texts), encoder.width) or not np.isfinite(found).all():
        raise ModelError(
            f"The text encoder {encoder.name} gives {found.shape}, or numbers that are not finite, for {len(texts)} texts; "
            f"expected ({len(texts)}, {encoder.width})",
            "Check its weights",
        )
    return found


def _pretrained(name: str, _texts: Iterable[str] | None, settings: dict[str, Any]) -> Embedder:
    from cryskit.text.transformer import Pretrained  # noqa: PLC0415

    return Pretrained(name, **_known(name, settings, Pretrained))


def _fitted(name: str, texts: Iterable[str] | None, settings: dict[str, Any]) -> Embedder:
    from cryskit.text.terms import Terms  # noqa: PLC0415

    if texts is None:
        raise PlanError(
            f"The text encoder {name} has to be fitted",
            "Give the texts of the training crystals, or a file with a fitted one",
        )
    return Terms.fit(texts, **_known(name, settings, Terms.fit))


def _read(name: str, _texts: Iterable[str] | None, settings: dict[str, Any]) -> Embedder:
    from cryskit.text.terms import Terms  # noqa: PLC0415

    return Terms.load(Path(name), **_known(name, settings, Terms.load))


def _known(name: str, settings: dict[str, Any], made: Callable[..., Embedder]) -> dict[str, Any]:
    """Return the settings, unless there is one that what is made does not have."""
    known = list(signature(made).parameters)[1:]
    for setting in settings:
        if setting not in known:
            raise UnknownNameError(f"setting of the text encoder {name}", setting, known)
    return settings
