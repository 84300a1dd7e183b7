"""Splits: which crystals train, which choose the epoch, which test, which calibrate intervals; kept in files with a hash over all they say.

Every split comes from one rule. Groups (single crystals, or all crystals of a reduced formula or chemical system) are
put into a random order; a group belongs to the part, or fold, in which its middle falls. So parts have the size asked
for up to half a group, a group is never divided, and the order of the rows in the file does not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from cryskit.atomic_write import replacing
from cryskit.data.interchange import manifest
from cryskit.elements import chemical_system, formula
from cryskit.errors import DataError, PlanError, counted, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal

Kind = Literal["random", "formula", "system"]
_PARTS = ("train", "validation", "test", "calibration")


class Divided(NamedTuple):
    """The crystals of each part of a split, in its order."""

    train: list[Crystal]
    validation: list[Crystal]
    test: list[Crystal]
    calibration: list[Crystal]


@dataclass(frozen=True)
class Split:
    """A named division of a data set by crystal id; no id is in two parts.

    Attributes:
        name: Name for tables and model cards, for example "formula-seed0".
        kind: Kind of group that is kept together: none ("random"), a reduced formula, or a chemical system.
        seed: Seed of the random order.
        train: Ids of the training crystals in random order, so that the first part of them is a smaller training set.
        validation: Ids of the crystals that choose the epoch.
        test: Ids of the test crystals, which training cannot reach.
        data: Manifest hash of the data set.
        calibration: Ids of the crystals whose errors tell how wide intervals have to be, which neither train nor choose the epoch;
            empty if the split has no such part.

    Raises:
        DataError: An id is given twice.

    Example:
        >>> import cryskit
        >>> from cryskit.data.splits import make
        >>> crystals = [row for row in cryskit.read("examples") if isinstance(row, cryskit.Crystal)][:10]
        >>> split = make(crystals, kind="random", fractions=(0.6, 0.2, 0.2), seed=0)
        >>> len(split.train), len(split.validation), len(split.test)
        (6, 2, 2)
    """

    name: str
    kind: str
    seed: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    data: str
    calibration: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in _PARTS:
            object.__setattr__(self, part, tuple(getattr(self, part)))
        _refuse_repeats([name for part in _PARTS for name in getattr(self, part)], f"the split {self.name}")

    @property
    def hash(self) -> str:
        """SHA-256 over all that the split says; a model card carries it."""
        return hashlib.sha256(json.dumps(self._document, sort_keys=True).encode()).hexdigest()

    @property
    def _document(self) -> dict[str, Any]:
        """All that the split says; a split without a part that calibrates has the document and the hash of earlier versions."""
        return {name: value for name, value in asdict(self).items() if value or name != "calibration"}

    def first(self, fraction: float) -> Split:
        """Return the split with the first part of its training crystals; a smaller part is contained in a larger one.

        Args:
            fraction: Share of the training crystals to keep, above 0 and at most 1.

        Raises:
            PlanError: The fraction is outside, or keeps no crystal.
        """
        kept = round(len(self.train) * fraction)
        if not 0 < fraction <= 1 or not kept:
            raise PlanError(*_outside(fraction, len(self.train)))
        name = self.name if fraction == 1 else f"{self.name}-first{fraction:g}"
        return replace(self, name=name, train=self.train[:kept])

    def divide(self, crystals: Sequence[Crystal]) -> Divided:
        """Return the training, validation, test and calibration crystals, each in the order of the split.

        Args:
            crystals: Crystals of the whole data set that the split was made of; leave out those without labels afterwards.

        Raises:
            DataError: It is another data set, or was changed since.
        """
        if manifest(crystals) != self.data:
            raise DataError(f"The split {self.name} was made of other data", "Make it again from this data")
        found = {crystal.id: crystal for crystal in crystals}
        return Divided(*([found[name] for name in getattr(self, part)] for part in _PARTS))

    def save(self, path: Path | str) -> None:
        """Write the split with its hash as JSON, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self._document | {"hash": self.hash}, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Split:
        """Read a split that `save` wrote.

        Raises:
            DataError: The file is no split, an id is in two parts, or what it says was changed after it was written.
        """
        try:
            fields = json.loads(Path(path).read_text(encoding="utf-8"))
            stored = fields.pop("hash")
            parts = [fields[part] for part in _PARTS[:3]] + [fields.get(part, []) for part in _PARTS[3:]]
            if not all(isinstance(part, list) and all(isinstance(name, str) for name in part) for part in parts):
                raise TypeError("an id is no text")  # noqa: TRY301
            split = cls(**fields)
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise DataError(f"{path} is no split file ({error})", "Write it with `cryskit data split`") from error
        if split.hash != stored:
            raise DataError(f"{path} was changed after it was written: its hash differs", "Make the split again")
        return split


def make(
    crystals: Sequence[Crystal],
    kind: Kind = "random",
    *,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    train_fraction: float = 1.0,
    seed: int = 0,
    name: str = "",
) -> Split:
    """Divide a data set into training, validation and test crystals, and crystals that calibrate intervals if asked for.

    Args:
        crystals: Crystals of the data set, with unique ids.
        kind: Kind of group that is kept together.
        fractions: Shares of the crystals for training, validation, test and, where there is a fourth, calibration, adding up to 1.
        train_fraction: Share of the training crystals to keep; validation and test stay as they are.
        seed: Seed of the random order.
        name: Name of the split; kind and seed if it is empty.

    Raises:
        PlanError: The fractions do not add up to 1, or one is negative.
        DataError: An id occurs twice, or a part that should have crystals would have none.
    """
    if len(fractions) not in {3, 4}:
        raise PlanError(
            f"{counted(len(fractions), 'fraction')} divide no data set",
            "Give three, or four for a part that calibrates",
        )
    if min(fractions) < 0 or not isclose(sum(fractions), 1, abs_tol=1e-9):
        percent = min(fractions) >= 0 and isclose(sum(fractions), 100)
        meant = (
            f"Did you mean {', '.join(f'{one / 100:g}' for one in fractions)}?"
            if percent
            else "For example 0.8, 0.1, 0.1"
        )
        raise PlanError(
            f"The fractions {', '.join(f'{one:g}' for one in fractions)} are not positive shares of 1", meant
        )
    ids, middles = _order(crystals, kind, seed)
    part_of = _parts(middles, fractions, kind)
    train, validation, test, calibration = (tuple(ids[i] for i in np.flatnonzero(part_of == part)) for part in range(4))
    split = Split(name or f"{kind}-seed{seed}", kind, seed, train, validation, test, manifest(crystals), calibration)
    return split.first(train_fraction)


def shares(count: int, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Return to which part `make` at random assigns each of `count` crystals in the order of their ids.

    Args:
        count: Number of crystals.
        fractions: Shares of the crystals for training, validation and test, adding up to 1.
        seed: Seed of the random order.

    Returns:
        (count,) int8: 0 for training, 1 for validation, 2 for test.

    Raises:
        DataError: A part that should have crystals would have none.
    """
    part_of = np.empty(count, dtype=np.int8)
    part_of[np.random.default_rng(seed).permutation(count)] = _parts(
        (np.arange(count) + 0.5) / max(count, 1), fractions, "random"
    )
    return part_of


def folds(
    crystals: Sequence[Crystal],
    count: int,
    kind: Kind = "random",
    *,
    validation: float = 0.1,
    seed: int = 0,
    name: str = "",
) -> list[Split]:
    """Divide a data set into `count` splits whose test parts are a partition of it (cross-validation).

    Args:
        crystals: The data set, ids unique.
        count: Number of folds, at least 2.
        kind: Kind of group that is kept together.
        validation: Share of the crystals outside the test fold that validate, at least 0 and below 1.
        seed: Seed of the random order.
        name: Name of the splits, to which the number of the fold is appended; kind and seed if it is empty.

    Raises:
        PlanError: Fewer than two folds, or no share for training.
        DataError: An id occurs twice, or there are too few groups for a fold to have crystals.
    """
    if count < 2 or not 0 <= validation < 1:
        raise PlanError(
            f"{count} folds with {validation:g} for validation", "Give at least 2 folds and a share below 1"
        )
    ids, middles = _order(crystals, kind, seed)
    fold_of = (middles * count).astype(int)
    if len(set(fold_of)) < count:
        raise DataError(f"{len(set(middles))} groups are too few for {count} folds", "Use fewer folds or 'random'")
    data, label = manifest(crystals), name or f"{kind}-seed{seed}"
    splits = []
    for fold in range(count):
        inside = fold_of == fold
        behind = (middles - (fold + 1) / count) % 1  # the crystals next to the test fold validate
        chosen = ~inside & (behind < validation * (1 - 1 / count))
        parts = [tuple(ids[i] for i in np.flatnonzero(mask)) for mask in (~inside & ~chosen, chosen, inside)]
        splits.append(Split(f"{label}-fold{fold + 1}of{count}", kind, seed, parts[0], parts[1], parts[2], data))
    return splits


def _outside(fraction: float, crystals: int) -> tuple[str, str]:
    """Return what is wrong with a fraction of the training crystals, and what to do about it."""
    if 0 < fraction <= 1:
        return f"The fraction {fraction:g} of {counted(crystals, 'training crystal')} keeps none", "Give a larger one"
    meant = f"Did you mean {fraction / 100:g}?" if 1 < fraction <= 100 else "For example 0.2"
    return f"{fraction:g} is no fraction of the training crystals, a number above 0 and at most 1", meant


def _order(crystals: Sequence[Crystal], kind: str, seed: int) -> tuple[list[str], np.ndarray]:
    """Return the ids with their groups in random order, and for each id where the middle of its group is in 0..1."""
    _refuse_repeats([crystal.id for crystal in crystals], "the data")
    if kind not in get_args(Kind):
        cure = suggestion(kind, get_args(Kind), f"Choose one of {', '.join(get_args(Kind))}")
        raise PlanError(f"There is no split by {shortened(kind)!r}", cure)
    groups: dict[str, list[str]] = {}
    for crystal in sorted(crystals, key=lambda crystal: crystal.id):
        groups.setdefault(_group(crystal, kind), []).append(crystal.id)
    keys = sorted(groups)
    order = [groups[keys[i]] for i in np.random.default_rng(seed).permutation(len(keys))]
    sizes = np.array([len(members) for members in order], dtype=np.int64)
    middles = np.repeat((np.cumsum(sizes) - sizes / 2) / max(sizes.sum(), 1), sizes)
    return [name for members in order for name in members], middles


def _parts(middles: np.ndarray, fractions: Sequence[float], kind: str) -> np.ndarray:
    """Return for each middle of a group the part in which it falls."""
    part_of = np.searchsorted(np.cumsum(fractions[:-1]), middles, side="right")
    for part, name in enumerate(_PARTS[: len(fractions)]):
        if fractions[part] > 0 and not (part_of == part).any():
            groups = len(np.unique(middles))
            raise DataError(
                f"No crystal is left for {name}: {counted(len(middles), 'crystal')} in {counted(groups, 'group')} of the kind {kind!r}",
                "Give more crystals or a larger share"
                if kind == "random"
                else "Give more crystals, a larger share, or the kind 'random'",
            )
    return part_of


def _group(crystal: Crystal, kind: str) -> str:
    if kind == "random":
        return crystal.id
    return formula(crystal.numbers) if kind == "formula" else chemical_system(crystal.numbers)


def _refuse_repeats(ids: Sequence[str], where: str) -> None:
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(
            f"{counted(len(twice), 'id')} given twice in {where}, the first {shortened(twice[0])!r}",
            "Make the ids unique",
        )
