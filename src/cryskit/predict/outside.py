"""Vectors of crystals that another program wrote into a table, such as the scripts in `tools/extract`: which crystal has which."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cryskit.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.predict.card import Card
    from cryskit.types import Crystal, Graph

ORIGIN = b"cryskit.vectors"
"""Key of the metadata of a table with a JSON object that says whose vectors it holds: `model`, `version`, `training_set`, `licence`."""
MEMBER = "outside"
"""Key of a member of `encoders.levels` that reads such vectors: their length."""

_NEEDED = ("id", "vector")
_CURE = "Give a table that a script in tools/extract, or `cryskit embed --out FILE.parquet`, wrote"


class OutsideVectors:
    """One vector for each crystal of a table.

    Args:
        path: Parquet file with the columns `id`, `vector` (a list of numbers) and, if it is known, `fingerprint`.

    Attributes:
        path: The file.
        width: Length of the vectors.
        origin: What the table says of the model whose vectors it holds: `model`, `version`, `training_set`, `licence`.

    Raises:
        DataError: It is no such table, or its vectors have several lengths.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.origin = path, origin_of(path)
        table = _table(path)
        known = table["fingerprint"].to_pylist() if "fingerprint" in table.column_names else [None] * len(table)
        self._rows = {
            name: (fingerprint, np.asarray(vector, dtype=np.float32))
            for name, fingerprint, vector in zip(
                table["id"].to_pylist(), known, table["vector"].to_pylist(), strict=True
            )
            if vector is not None
        }
        widths = {len(vector) for _, vector in self._rows.values()}
        if len(widths) != 1 or not min(widths):
            raise DataError(f"The vectors in {path} have the lengths {sorted(widths)}", "Give all the same length")
        (self.width,) = widths

    @property
    def name(self) -> str:
        """Name of the model whose vectors these are, or of the file."""
        return self.origin.get("model") or self.path.stem

    def of(self, crystals: Sequence[Crystal]) -> tuple[np.ndarray, list[str]]:
        """Return the vector of each crystal, (n, width) float32, NaN where there is none, and why there is none.

        Args:
            crystals: The crystals.
        """
        found, reasons = np.full((len(crystals), self.width), np.nan, dtype=np.float32), []
        for row, crystal in enumerate(crystals):
            fingerprint, vector = self._rows.get(crystal.id, (None, None))
            if vector is None:
                reasons.append(f"{self.path.name} has no vector of {crystal.id}")
            elif fingerprint not in {None, crystal.fingerprint}:
                reasons.append(f"The vector of {crystal.id} in {self.path.name} is that of another crystal")
            else:
                found[row] = vector
                reasons.append("" if np.isfinite(vector).all() else f"The vector of {crystal.id} is not finite")
        return found, reasons

    def attached(self, graph: Graph, crystals: Sequence[Crystal]) -> tuple[Graph, list[str]]:
        """Return a graph with the vectors of its crystals, and for each crystal why it has none.

        Args:
            graph: Graph of B crystals.
            crystals: The same B crystals.
        """
        vectors, reasons = self.of(crystals)
        return replace(graph, outside=torch.from_numpy(vectors)), reasons

    def require_of(self, card: Card) -> OutsideVectors:
        """Return the table if its vectors are of the kind that a model was fitted to.

        Args:
            card: Card of the model.

        Raises:
            DataError: They are those of another model, or have another length.
            ModelError: The model reads no such vectors.
        """
        width = width_on(card)
        if not width:
            raise ModelError(f"The model {card.name} reads no vectors of another program", "Leave out --vectors")
        fitted = str(card.plan.get("fit", {}).get("vectors", {}).get("model", ""))
        if self.width != width or (fitted and self.origin.get("model", fitted) != fitted):
            raise DataError(
                f"{self.path} has {self.width} numbers of {self.name} for each crystal, and {card.name} was fitted to {width} of {fitted or 'another'}",
                "Give vectors of the same program and model",
            )
        return self


def width_on(card: Card) -> int:
    """Return how many numbers of another program a model reads of each crystal; 0 for nearly all models.

    Args:
        card: Card of the model.
    """
    return sum(int(member.get(MEMBER, 0)) for member in card.encoder.get("members") or ())


def origin_of(path: Path) -> dict[str, str]:
    """Return what the metadata of a table says of the model whose vectors it holds; nothing if it says nothing that can be read.

    Args:
        path: The table.
    """
    try:
        found = json.loads((pq.read_schema(path).metadata or {}).get(ORIGIN, b"{}"))
    except (ValueError, RecursionError, OSError, pa.ArrowException):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def leakage_of(name: str, origin: dict[str, str]) -> str:
    """Return what a reader of errors has to know where vectors of another program were learned from, as a sentence.

    Args:
        name: Name of the table.
        origin: What the table says of its model.
    """
    model = origin.get("model", "an unnamed model")
    data = origin.get("training_set", "data that the table does not name")
    return (
        f"{name} has vectors of {model}, which was trained on {data}: that your test crystals are among them cannot be excluded, so errors may "
        "come out too small"
    )


def _table(path: Path) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        missing = [name for name in _NEEDED if name not in schema.names]
        if missing:
            raise DataError(f"{path} lacks the columns {', '.join(missing)}", _CURE)
        kind = schema.field("vector").type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_floating(kind.value_type):
            raise DataError(f"The column vector of {path} is no list of numbers", _CURE)
        wanted = [name for name in (*_NEEDED, "fingerprint") if name in schema.names]
        return pq.read_table(path, columns=wanted, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no table of vectors ({error})", _CURE) from error
