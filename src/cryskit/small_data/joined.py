"""A table of ids and numbers joined with the crystals of a folder."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from cryskit.data.read import read
from cryskit.data.readers.formats import stem
from cryskit.data.readers.numbers import is_number, to_float
from cryskit.data.spreadsheet import unguard
from cryskit.data.targets import IDS, labels, targets
from cryskit.errors import DataError, UnreadableError, shortened
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryskit.types import Crystal


def with_structures(table: Any, structures: Path | str, limit: int) -> Iterator[Crystal | Failure]:
    """Yield a crystal for each row of a table, with the numbers and words of the row as its labels.

    Args:
        table: Data frame, or path of a CSV or Parquet file; its ids are in a column that is called so, else in the first.
        structures: Folder or file of the crystals. A row is that of the crystal or file of its id.
        limit: Atoms that a cell may have.

    Raises:
        DataError: The table cannot be read, or none of its ids is that of a crystal.
    """
    frame, ids = (table, _id_column(table)) if isinstance(table, pd.DataFrame) else _read(Path(table))
    if not len(frame.columns) or not len(frame):
        raise DataError(f"{shortened(table)} has no rows", "Give a table with a column of ids and one of numbers")
    found, where = _by_id(read(structures, limit=limit)), shortened(structures)
    records = frame.to_dict("records")
    names = [stem(str(record[ids])) for record in records]
    if not set(names) & set(found):
        raise DataError(
            f"None of the {len(names)} ids of the table ({', '.join(names[:3])}, ...) is that of a crystal in {where} ({', '.join(list(found)[:3])}, ...)",
            "Name the structure files as the ids in the table, or give another column the name id",
        )
    for name, record in zip(names, records, strict=True):
        item = found.get(name) or _failure(name, f"There is no structure called {name} in {where}")
        if isinstance(item, Failure):
            yield item
        else:
            others = {str(column): value for column, value in record.items() if column != ids}
            known, words = targets(others), labels(others)
            yield replace(item, targets={**item.targets, **known}, labels={**item.labels, **words})


def _by_id(items: Iterable[Crystal | Failure]) -> dict[str, Crystal | Failure]:
    """Return crystals by id; of several different ones with one id, none."""
    found: dict[str, Crystal | Failure] = {}
    for item in items:
        before = found.setdefault(item.id, item)
        if before is not item and not _same(before, item):
            found[item.id] = _failure(item.id, f"Several structures are called {item.id}")
    return found


def _same(one: Crystal | Failure, other: Crystal | Failure) -> bool:
    return not isinstance(one, Failure) and not isinstance(other, Failure) and one.fingerprint == other.fingerprint


def _failure(name: str, problem: str) -> Failure:
    return Failure(name, UnreadableError(problem, "Give each structure an id of its own, or remove the row"))


def _id_column(frame: pd.DataFrame) -> Any:
    """Return the column of ids, None of a table without columns."""
    return next((column for column in IDS if column in frame.columns), next(iter(frame.columns), None))


def _read(path: Path) -> tuple[pd.DataFrame, Any]:
    """Return the table in a file and its column of ids, which are texts as they stand there; of CSV each other cell is a number or none for itself."""
    cure = "Give a CSV or Parquet file with a column of ids"
    if path.is_dir():
        raise DataError(f"{path} is a folder, and a table is wanted", cure)
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            return frame, _id_column(frame)
        texts = pd.read_csv(path, sep=None, engine="python", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise DataError(f"{path} is no table ({error})", cure) from error
    ids = _id_column(texts)
    cells = {name: [*map(unguard if name == ids else _cell, column)] for name, column in texts.items()}
    return pd.DataFrame(cells, dtype=object), ids


def _cell(text: object) -> Any:
    """Return the number that a cell of a CSV file is, else its text."""
    word = str(text).strip()
    return to_float(word) if is_number(word) else word
