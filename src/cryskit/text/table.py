"""Descriptions on disk: one row per input, in order, and a run that goes on where it was stopped.

Columns: `id`, `text` (null where there is no crystal), its parts `global` and `local`, `hash` (SHA-256 of the text), `fingerprint`
(of the crystal), `version` (of what described), `status` ("described", "short" or "failed") and `reason`.

While a run lasts, what is finished lies in small files in a folder beside the table, by the content of the crystal. The next
run that is to write the same table takes it from there. When the table is whole, the folder goes.
"""

from __future__ import annotations

import shutil
from collections import Counter, deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from cryskit.atomic_write import replacing
from cryskit.data.interchange import ROWS
from cryskit.text.describe import TIMEOUT, Description, failed, version
from cryskit.text.pool import Pool
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryskit.types import Failure

_PART = 32  # descriptions that are kept together, and the most that a killed run loses
_TIMEOUT = b"timeout"
_NAMES = ("id", "text", "global", "local", "hash", "fingerprint", "version", "status", "reason")
_SCHEMA = pa.schema([(name, pa.string()) for name in _NAMES])


def write(
    path: Path, rows: Iterable[Crystal | Failure], *, workers: int = 1, timeout: float = TIMEOUT
) -> Mapping[str, int]:
    """Describe crystals and write the table, whole or not at all.

    Args:
        path: The Parquet file; the folder is called after it.
        rows: From a reader; taken as they are needed.
        workers: Processes that describe. Scripts that call this have to be guarded by `if __name__ == "__main__"`.
        timeout: Seconds that one crystal may take.

    Returns:
        How many rows have each status.

    Raises:
        CryskitError: Robocrystallographer is not installed.
    """
    made = version()
    parts = _Parts(path.with_name(f"{path.name}.parts"), made, timeout)
    statuses = Counter({"described": 0, "short": 0, "failed": 0})
    with Pool(workers, timeout) as pool, replacing(path) as temporary:
        described = _described(iter(rows), parts, pool)
        try:
            with pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
                while group := list(islice(described, ROWS)):
                    writer.write_table(_table(group, made))
                    statuses.update(description.status for description in group)
        finally:
            parts.save()
    parts.remove()
    return statuses


class _Parts:
    """What was described so far, by this run and by those before it.

    A short description is taken from an earlier run only if that gave a crystal as much time as this one.
    """

    def __init__(self, folder: Path, made: str, timeout: float) -> None:
        self._folder, self._made, self._timeout = folder, made, timeout
        self._new: list[Description] = []
        self._kept: dict[str, Description] = {}
        for file in sorted(folder.glob("*.parquet")):
            table = pq.read_table(file)
            patient = float((table.schema.metadata or {}).get(_TIMEOUT, b"0")) >= timeout
            for row in table.to_pylist():
                if row["version"] == made and (patient or row["status"] == "described"):
                    self._kept[row["fingerprint"]] = Description(
                        row["id"], row["fingerprint"], row["global"], row["local"], row["status"], row["reason"]
                    )

    def find(self, crystal: Crystal) -> Description | None:
        """Return the description of a crystal of this content."""
        found = self._kept.get(crystal.fingerprint)
        return found and replace(found, id=crystal.id)

    def add(self, description: Description) -> None:
        """Keep a new description; it is on disk when there are enough of them, or on `save`."""
        self._new.append(description)
        if len(self._new) == _PART:
            self.save()

    def save(self) -> None:
        """Write the new descriptions."""
        if self._new:
            table = _table(self._new, self._made).replace_schema_metadata({_TIMEOUT: str(self._timeout)})
            with replacing(self._folder / f"{uuid4().hex}.parquet") as temporary:
                pq.write_table(table, temporary)
            self._new = []

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _described(rows: Iterator[Crystal | Failure], parts: _Parts, pool: Pool) -> Iterator[Description]:
    ordered: deque[Description | None] = deque()  # None for one that the pool has yet to give

    def unknown() -> Iterator[Crystal]:
        for row in rows:
            known = parts.find(row) if isinstance(row, Crystal) else failed(row)
            ordered.append(known)
            if isinstance(row, Crystal) and known is None:
                yield row

    for description in pool.describe(unknown()):
        while (known := ordered.popleft()) is not None:
            yield known
        parts.add(description)
        yield description
    yield from (known for known in ordered if known is not None)


def _table(descriptions: Sequence[Description], made: str) -> pa.Table:
    rows = [(d.id, d.text, d.overall, d.local, d.hash, d.fingerprint, made, d.status, d.reason) for d in descriptions]
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=_SCHEMA)
