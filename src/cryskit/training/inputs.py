"""What a training can be given from Python: a plan, crystals, a split and paths, each in the forms that people have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from cryskit.data.read import read
from cryskit.data.splits import Kind, Split, make
from cryskit.data.targets import one_or_many
from cryskit.errors import DataError, PlanError, UnusableRowsWarning, counted, shortened
from cryskit.training.plan import Plan
from cryskit.training.settle import SettledPlan
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPLIT = "split.json"
"""File of a run with its split."""

_YAML = (".yaml", ".yml")


def plan_of(plan: Any) -> Plan | SettledPlan:
    """Return a plan, whichever form it is given in.

    Args:
        plan: A Plan, a mapping of its values, the path of a YAML file, or names of the properties to learn, one or many.

    Raises:
        PlanError: It is none, or is not valid.
    """
    if isinstance(plan, Plan | SettledPlan):
        return plan
    if isinstance(plan, Mapping):
        return Plan.make(dict(plan))
    if isinstance(plan, PathLike) or (isinstance(plan, str) and plan.endswith(_YAML)):
        return Plan.from_yaml(Path(plan))
    if isinstance(plan, str | list | tuple):
        return Plan.make({"properties": plan})
    raise PlanError(
        f"A {type(plan).__name__} is no plan",
        "Give a Plan, a mapping of its values, a YAML file or names of properties",
    )


def crystals_of(structures: Any) -> list[Crystal]:
    """Return the crystals of whatever `cryskit.read` takes.

    Args:
        structures: Crystals, which are taken as they are, or any source of them.

    Raises:
        DataError: The source cannot be read, or holds no crystal.

    Warns:
        UnusableRowsWarning: Some rows are no crystals.
    """
    if isinstance(structures, list | tuple) and all(isinstance(each, Crystal) for each in structures):
        return list(structures)
    rows = list(read(structures))
    failures = [row for row in rows if isinstance(row, Failure)]
    crystals = [row for row in rows if isinstance(row, Crystal)]
    if not crystals:
        first = f" (the first: {failures[0].id}: {failures[0].error})" if failures else ""
        raise DataError(
            f"{shortened(structures)} has no usable crystal{first}", "Mend the rows, or give another source"
        )
    if failures:
        warnings.warn(
            f"{len(failures)} of {counted(len(rows), 'row')} cannot be used and are left out, the first: "
            f"{failures[0].id}: {failures[0].error}",
            UnusableRowsWarning,
            stacklevel=3,
        )
    return crystals


def read_all(sources: str | Sequence[str]) -> dict[str, Iterator[Crystal]]:
    """Return each data set with its crystals as they are read; rows that are none are left out.

    Args:
        sources: Names or paths of data sets, one or many.

    Raises:
        DataError: One of them cannot be read.
    """
    rows = {str(source): read(source) for source in one_or_many(sources)}
    return {name: (row for row in found if isinstance(row, Crystal)) for name, found in rows.items()}


def split_of(split: Split | str | PathLike[str] | None, crystals: Sequence[Crystal], seed: int) -> Split:
    """Return a split, whichever form it is given in.

    Args:
        split: A Split, its kind ("random", "formula" or "system"; None for "random"), or the path of its file.
        crystals: The whole data set.
        seed: Seed of the random order of a new split.

    Raises:
        DataError: The file is no split, or the data cannot be split.
    """
    if isinstance(split, Split):
        return split
    kind = "random" if split is None else fspath(split)
    return make(crystals, cast("Kind", kind), seed=seed) if kind in get_args(Kind) else Split.load(kind)


def folder_of(out: Path, folder: Path | str | None) -> Path:
    """Return the folder of the run that writes `out`: `<out>.run` unless another is given.

    Args:
        out: The model file.
        folder: The folder that was asked for.
    """
    return Path(folder) if folder is not None else out.with_name(f"{out.name}.run")
