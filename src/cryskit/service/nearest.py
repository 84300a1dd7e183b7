"""The crystals of a set that are most like a given one: cosine similarity of the vectors of a model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cryskit.data.sources.bundled import open_source, sources
from cryskit.errors import UnknownNameError
from cryskit.predict.search import search
from cryskit.predict.tables import RANKING, records
from cryskit.service.problems import ServiceError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryskit.service.models import Loaded
    from cryskit.types import Failure

_HELD = 16  # sets whose vectors are held
_FIRST = ("id", "formula", "similarity", "status", "reason")


def nearest_schema(rows: list[dict[str, Any]]) -> pa.Schema:
    """Return the columns of ranked crystals: those of a ranking, the formula, and the values that are known of them.

    Args:
        rows: Column to value.
    """
    known = dict.fromkeys(name for row in rows for name in row if name not in _FIRST)
    ranking = [RANKING.field(name) for name in ("id", "similarity")]
    ends = [RANKING.field(name) for name in ("status", "reason")]
    values = [pa.field(name, pa.float64()) for name in known]
    return pa.schema([ranking[0], pa.field("formula", pa.string()), ranking[1], *values, *ends])


@lru_cache(4)
def _bundled(name: str) -> tuple[Crystal | Failure, ...]:
    return tuple(open_source(name))


class ReferenceSets:
    """Sets of crystals among which is searched; the vectors of bundled ones are held once they are known."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def items_of(name: str, given: Callable[[], list[Crystal | Failure]]) -> tuple[str, list[Crystal | Failure]]:
        """Return the name of a set, "" for one that was sent, and what is in it.

        Args:
            name: Name of a bundled set, or "".
            given: Function that returns the set that was sent.

        Raises:
            ServiceError: No set is named or sent, or both.
            UnknownNameError: There is no such bundled set.
        """
        sent = given()
        if bool(name) == bool(sent):
            cure = f"Name one of {', '.join(sources())} as `data`, or send `candidates`"
            raise ServiceError(
                422, "It is not said where to search", cure, given="both or none", expected="one of them"
            )
        if name and name not in sources():
            raise UnknownNameError("bundled data set", name, sources())
        return name, list(_bundled(name)) if name else sent

    def vectors_of(self, key: tuple[str, str], rows: Callable[[], list[dict[str, Any]]]) -> np.ndarray:
        """Return the vectors of a set, (crystals, width), NaN where there is none; (crystals, 1) if none has one.

        Args:
            key: Name of the model and of the set.
            rows: Function that computes the rows of their vectors.
        """
        if not key[1]:
            return _matrix(rows())
        with self._lock:
            if key not in self._held:
                self._held[key] = _matrix(rows())
            self._held.move_to_end(key)
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
            return self._held[key]

    @staticmethod
    def nearest(
        wanted: list[dict[str, Any]], items: list[Crystal | Failure], vectors: np.ndarray
    ) -> list[dict[str, Any]]:
        """Return the items, the most similar first, those without a vector last.

        Args:
            wanted: Row with the vector of the crystal that is looked for.
            items: Crystals and failures.
            vectors: (items, width) their vectors.

        Raises:
            ServiceError: The crystal that is looked for has no vector.
        """
        if wanted[0]["vector"] is None:
            raise ServiceError(422, f"The crystal cannot be used: {wanted[0]['reason']}", "Send another one")
        vector = np.asarray(wanted[0]["vector"], np.float32)
        similarity = _unit(np.broadcast_to(vectors, (len(vectors), len(vector)))) @ _unit(vector[None])[0]
        order = np.argsort(np.where(np.isnan(similarity), np.inf, -similarity), kind="stable")
        return [_row(items[i], float(similarity[i])) for i in order.tolist()]

    @staticmethod
    def by_words(loaded: Loaded, words: str, items: list[Crystal | Failure]) -> list[dict[str, Any]]:
        """Return the items that fit words, the best first.

        Args:
            loaded: A model that compares crystals and words.
            words: Description of what is looked for.
            items: Crystals and failures.

        Raises:
            ModelError: The model cannot compare them.
        """
        known = {item.id: item for item in items if isinstance(item, Crystal)}
        rows = records(search(loaded.predictor, items, words))
        return [row | _known(known[row["id"]]) if row["id"] in known else row for row in rows]


def _matrix(rows: list[dict[str, Any]]) -> np.ndarray:
    width = next((len(row["vector"]) for row in rows if row["vector"] is not None), 1)
    return np.array([np.full(width, np.nan) if row["vector"] is None else row["vector"] for row in rows], np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _row(item: Crystal | Failure, similarity: float) -> dict[str, Any]:
    if isinstance(item, Crystal):
        return {"id": item.id, "similarity": similarity, "status": "ok", "reason": "", **_known(item)}
    return {"id": item.id, "similarity": None, "status": "failed", "reason": str(item.error)}


def _known(crystal: Crystal) -> dict[str, Any]:
    return {"formula": crystal.formula} | {name: value for name, value in crystal.targets.items() if name not in _FIRST}
