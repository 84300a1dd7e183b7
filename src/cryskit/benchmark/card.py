"""The card of a row: what was trained and judged, on which crystals, on which machine, at what cost, and what came out."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 2
"""Format of the cards that are written; format 1 had one property and carried no number."""
ROWS = "rows"
"""Folder of a benchmark with the cards."""

Metrics = dict[str, float]


class Part(BaseModel):
    """A part of a card; fields that it does not know are passed over."""

    model_config = ConfigDict(frozen=True)


class Place(Part):
    """The cell of a benchmark, and the fold of its data.

    Attributes:
        data: Name of the data set.
        property: Property, or name of the properties that one network learns together.
        encoder: Name of the encoder.
        regime: Name of the regime.
        fraction: Share of the crystals that train.
        seed: Seed of the draw, the weights and the order of crystals.
        fold: Index of the split, from 0.
    """

    data: str
    property: str
    encoder: str
    regime: str
    fraction: float
    seed: int
    fold: int = 0

    def __str__(self) -> str:
        """Return the place on one line."""
        return " ".join(map(str, self.model_dump(exclude={"fold"}).values()))


class Source(Part):
    """The data of a row.

    Attributes:
        source: Bundled data set, file or folder.
        manifest: Manifest hash of its crystals.
        labels: SHA-256 of their labels.
    """

    source: str
    manifest: str
    labels: str


class Divided(Part):
    """The split of a row.

    Attributes:
        name: Name of the split.
        hash: Hash of the split.
    """

    name: str
    hash: str


class Machine(Part):
    """The machine that did a row.

    Attributes:
        cpu: Model of the processor.
        cores: Number of cores.
        system: Operating system, architecture and version of Python.
        threads: Number of threads that torch uses.
        accelerator: Name of the accelerator; empty if there is none.
    """

    cpu: str
    cores: int | None
    system: str
    threads: int
    accelerator: str = ""


class PlanUsed(Part):
    """The training plan that was chosen on the validation crystals.

    Attributes:
        hash: Hash of the plan.
        values: The whole plan.
    """

    hash: str
    values: dict[str, Any]


class GridPoint(Part):
    """One training plan of the grid.

    Attributes:
        hash: Hash of the plan.
        validation: Error on the validation crystals; the geometric mean over properties if there are several.
    """

    hash: str
    validation: float


class PropertyResult(Part):
    """What came out for one property.

    Attributes:
        name: Name of the property.
        symbol: Its symbol.
        unit: Its unit.
        transform: Transform under which it is learned, "none" or "log10".
        classes: Names of its classes; empty if it is a scalar.
        validation: Figure to value on the validation crystals (see `evaluate.metrics` and `evaluate.class_metrics`).
        test: Figure to value on the test crystals; empty if none of them has a label.
    """

    name: str
    symbol: str
    unit: str
    transform: Literal["none", "log10"]
    classes: tuple[str, ...] = ()
    validation: Metrics
    test: Metrics

    @property
    def figure(self) -> str:
        """The figure by which models are compared: the mean absolute error, of logarithms where they are learned; of classes the share that is wrong."""
        if self.classes:
            return "error_rate"
        return "mae_log10" if self.transform == "log10" else "mae"

    @property
    def error(self) -> float:
        """The figure on the test crystals; NaN if there is none."""
        return self.test.get(self.figure, math.nan)

    @property
    def validation_error(self) -> float:
        """The figure on the validation crystals; NaN if there is none."""
        return self.validation.get(self.figure, math.nan)

    @property
    def error_unit(self) -> str:
        """The unit of the errors."""
        return f"log10({self.unit or '1'})" if self.transform == "log10" else self.unit


class LeakageCounts(Part):
    """How much test crystals, training crystals and the crystals that models have seen share.

    Attributes:
        file: Name of the whole report in the folder of the leakage reports.
        counts: Pair of parts to kind of overlap to number of crystals; None where it is not known.
        unknown: Models without a manifest of what they have seen.
    """

    file: str = ""
    counts: dict[str, dict[str, int | None]] = Field(default_factory=dict)
    unknown: list[str] = Field(default_factory=list)


class Result(Part):
    """What a row that is done has to say.

    Attributes:
        properties: Results of each property that was learned.
        encoder: Registry name and arguments of the encoder.
        parameters: Number of parameters of the model.
        start: Model that the encoder started from, and how many tensors were moved.
        plan: Training plan that was chosen.
        grid: Every training plan that was tried, the best first.
        epoch: Epoch of the model, from 0.
        epochs: Number of epochs that were trained.
        model: Model file, relative to the folder of the benchmark.
        crystals: Number of crystals that trained, chose the epoch, judged, could not be predicted, ...
        predictions: File with the predictions of the test crystals, in the folder of the predictions.
        training_seconds: Seconds that all epochs took, over the whole grid.
        versions: Package to version.
    """

    properties: tuple[PropertyResult, ...]
    encoder: dict[str, Any]
    parameters: int
    start: dict[str, Any] = Field(default_factory=dict)
    plan: PlanUsed
    grid: tuple[GridPoint, ...] = ()
    epoch: int | None
    epochs: int
    model: str
    crystals: dict[str, int]
    predictions: str
    training_seconds: float
    versions: dict[str, str] = Field(default_factory=dict)


class RowCard(Part):
    """The card of a row of a benchmark.

    Attributes:
        format: Format of the card.
        status: "done" or "failed".
        reason: Why it failed, on one line; empty if it is done.
        traceback: File in the folder of the card with the traceback, if the error is a fault of the program; else empty.
        benchmark: Name of the benchmark.
        hash: Hash of all that the result depends on.
        row: Place of the row.
        command: Command that was called.
        date: When the row was begun, UTC.
        data: Data of the row.
        split: Split of the data.
        machine: Machine that did it.
        seconds: Seconds that the row took, training and judging.
        memory_mib: Peak memory in MiB, of the process and of an accelerator.
        result: What came out; None if it failed.
        leakage: Counts of the leakage report; None if none was asked for.
    """

    format: int = FORMAT
    status: Literal["done", "failed"]
    reason: str = ""
    traceback: str = ""
    benchmark: str
    hash: str
    row: Place
    command: str = ""
    date: str
    data: Source
    split: Divided
    machine: Machine
    seconds: float
    memory_mib: dict[str, float] = Field(default_factory=dict)
    result: Result | None = None
    leakage: LeakageCounts | None = None


def row_path(out: Path, digest: str) -> Path:
    """Return the file of the card of a row.

    Args:
        out: Folder of the benchmark.
        digest: Hash of the row.
    """
    return out / ROWS / f"{digest}.json"


def read_row(path: Path) -> RowCard:
    """Read the card of a row, of this format or an older one.

    Args:
        path: JSON file in the folder of the rows.

    Raises:
        DataError: It cannot be read, is no card of a row, or has a newer format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        written = values.get("format", 1)
        if written > FORMAT:
            raise DataError(
                f"{path} is a card of format {written}, and this version of cryskit reads up to format {FORMAT}",
                "Read it with a newer version of cryskit",
            )
        return RowCard.model_validate(_from_format_1(values) if written == 1 else values)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no card of a row ({error})", "Give one that `cryskit benchmark` wrote") from error


def read_rows(folder: Path) -> list[RowCard]:
    """Return all cards in the folder of a benchmark, in the order in which they were begun.

    Args:
        folder: Folder of the benchmark.

    Raises:
        DataError: A card cannot be read.
    """
    return sorted(map(read_row, (folder / ROWS).glob("*.json")), key=lambda card: card.date)


def _from_format_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card of format 1, which had one property and everything on one level, as one of this format."""
    new = {**old, "format": FORMAT, "seconds": old["seconds"]["row"]}
    if old["status"] == "done":
        judged = {**old["property"], "validation": old["validation"], "test": old["test"]}
        new["result"] = {**old, "properties": [judged], "training_seconds": old["seconds"]["training"]}
    return new
