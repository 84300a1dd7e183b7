"""One card of a whole benchmark: errors, gains and ranks, and a line for each property of each row that is done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import ValidationError

from cryskit.atomic_write import write_json
from cryskit.benchmark.card import Machine, Part, Place, read_rows
from cryskit.benchmark.compare import Gain, errors, gains, ranks, results
from cryskit.benchmark.run import PREDICTIONS
from cryskit.errors import DataError
from cryskit.predict.tables import records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryskit.benchmark.card import RowCard

_DIGITS = 5


class CollectedMachine(Machine):
    """A machine that worked on a benchmark.

    Attributes:
        torch: Version of torch.
        rows: Number of rows that it did.
    """

    torch: str
    rows: int


class CollectedError(Part):
    """Test error of one model (encoder and regime) on one property, over seeds and folds.

    Attributes:
        data: Name of the data set.
        property: Name of the property.
        fraction: Share of the crystals that trained.
        encoder: Name of the encoder.
        regime: Name of the regime.
        training: Mean number of training crystals.
        runs: Number of rows.
        mean: Mean absolute error; of a class the share that is wrong.
        deviation: Standard deviation of the error over rows; None for a single one.
        unit: Unit of the error.
        validation: The same on the validation crystals.
        parameters: Number of parameters of the model.
        seconds: Mean seconds of training.
        memory_mib: Peak memory in MiB; None where it is not known.
    """

    data: str
    property: str
    fraction: float
    encoder: str
    regime: str
    training: float
    runs: int
    mean: float | None
    deviation: float | None
    unit: str
    validation: float | None
    parameters: int
    seconds: float
    memory_mib: float | None


class CollectedRank(Part):
    """Mean rank of one model over data sets and properties.

    Attributes:
        fraction: Share of the crystals that trained.
        encoder: Name of the encoder.
        regime: Name of the regime.
        rank: Mean rank; 1 is best.
        tasks: Number of data sets and properties.
    """

    fraction: float
    encoder: str
    regime: str
    rank: float
    tasks: int


class CollectedRow(Place):
    """What one row says of one property.

    Attributes:
        hash: Hash of the row.
        plan: Hash of its training plan.
        training: Number of crystals that trained.
        unlabelled: Number of crystals that trained without labels.
        test: Number of crystals that judged.
        epoch: Epoch of the model, from 0.
        epochs: Number of epochs that were trained.
        validation_error: Error of that kind on the validation crystals; None if none has a label.
        test_error: Error of that kind on the test crystals; None if none has a label.
        seconds: Seconds of training.
        memory_mib: Peak memory in MiB; None where it is not known.
    """

    hash: str
    plan: str
    training: int
    unlabelled: int = 0
    test: int
    epoch: int | None
    epochs: int
    validation_error: float | None
    test_error: float | None
    seconds: float
    memory_mib: float | None


class BenchmarkCard(Part):
    """What a whole benchmark says.

    Attributes:
        title: Name of the benchmark.
        command: Command that was called.
        date: When its last row was begun, UTC.
        versions: Package to version.
        machines: Machines that worked on it; cards of the first benchmarks do not list them.
        data: Data set to manifest hash.
        split: Data set to the hash of its split.
        failed: Number of rows that failed.
        errors: Error of each model on each property.
        gains: Gain of each regime over the base.
        ranks: Mean rank of each model.
        rows: Figures of each property of each row.
    """

    title: str
    command: str
    date: str
    versions: dict[str, str]
    machines: tuple[CollectedMachine, ...] = ()
    data: dict[str, str]
    split: dict[str, str]
    failed: int
    errors: tuple[CollectedError, ...]
    gains: tuple[Gain, ...]
    ranks: tuple[CollectedRank, ...]
    rows: tuple[CollectedRow, ...]


def collect(folder: Path, base: str) -> BenchmarkCard:
    """Return the card of the rows that are done in the folder of a benchmark.

    Args:
        folder: Folder of the benchmark.
        base: Regime to compare with.

    Raises:
        DataError: No row is done, or a card cannot be read.
    """
    cards = read_rows(folder)
    done = [card for card in cards if card.result]
    if not done:
        raise DataError(f"{folder} holds no row of a benchmark that is done", "Give the --out of `cryskit benchmark`")
    table = errors(results(done))
    gained = pd.DataFrame(gains(done, folder / PREDICTIONS, base), columns=Gain._fields)
    return BenchmarkCard(
        title=done[0].benchmark,
        command=done[0].command,
        date=max(card.date for card in done),
        versions=done[0].result.versions if done[0].result else {},
        machines=tuple(_machines(done)),
        data={card.row.data: card.data.manifest for card in done},
        split={card.row.data: card.split.hash for card in done},
        failed=len(cards) - len(done),
        errors=tuple(CollectedError(**row) for row in records(table.round(_DIGITS))),
        gains=tuple(Gain(**row) for row in records(gained.round(_DIGITS))),
        ranks=tuple(CollectedRank(**row) for row in records(ranks(table).round(_DIGITS))),
        rows=tuple(line for card in done for line in _lines(card)),
    )


def read_benchmark(path: Path) -> BenchmarkCard:
    """Read the card of a whole benchmark.

    Args:
        path: JSON file that `write_benchmark` wrote.

    Raises:
        DataError: It cannot be read, or is something else.
    """
    try:
        return BenchmarkCard.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is no card of a benchmark ({error})", "Give one that was collected") from error


def write_benchmark(card: BenchmarkCard, path: Path) -> None:
    """Write the card of a whole benchmark, whole or not at all."""
    values = card.model_dump(mode="json")
    write_json({**values, "gains": [gain._asdict() for gain in card.gains]}, path)


def _machines(done: Sequence[RowCard]) -> Iterator[CollectedMachine]:
    """Yield the machines that worked on a benchmark, with their torch and how many rows are theirs."""
    kinds = Counter(
        (card.machine.model_dump_json(), card.result.versions.get("torch", "")) for card in done if card.result
    )
    for (machine, torch), rows in kinds.items():
        yield CollectedMachine(**Machine.model_validate_json(machine).model_dump(), torch=torch, rows=rows)


def _lines(card: RowCard) -> Iterator[CollectedRow]:
    """Yield a line for each property of a row that is done."""
    if card.result is None:
        return
    for prop in card.result.properties:
        yield CollectedRow(
            **card.row.model_dump() | {"property": prop.name},
            hash=card.hash,
            plan=card.result.plan.hash,
            training=card.result.crystals["training"],
            unlabelled=card.result.crystals.get("unlabelled", 0),
            test=card.result.crystals["test"],
            epoch=card.result.epoch,
            epochs=card.result.epochs,
            validation_error=_rounded(prop.validation_error),
            test_error=_rounded(prop.error),
            seconds=card.result.training_seconds,
            memory_mib=card.memory_mib.get("process"),
        )


def _rounded(value: float) -> float | None:
    return round(value, _DIGITS) if np.isfinite(value) else None
