"""Descriptions of crystals from a table, by id: what `cryskit describe` writes, or any Parquet file with `id` and `text`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cryskit.types import Crystal

_PARTS = ("global", "local")


def read_texts(path: Path) -> dict[str, str]:
    """Return the description of each crystal by its id: what is said of the whole, and on a second line of the sites.

    Args:
        path: A Parquet file with the columns `id` and either `global` and `local`, or `text` for one that is not divided.

    Raises:
        DataError: It is no such file, or two rows have one id.
    """
    try:
        names = pq.read_schema(path).names
        columns = ["id", *(_PARTS if set(_PARTS) <= set(names) else ("text",))]
        rows = pq.read_table(path, columns=columns).to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(
            f"{path} is no table of descriptions ({error})", "Give a Parquet file that `cryskit describe` wrote"
        ) from error
    texts = {row["id"]: "\n".join(row[name] for name in columns[1:] if row[name]) for row in rows}
    if len(texts) < len(rows):
        raise DataError(f"{path} has {len(rows)} rows but {len(texts)} ids", "Give each crystal an id of its own")
    return {name: text for name, text in texts.items() if text}


def with_texts(crystals: Iterable[Crystal], texts: dict[str, str]) -> Iterator[Crystal]:
    """Yield the crystals with their descriptions; those of which there is none keep what they have.

    Args:
        crystals: In order.
        texts: From `read_texts`.
    """
    for crystal in crystals:
        yield replace(crystal, text=texts.get(crystal.id, crystal.text))
