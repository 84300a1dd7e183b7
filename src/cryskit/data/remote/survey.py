"""What must be known of all rows of a data set before the first can be written: its columns, and which ids may occur twice."""

from __future__ import annotations

import hashlib
from array import array
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from cryskit.errors import CrystalError


class Survey:
    """A first look at rows, of which eight bytes each are held in memory.

    Attributes:
        rows: Number of rows.
        crystals: Number of those that can be used.
        properties: Names of the properties of which some row has a number, in the order in which they occur, and not words.
        words: Names of the properties of which some row has a label in words, likewise.
        first: Why the first row that failed did so, None if none did.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.first: CrystalError | None = None
        self.words: dict[str, None] = {}
        self._numbers: dict[str, None] = {}
        self._hashes = array("Q")

    def add(self, row: Crystal | Failure) -> None:
        """Look at the next row."""
        self.rows += 1
        if isinstance(row, Failure):
            self.first = self.first or row.error
            return
        self._hashes.append(_hash(row.id))
        self._numbers.update(dict.fromkeys(row.targets))
        self.words.update(dict.fromkeys(row.labels))

    @property
    def crystals(self) -> int:
        """Number of rows that can be used."""
        return len(self._hashes)

    @property
    def properties(self) -> dict[str, None]:
        """Names of the properties that are numbers in every row that has them."""
        return {name: None for name in self._numbers if name not in self.words}

    def may_repeat(self, name: str) -> bool:
        """Return whether several rows may have an id; asked once all rows were looked at."""
        return bool(self._repeated) and _hash(name) in self._repeated

    @cached_property
    def _repeated(self) -> frozenset[int]:
        found, times = np.unique(np.frombuffer(self._hashes, dtype=np.uint64), return_counts=True)
        return frozenset(found[times > 1].tolist())


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
