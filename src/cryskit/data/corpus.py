"""Crystals of several data sets for learning without labels: what trains, what validates, what must not be seen.

Each data set is divided by itself, at random or by a split of it. The test crystals of a split are held out, and so is
every crystal of any data set that has the content of one of them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.data.atomic import replacing
from cryskit.data.files import stem
from cryskit.data.interchange import manifest
from cryskit.data.splits import make
from cryskit.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.data.splits import Split
    from cryskit.types import Crystal

SHARES = (0.9, 0.1, 0.0)
"""Of the crystals of a data set that train, validate and are held out where no split says otherwise."""

_DIGITS = 32  # hexadecimal, of a fingerprint in a manifest


@dataclass(frozen=True, eq=False)
class Corpus:
    """The crystals of several data sets, their ids unique.

    Attributes:
        train: Crystals to learn from.
        validation: Crystals that choose the epoch.
        held_out: How many must not be seen.
        origin: Id to the short name of its data set.
        manifests: Short name of each data set to its manifest hash.
        splits: Short name of each data set to the hash of its split, of those that a split was given for.
    """

    train: list[Crystal]
    validation: list[Crystal]
    held_out: int
    origin: dict[str, str]
    manifests: dict[str, str]
    splits: dict[str, str]


def join(sources: Mapping[str, Sequence[Crystal]], splits: Sequence[Split] = (), seed: int = 0) -> Corpus:
    """Join data sets; an id that occurs in several gets the short name of its data set in front.

    Args:
        sources: Name or path of each data set to its crystals.
        splits: Each of exactly one of the data sets (by its manifest hash); its test crystals are held out.
        seed: Of the random order of the data sets that have no split.

    Raises:
        PlanError: A split is of none of the data sets, or two are of the same.
        DataError: An id occurs twice in a data set, or it has too few crystals to be divided.
    """
    names = _short(sources)
    manifests = {names[source]: manifest(crystals) for source, crystals in sources.items()}
    given = _matched(splits, manifests)
    divided = {
        names[source]: (given.get(names[source]) or make(crystals, fractions=SHARES, seed=seed)).divide(crystals)
        for source, crystals in sources.items()
    }
    hidden = {crystal.fingerprint for *_, test in divided.values() for crystal in test}
    times = Counter(crystal.id for crystals in sources.values() for crystal in crystals)
    parts: tuple[list[Crystal], list[Crystal]] = ([], [])
    origin: dict[str, str] = {}
    for name, (*seen, _) in divided.items():
        for part, crystals in zip(parts, seen, strict=True):
            for crystal in (c for c in crystals if c.fingerprint not in hidden):
                unique = crystal.id if times[crystal.id] == 1 else f"{name}/{crystal.id}"
                origin[unique] = name
                part.append(replace(crystal, id=unique))
    held_out = sum(len(test) for *_, test in divided.values())
    held_out += sum(len(c) for *seen, _ in divided.values() for c in seen) - len(parts[0]) - len(parts[1])
    return Corpus(*parts, held_out, origin, manifests, {name: split.hash for name, split in given.items()})


def write_manifest(path: Path, parts: Mapping[str, Sequence[Crystal]], origin: Mapping[str, str]) -> str:
    """Write which crystals were seen, so that anyone can check whether a crystal was among them.

    Args:
        path: A Parquet file with the columns id, source, part, fingerprint (the first 32 digits of `Crystal.fingerprint`).
        parts: Name of the part to its crystals.
        origin: Id to the short name of its data set.

    Returns:
        The SHA-256 of the file.
    """
    rows = sorted(
        (origin[crystal.id], crystal.id, part, crystal.fingerprint[:_DIGITS])
        for part, crystals in parts.items()
        for crystal in crystals
    )
    columns = dict(zip(("source", "id", "part", "fingerprint"), zip(*rows, strict=True), strict=True))
    table = pa.table({name: pa.array(columns[name], pa.string()) for name in ("id", "source", "part", "fingerprint")})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
        return hashlib.sha256(temporary.read_bytes()).hexdigest()


def _short(sources: Mapping[str, Sequence[Crystal]]) -> dict[str, str]:
    """Return a short name for each data set: its stem, or all of its name where stems are alike."""
    stems = {source: stem(Path(source).name) for source in sources}
    times = Counter(stems.values())
    return {source: short if times[short] == 1 else source for source, short in stems.items()}


def _matched(splits: Sequence[Split], manifests: Mapping[str, str]) -> dict[str, Split]:
    """Return the split of each data set that has one."""
    matched: dict[str, Split] = {}
    for split in splits:
        found = [name for name, data in manifests.items() if data == split.data]
        if not found:
            raise PlanError(
                f"The split {split.name} is of none of the data sets {', '.join(manifests)}",
                "Give the data it was made of, unchanged, or make it again",
            )
        if found[0] in matched:
            raise PlanError(f"Two splits of {found[0]} are given", "Give one")
        matched |= dict.fromkeys(found, split)
    return matched
