"""A table of ids and numbers joined with the crystals of a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryskit.data.read import read
from cryskit.data.readers.formats import stem
from cryskit.data.targets import IDS, labels, targets
from cryskit.errors import DataError, UnreadableError
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    frame = table if isinstance(table, pd.DataFrame) else _read(Path(table))
    ids = next((column for column in IDS if column in frame.columns), frame.columns[0])
    found = {item.id: item for item in read(structures, limit=limit)}
    records = frame.to_dict("records")
    names = [stem(str(record[ids])) for record in records]
    if not set(names) & set(found):
        raise DataError(
            f"None of the {len(names)} ids of the table ({', '.join(names[:3])}, ...) is that of a crystal in {structures} ({', '.join(list(found)[:3])}, ...)",
            "Name the structure files as the ids in the table, or give another column the name id",
        )
    for name, record in zip(names, records, strict=True):
        item = found.get(
            name,
            Failure(
                name,
                UnreadableError(f"There is no structure called {name} in {structures}", "Add it, or remove the row"),
            ),
        )
        if isinstance(item, Failure):
            yield item
        else:
            others = {str(column): value for column, value in record.items() if column != ids}
            known, words = targets(others), labels(others)
            yield replace(item, targets={**item.targets, **known}, labels={**item.labels, **words})


def _read(path: Path) -> pd.DataFrame:
    """Return the table in a file."""
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, sep=None, engine="python")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table ({error})", "Give a CSV or Parquet file with a column of ids") from error
