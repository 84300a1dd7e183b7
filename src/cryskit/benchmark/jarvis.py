"""The protocol of the JARVIS-Leaderboard (doi 10.1038/s41524-024-01259-w): its splits by id, and its contributions.

A benchmark is a JSON file, zipped or not, {"train": {id: label}, "val": {...}, "test": {...}}; "val" may be absent. A
contribution is a zipped CSV with the columns id and prediction, and a metadata.json.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.atomic_write import replacing, write_json
from cryskit.data.interchange import manifest
from cryskit.data.splits import Split
from cryskit.data.spreadsheet import guard
from cryskit.errors import DataError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.types import Failure

_LARGEST = 1_000_000_000  # bytes of unpacked labels
_BROKEN = (
    AttributeError,
    EOFError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_PARTS = ("train", "val", "test")
_ASKED = ("model_name", "team_name", "author_email", "project_url", "git_url", "hardware_used")


def read_labels(path: Path | str) -> dict[str, dict[str, float]]:
    """Return the labels of each part by id.

    Raises:
        DataError: It is no such file.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                member = next(each for each in archive.infolist() if each.filename.endswith(".json"))
                if member.file_size > _LARGEST:
                    raise ValueError(f"it unpacks to {member.file_size:,} bytes")
                text = archive.read(member)
        else:
            text = Path(path).read_bytes()
        found = json.loads(text)
        parts = {part: {str(k): float(v) for k, v in found.get(part, {}).items()} for part in _PARTS}
    except _BROKEN as error:
        raise DataError(
            f"{path} is no benchmark of the leaderboard ({error})", "Give its .json or .json.zip"
        ) from error
    if not parts["train"] or not parts["test"]:
        raise DataError(f"{path} has no train or no test part", "Give the .json or .json.zip of a benchmark")
    return parts


def divide(
    rows: Sequence[Crystal | Failure], labels: Mapping[str, Mapping[str, float]], prop: str, share: float, name: str
) -> tuple[list[Crystal], Split]:
    """Return the crystals of a benchmark with its labels, and its split.

    Args:
        rows: Rows of the data set; crystals that the benchmark does not name are left out.
        labels: Part to id to label, from `read_labels`.
        prop: Property of the labels.
        share: Share of the training crystals that choose the epoch, where the benchmark names none.
        name: Name of the benchmark.

    Raises:
        DataError: The data lacks test crystals of the benchmark.
    """
    missing = sorted(set(labels["test"]) - {row.id for row in rows})
    if missing:
        raise DataError(
            f"{len(missing)} of {len(labels['test'])} test crystals are not in the data, the first {missing[0]}",
            "Give the data set that the ids are of",
        )
    known = {i: value for part in labels.values() for i, value in part.items()}
    crystals = [replace(r, targets={prop: known[r.id]}) for r in rows if isinstance(r, Crystal) and r.id in known]
    usable = {crystal.id for crystal in crystals}
    train, validation, test = ([i for i in labels[part] if i in usable] for part in _PARTS)
    if not validation:
        order = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
        cut = round(share * len(order))
        train, validation = order[cut:], order[:cut]
    split = Split(name, "random", 0, tuple(train), tuple(validation), tuple(test), manifest(crystals))
    return crystals, split


def write_contribution(
    folder: Path, task: str, predicted: Mapping[str, float], about: Mapping[str, str], seconds: float
) -> None:
    """Write the files of a contribution.

    An id that a spreadsheet would run gets an apostrophe in front (`data.spreadsheet`), and one with a comma, a quote or a line end
    quotes around it. The ids of the leaderboard are neither and stay as they are.

    Args:
        folder: Folder of the contribution.
        task: The leaderboard's name of the benchmark, and so of the file.
        predicted: Id of each test crystal to its prediction.
        about: Model, team, e-mail address and so on; what is missing is left empty.
        seconds: Seconds that training and prediction took.
    """
    table = io.StringIO(newline="")
    rows = ((guard(name), repr(value)) for name, value in predicted.items())
    csv.writer(table, lineterminator="\r\n").writerows([("id", "prediction"), *rows])  # puts "\r" into quotes, too
    with (
        replacing(folder / f"{task}.csv.zip") as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(f"{task}.csv", table.getvalue())
    facts: dict[str, Any] = {
        **dict.fromkeys(_ASKED, ""),
        "software_used": "cryskit",
        "date_submitted": datetime.now(UTC).strftime("%m-%d-%Y"),
        "database_version": "",
        "time_taken_seconds": round(seconds),
        **about,
    }
    write_json(facts, folder / "metadata.json")
