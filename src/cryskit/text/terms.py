"""Vectors from the terms of a text: the control for language models, which knows no more words than it was given.

Latent semantic analysis (Deerwester, Dumais, Furnas, Landauer and Harshman 1990, JASIS 41, 391):

    x_t = (1 + ln n_t) (1 + ln((1 + N) / (1 + N_t)))     for each term t of the text, then divided by |x|
    vector = x V                                         V: the first right singular vectors of the x of the fitted texts

n_t is how often the text has the term, N the number of texts fitted on, N_t how many of them have the term. Terms are words,
numbers, formulas, the elements in them, and space groups.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from ase.data import chemical_symbols
from safetensors import SafetensorError, safe_open

from cryskit.errors import DataError, ModelError
from cryskit.text.normalise import VERSION, normalised
from cryskit.weights import save_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_CARD = "cryskit.terms"
_RECIPE = 1  # raised with each change of what is a term
_ROWS = 2048  # texts at once, in the sum over texts

_ELEMENTS = frozenset(chemical_symbols[1:])
_FORMULA = re.compile(r"(?:[A-Z][a-z]?[\d.]*[-+]?)+")  # TiO6, Ti4+, Ti-O
_LABEL = re.compile(r"\(\d+\)")  # Ti(1), the first of the sites of Ti
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_GROUP = re.compile(r"[PABCFIR][-\d_/abcdemn]+")
_PIECE = re.compile(r"\d+\.\d+|\d+|[^\W\d_]+")
_AROUND, _STOPS = "\"'()[]", ".,;:)]"
_ENGLISH = frozenset({"In", "As", "At", "No", "He", "I"})  # words that look like elements
_AFTER_ENGLISH = frozenset({"the", "a", "an", "this", "all", "both", "each", "addition", "total", "well", "least"})


def terms(text: str) -> list[str]:
    """Return the terms of a text, in order.

    Words are in lower case; numbers with a fraction are rounded to one decimal (bond lengths in 0.1 angstrom); a formula gives
    itself ("TiO6") and its elements ("=Ti", "=O"); a space group, known by the words "space group" near it, is one term
    ("#Pm-3m").

    Args:
        text: Any text; it is normalised here.
    """
    found: list[str] = []
    chunks = [chunk.strip(_AROUND) for chunk in _LABEL.sub("", normalised(text)).split()]
    for place, chunk in enumerate(chunks):
        bare, following = chunk.rstrip(_STOPS), chunks[place + 1 : place + 3]
        near = chunks[max(0, place - 2) : place], [each.rstrip(_STOPS) for each in following]
        if ["space", "group"] in near and _GROUP.fullmatch(bare) and bare not in _ENGLISH:
            found.append(f"#{bare}")
        else:
            found.extend(_pieces(bare, following[0] if following else ""))
    return found


class Terms:
    """A vocabulary with weights, and the directions that its texts spread along.

    Args:
        vocabulary: The V terms that are known.
        weights: (V,) weight of each term, more for rarer ones.
        directions: (V, width) directions to project on.

    Attributes:
        name: Name of the encoder, for cards.
        width: Number of components of a vector.
    """

    name = "terms"

    def __init__(self, vocabulary: Sequence[str], weights: np.ndarray, directions: np.ndarray) -> None:
        self.vocabulary = list(vocabulary)
        self.weights = np.asarray(weights, dtype=np.float32)
        self.directions = np.asarray(directions, dtype=np.float32)
        shapes = self.weights.shape, self.directions.shape
        if shapes[0] != (len(self.vocabulary),) or len(shapes[1]) != 2 or shapes[1][0] != len(self.vocabulary):
            raise ModelError(
                f"{len(self.vocabulary)} terms have weights and directions of shapes {shapes}", "Fit again"
            )
        self.width = int(self.directions.shape[1])
        self._place = {term: place for place, term in enumerate(self.vocabulary)}

    @classmethod
    def fit(cls, texts: Iterable[str], *, width: int = 128, vocabulary: int = 2048, rarest: int = 2) -> Terms:
        """Return the encoder of some texts.

        Args:
            texts: Descriptions of training crystals only, for what is counted here is knowledge of them.
            width: Number of components of a vector; those for directions that the texts do not have are zero.
            vocabulary: Most terms to know, the commonest; of equally common ones the first by the alphabet.
            rarest: Smallest number of texts that a known term is in.

        Raises:
            DataError: The texts have no term in common.
        """
        counted = [Counter(terms(text)) for text in texts]
        spread = Counter(term for counts in counted for term in counts)
        common = sorted((-texts_with, term) for term, texts_with in spread.items() if texts_with >= rarest)
        known = sorted(term for _, term in common[:vocabulary])
        if not known:
            raise DataError(
                f"{len(counted)} texts have no term that {rarest} of them share", "Fit on more texts, or lower `rarest`"
            )
        held = np.array([spread[term] for term in known])
        weights = 1 + np.log((1 + len(counted)) / (1 + held))
        plain = cls(known, weights, np.zeros((len(known), width), dtype=np.float32))
        return cls(known, weights, _directions(plain, counted))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all that a vector depends on."""
        key = hashlib.sha256(self._card.encode())
        key.update(self.weights.tobytes())
        key.update(self.directions.tobytes())
        return key.hexdigest()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, (texts, width) float32; zero where a text has no known term.

        Args:
            texts: Any texts.
        """
        found = np.zeros((len(texts), self.width), dtype=np.float32)
        for row, text in enumerate(texts):
            places, values = self.weighted(Counter(terms(text)))
            found[row] = values @ self.directions[places]
        return found

    def weighted(self, counts: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return places in the vocabulary, and the weights x there, of norm one.

        Args:
            counts: Number of times that the text has each term.
        """
        known = sorted((self._place[term], count) for term, count in counts.items() if term in self._place)
        places = np.array([place for place, _ in known], dtype=np.int64)
        values = (1 + np.log(np.array([count for _, count in known], dtype=np.float32))) * self.weights[places]
        return places, values / max(float(np.linalg.norm(values)), 1e-12)

    def save(self, path: Path) -> None:
        """Write the encoder as a safetensors file, whole or not at all.

        Args:
            path: File to write; its folder is made.
        """
        tensors = {"weights": torch.from_numpy(self.weights), "directions": torch.from_numpy(self.directions)}
        save_tensors(tensors, {_CARD: self._card}, path)

    @classmethod
    def load(cls, path: Path) -> Terms:
        """Return the encoder in a file.

        Args:
            path: A file that `save` wrote.

        Raises:
            ModelError: It is none, or an older or newer version wrote it.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                card = json.loads(file.metadata()[_CARD])
                recipe, vocabulary = (card["recipe"], card["normalisation"]), [str(term) for term in card["vocabulary"]]
                weights, directions = file.get_tensor("weights"), file.get_tensor("directions")
        except (SafetensorError, OSError, TypeError, LookupError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{path} holds no bag of terms ({error})", "Give a file that `Terms.save` wrote"
            ) from error
        if recipe != (_RECIPE, VERSION):
            raise ModelError(f"{path} was written by another version, which cut texts otherwise", "Fit it again")
        return cls(vocabulary, weights, directions)

    @property
    def _card(self) -> str:
        card = {"recipe": _RECIPE, "normalisation": VERSION, "vocabulary": self.vocabulary}
        return json.dumps(card, ensure_ascii=False)


def _directions(plain: Terms, counted: Sequence[Counter[str]]) -> np.ndarray:
    """Return the first right singular vectors, (V, width), each with its largest entry positive."""
    size = len(plain.vocabulary)
    products = np.zeros((size, size))
    for start in range(0, len(counted), _ROWS):
        part = counted[start : start + _ROWS]
        rows = np.zeros((len(part), size))
        for row, counts in enumerate(part):
            places, values = plain.weighted(counts)
            rows[row, places] = values
        products += rows.T @ rows
    values, vectors = np.linalg.eigh(products)
    first = vectors[:, ::-1][:, : plain.width]
    first = first * (values[::-1][: plain.width] > 1e-9 * values[-1])
    first = first * np.sign(first[np.abs(first).argmax(axis=0), np.arange(first.shape[1])] + 1e-300)
    return np.pad(first, ((0, 0), (0, plain.width - first.shape[1])))


def _pieces(chunk: str, following: str) -> Iterator[str]:
    """Yield the terms of a chunk between two spaces."""
    symbols = _SYMBOL.findall(chunk)
    english = chunk in _ENGLISH and following in _AFTER_ENGLISH
    formula = chunk.replace("(", "").replace(")", "")
    if _FORMULA.fullmatch(formula) and _ELEMENTS.issuperset(symbols) and not english:
        yield formula
        yield from (f"={symbol}" for symbol in dict.fromkeys(symbols))
        return
    for piece in _PIECE.findall(chunk):
        if not _NUMBER.fullmatch(piece):
            yield piece.lower()
        else:
            yield f"{float(piece):.1f}" if "." in piece else piece
