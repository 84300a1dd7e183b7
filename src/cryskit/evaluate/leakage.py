"""Find data leakage: what the test crystals of a model share with those it was trained or pre-trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.data.corpus import short_fingerprint
from cryskit.elements import formula
from cryskit.errors import DataError
from cryskit.graphs.duplicates import near_duplicates
from cryskit.graphs.prototypes import Prototypes
from cryskit.symmetry import space_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryskit.types import Crystal


@dataclass(frozen=True)
class Seen:
    """Crystals that a model has seen.

    Attributes:
        ids: Ids of all these crystals.
        fingerprints: First 32 digits of the fingerprints of all these crystals.
        crystals: Crystals whose structure is at hand; formulas, prototypes and near-duplicates are sought among them.
    """

    ids: frozenset[str]
    fingerprints: frozenset[str]
    crystals: Sequence[Crystal]

    @classmethod
    def of(cls, crystals: Sequence[Crystal]) -> Seen:
        """Return crystals that are all at hand."""
        prints = frozenset(short_fingerprint(crystal) for crystal in crystals)
        return cls(frozenset(crystal.id for crystal in crystals), prints, crystals)

    @classmethod
    def of_manifest(cls, path: Path, corpus: Iterable[Crystal] = ()) -> Seen:
        """Return what a manifest of a pre-training lists, with the structures that are found in a corpus.

        Args:
            path: Parquet file with the columns id, source and fingerprint, as `cryskit pretrain` writes it.
            corpus: Crystals among which those of the manifest are found by their content.

        Raises:
            DataError: It is no manifest.
        """
        try:
            columns = pq.read_table(path, columns=["id", "source", "fingerprint"]).to_pydict()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} is no manifest ({error})", "Pre-train with `cryskit pretrain` again") from error
        ids = frozenset(
            name.removeprefix(f"{source}/") for name, source in zip(columns["id"], columns["source"], strict=True)
        )
        prints = frozenset(columns["fingerprint"])
        found = {short_fingerprint(crystal): crystal for crystal in corpus}
        return cls(ids, prints, [crystal for digits, crystal in found.items() if digits in prints])


@dataclass(frozen=True)
class Overlap:
    """What some crystals share with those that a model has seen; each list names crystals of the former.

    Attributes:
        asked: Number of crystals that are compared.
        seen: Number of different crystals that the model has seen.
        at_hand: Number of seen crystals whose structure is known.
        ids: Crystals whose id was seen.
        contents: Crystals of which the very same structure was seen.
        formulas: Crystals whose reduced formula was seen; this and what follows is None if no structure is at hand.
        prototypes: Crystals whose prototype was seen, whatever its elements (see `graphs.prototypes`).
        near_duplicates: Crystals with the ids of their near-duplicates that were seen (see `graphs.duplicates`).
    """

    asked: int
    seen: int
    at_hand: int
    ids: list[str]
    contents: list[str]
    formulas: list[str] | None
    prototypes: list[str] | None
    near_duplicates: dict[str, list[str]] | None

    @property
    def counts(self) -> dict[str, int | None]:
        """Number of crystals that each field names; None where that is not known."""
        return {name: len(v) if isinstance(v, list | dict) else v for name, v in asdict(self).items()}

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {"counts": self.counts} | {name: v for name, v in asdict(self).items() if not isinstance(v, int)}


class Comparison:
    """Finds overlaps, and remembers the space groups and prototypes of crystals it has met."""

    def __init__(self) -> None:
        self._prototypes = Prototypes()
        self._known: dict[str, str | None] = {}
        self._groups: dict[str, int] = {}

    def overlap(self, asked: Sequence[Crystal], seen: Seen) -> Overlap:
        """Return what crystals share with those that were seen.

        Args:
            asked: Crystals that a model is tested on, or trained on.
            seen: Crystals that the model has seen.
        """
        known = seen.crystals
        formulas = {formula(crystal.numbers) for crystal in known}
        families = {self._family(crystal) for crystal in asked}
        stoichiometries = {counts for counts, _ in families}
        like = (c for c in known if _stoichiometry(c) in stoichiometries and self._family(c) in families)
        prototypes = {self._prototype(crystal) for crystal in like} - {None}
        alike = near_duplicates(asked, known)
        return Overlap(
            asked=len(asked),
            seen=len(seen.fingerprints),
            at_hand=len(known),
            ids=[c.id for c in asked if c.id in seen.ids],
            contents=[c.id for c in asked if short_fingerprint(c) in seen.fingerprints],
            formulas=[c.id for c in asked if formula(c.numbers) in formulas] if known else None,
            prototypes=[c.id for c in asked if self._prototype(c) in prototypes] if known else None,
            near_duplicates={asked[i].id: names for i, names in alike.items()} if known else None,
        )

    def _prototype(self, crystal: Crystal) -> str | None:
        digits = crystal.fingerprint
        if digits not in self._known:
            self._known[digits] = self._prototypes.of(crystal)
        return self._known[digits]

    def _family(self, crystal: Crystal) -> tuple[tuple[int, ...], int]:
        """Return what crystals of one prototype have in common and what is found sooner: stoichiometry and space group."""
        digits = crystal.fingerprint
        if digits not in self._groups:
            self._groups[digits] = space_group(crystal)[0]
        return _stoichiometry(crystal), self._groups[digits]


def _stoichiometry(crystal: Crystal) -> tuple[int, ...]:
    """Return the reduced numbers of atoms of the elements, without their names: (1, 1, 3)."""
    counts = np.unique(crystal.numbers, return_counts=True)[1]
    return tuple(sorted((counts // np.gcd.reduce(counts)).tolist()))
