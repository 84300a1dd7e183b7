"""Which crystals train, choose the epoch and judge in a row of a benchmark.

What a training is given holds no test crystal, neither among its crystals nor in its split.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from cryskit.benchmark import jarvis, matbench
from cryskit.data import official
from cryskit.data.classes import find, labelled_rows
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.readers.formats import stem
from cryskit.data.splits import Kind, Split, make
from cryskit.errors import DataError, suggestion
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryskit.benchmark.plan import BenchmarkPlan, Data, Row
    from cryskit.types import Failure

    Watch = Callable[[Iterable[Crystal | Failure], str], Iterator[Crystal | Failure]]

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set in memory, divided.

    Attributes:
        rows: Crystals and failures in the order in which they were read.
        crystals: Crystals that can be used, with their labels.
        manifest: Manifest hash of the crystals.
        splits: One split, or one per fold.
        task: Name that a protocol gives the data set.
    """

    rows: list[Crystal | Failure]
    crystals: list[Crystal]
    manifest: str
    splits: list[Split]
    task: str

    def label_hash(self, properties: Sequence[str]) -> str:
        """Return the SHA-256 of the labels of some properties, which the manifest hash does not cover."""
        known = [
            (crystal.id, *map(crystal.targets.get, properties)) for crystal in _labelled(self.crystals, properties)
        ]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()


class Drawn(NamedTuple):
    """The crystals of one training and one judgement.

    Attributes:
        seen: Crystals that train or choose the epoch.
        split: Training and validation part of `seen`, without a test part.
        test: Crystals that judge.
    """

    seen: list[Crystal]
    split: Split
    test: list[Crystal]


def load(data: Data, limit: int, watch: Watch) -> DataSet:
    """Read and divide a data set.

    Args:
        data: Data set of the plan.
        limit: Largest number of atoms in a cell.
        watch: Wrapper of an iteration that shows how far it is; its second argument says what is iterated.

    Raises:
        DataError: The data or the split cannot be read, or do not belong together.
    """
    task = data.task or stem(Path(data.source).name)
    if data.split == "matbench":
        _require_published(task, Path(data.source))
    names = [name for learned in data.targets().values() for name in learned]
    found = list(watch(read(data.source, limit=limit), f"reading {data.source}"))
    rows = _with_classes(found, names)
    crystals = [row for row in rows if isinstance(row, Crystal)]
    if data.split == "matbench":
        splits = _official(task, rows, data.validation, names[0])
    elif data.split == "jarvis":
        labels = jarvis.read_labels(str(data.ids))
        crystals, split = jarvis.divide(rows, labels, _only_property(data), data.validation, task)
        splits = [split]
    elif data.split in _KINDS:
        splits = [make(crystals, _KINDS[data.split])]
    else:
        splits = [Split.load(data.split)]
        splits[0].divide(crystals)  # refuses a split of other data
    return DataSet(rows, crystals, manifest(crystals), splits, task)


def _with_classes(rows: Sequence[Crystal | Failure], names: Sequence[str]) -> list[Crystal | Failure]:
    """Return rows with the numbers of classes as targets, for those of the properties that are classes and have labels here."""
    crystals = [row for row in rows if isinstance(row, Crystal)]
    known = {name for crystal in crystals for name in (*crystal.targets, *crystal.labels)}
    return labelled_rows(rows, [find(name, crystals).property for name in names if name in known])


def _require_published(task: str, path: Path) -> None:
    """Refuse what is no task of Matbench before it is read."""
    official.task_of(task)
    if path.is_file():
        official.require_file(task, path)


def _official(task: str, rows: Sequence[Crystal | Failure], validation: float, name: str) -> list[Split]:
    """Return the folds of a task of Matbench.

    Raises:
        DataError: It is not that task, or its folds are not the published ones.
    """
    official.require_rows(task, len(rows))
    published = official.task_of(task)
    classes = matbench.classes_of(rows, name) if published.is_classification else None
    if classes is not None:
        named = matbench.names(task, len(rows))
        listed = [named[i] for fold in matbench.folds(len(rows), classes) for i in fold]
        if official.folds_digest(listed) != published.folds:
            raise DataError(
                f"The folds that the labels of {task} make are not the published ones",
                "Give the published file, with its rows in order and unchanged labels",
            )
    return matbench.divide(rows, validation, task, classes)


def draw(data: DataSet, split: Split, row: Row, plan: BenchmarkPlan) -> Drawn:
    """Return the crystals of a row, each with a label of at least one of its properties.

    The crystals of a small fraction lie within those of a larger one of the same seed, whatever the encoder and regime.

    Args:
        data: The data set.
        split: One of its splits.
        row: The row.
        plan: Plan of the benchmark, for what fractions are shares of and for the number of validation crystals.

    Raises:
        DataError: A part has no labelled crystal.
    """
    properties = plan.learned(row)
    labelled = {crystal.id: crystal for crystal in _labelled(data.crystals, properties)}
    parts = [[name for name in part if name in labelled] for part in (split.train, split.validation, split.test)]
    chance = np.random.default_rng(row.seed)
    train, validation = ([part[i] for i in chance.permutation(len(part))] for part in parts[:2])
    whole = len(train) if plan.of == "training" else sum(map(len, parts))
    train = train[: round(row.fraction * whole)]
    if plan.validation is not None:
        validation = validation[: max(plan.least, round(plan.validation * len(train)))]
    if not (train and validation and parts[2]):
        known = {name for crystal in data.crystals for name in crystal.targets}
        cures = (suggestion(name, known, "") for name in properties if name not in known)
        counts = f"{len(train)} training, {len(validation)} validation and {len(parts[2])} test crystals"
        raise DataError(
            f"There are {counts} with a {' or '.join(properties)}",
            next(filter(None, cures), "Choose another split, fraction or property"),
        )
    seen = [labelled[name] for name in (*train, *validation)]
    name = f"{split.name}-{row.fraction:g}-draw{row.seed}"
    drawn = Split(name, split.kind, split.seed, tuple(train), tuple(validation), (), manifest(seen))
    return Drawn(seen, drawn, [labelled[name] for name in parts[2]])


def _labelled(crystals: Iterable[Crystal], properties: Sequence[str]) -> Iterator[Crystal]:
    """Yield the crystals that have a label of at least one of some properties."""
    return (crystal for crystal in crystals if any(name in crystal.targets for name in properties))


def _only_property(data: Data) -> str:
    ((prop,),) = data.targets().values()
    return prop
