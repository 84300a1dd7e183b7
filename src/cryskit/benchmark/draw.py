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
from cryskit.data.interchange import manifest
from cryskit.data.readers.formats import stem
from cryskit.data.sources import resolve
from cryskit.data.splits import Kind, Split, make
from cryskit.errors import DataError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryskit.benchmark.plan import BenchmarkPlan, Data, Row
    from cryskit.types import Failure

    Watch = Callable[[Iterable[Crystal | Failure], str], Iterator[Crystal | Failure]]

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set in memory, divided.

    Attributes:
        rows: As they were read, in order.
        crystals: Those that can be used, with their labels.
        manifest: Hash of the crystals.
        splits: One, or one per fold.
        task: What a protocol calls it.
    """

    rows: list[Crystal | Failure]
    crystals: list[Crystal]
    manifest: str
    splits: list[Split]
    task: str

    def labels(self, prop: str) -> str:
        """Return the SHA-256 of the labels of a property, which the manifest hash does not cover."""
        known = ((crystal.id, crystal.targets[prop]) for crystal in self.crystals if prop in crystal.targets)
        return hashlib.sha256(json.dumps(list(known)).encode()).hexdigest()


class Drawn(NamedTuple):
    """The crystals of one training and one judgement.

    Attributes:
        seen: Crystals that train or choose the epoch.
        split: Of `seen` only.
        test: Crystals that judge.
    """

    seen: list[Crystal]
    split: Split
    test: list[Crystal]


def load(data: Data, limit: int, watch: Watch) -> DataSet:
    """Read and divide a data set.

    Args:
        data: Of the plan.
        limit: Atoms that a cell may have.
        watch: Shows how far an iteration is.

    Raises:
        DataError: The data or the split cannot be read, or do not belong together.
    """
    rows = list(watch(resolve(data.source, limit), f"reading {data.source}"))
    crystals = [row for row in rows if isinstance(row, Crystal)]
    task = data.task or stem(Path(data.source).name)
    if data.split == "matbench":
        splits = matbench.divide(rows, data.validation, task)
    elif data.split == "jarvis":
        labels = jarvis.read_labels(str(data.ids))
        crystals, split = jarvis.divide(rows, labels, data.properties[0], data.validation, task)
        splits = [split]
    elif data.split in _KINDS:
        splits = [make(crystals, _KINDS[data.split])]
    else:
        splits = [Split.load(data.split)]
        splits[0].divide(crystals)  # refuses a split of other data
    return DataSet(rows, crystals, manifest(crystals), splits, task)


def draw(data: DataSet, split: Split, row: Row, plan: BenchmarkPlan) -> Drawn:
    """Return the crystals of a row, all of them labelled.

    The crystals of a small fraction lie within those of a larger one of the same seed, whatever the encoder and regime.

    Args:
        data: The data set.
        split: One of its splits.
        row: The row.
        plan: Says what fractions are of, and how many crystals validate.

    Raises:
        DataError: A part has no labelled crystal.
    """
    labelled = {crystal.id: crystal for crystal in data.crystals if row.property in crystal.targets}
    parts = [[name for name in part if name in labelled] for part in (split.train, split.validation, split.test)]
    chance = np.random.default_rng(row.seed)
    train, validation = ([part[i] for i in chance.permutation(len(part))] for part in parts[:2])
    whole = len(train) if plan.of == "training" else sum(map(len, parts))
    train = train[: round(row.fraction * whole)]
    if plan.validation is not None:
        validation = validation[: max(plan.least, round(plan.validation * len(train)))]
    if not (train and validation and parts[2]):
        counts = f"{len(train)} training, {len(validation)} validation and {len(parts[2])} test crystals"
        raise DataError(f"There are {counts} with a {row.property}", "Choose another split, fraction or property")
    seen = [labelled[name] for name in (*train, *validation)]
    name = f"{split.name}-{row.fraction:g}-draw{row.seed}"
    drawn = Split(name, split.kind, split.seed, tuple(train), tuple(validation), (), manifest(seen))
    return Drawn(seen, drawn, [labelled[name] for name in parts[2]])
