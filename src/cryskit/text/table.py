"""The table of descriptions: written with one row per input, in order, by runs that go on where they were stopped; and read.

Columns: `id`, `text` (null where there is no crystal), its parts `global` and `local`, `hash` (SHA-256 of the text), `fingerprint`
(of the crystal), `version` (of what described), `status` ("described", "short" or "failed") and `reason`. Any Parquet file with
`id` and `text` is read, too.

While a run lasts, what is finished is kept in small files in a folder next to the table, by the content of the crystal. The
next run that is to write the same table takes it from there. When the table is whole, the folder goes.
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

from cryskit import checksum
from cryskit.atomic_write import replacing
from cryskit.data.interchange import ROWS
from cryskit.errors import DataError
from cryskit.text.describe import TIMEOUT, Description, describe_each, failed, processes, version
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryskit.parallel import Pool
    from cryskit.types import Failure

_GROUP = 32  # descriptions that are kept together, and the most that a killed run loses
_TIMEOUT = b"timeout"
_PARTS = ("global", "local")
_NAMES = ("id", "text", *_PARTS, "hash", "fingerprint", "version", "status", "reason")
_SCHEMA = pa.schema([(name, pa.string()) for name in _NAMES])


def write(
    path: Path, rows: Iterable[Crystal | Failure], *, workers: int = 1, timeout: float = TIMEOUT
) -> Mapping[str, int]:
    """Describe crystals and write the table, whole or not at all.

    Args:
        path: The Parquet file to write; the folder of the run is called after it.
        rows: Crystals and failures from a reader, taken as they are needed.
        workers: Number of processes. Scripts that call this have to be guarded by `if __name__ == "__main__"`.
        timeout: Seconds that one crystal may take.

    Returns:
        Number of rows of each status.

    Raises:
        CryskitError: Robocrystallographer is not installed.
    """
    made = version()
    finished = _Finished(path.with_name(f"{path.name}.parts"), made, timeout)
    statuses = Counter({"described": 0, "short": 0, "failed": 0})
    with processes(workers, timeout) as pool, replacing(path) as temporary:
        described = _described(iter(rows), finished, pool, timeout)
        try:
            with pq.ParquetWriter(temporary, _SCHEMA, compression="zstd", write_page_checksum=True) as writer:
                while group := list(islice(described, ROWS)):
                    writer.write_table(_table(group, made))
                    statuses.update(description.status for description in group)
        finally:
            finished.save()
    finished.remove()
    return statuses


class _Finished:
    """What was described so far, by this run and by those before it.

    Of what was written, files that are damaged or hold something else count for nothing. A short description is taken from an earlier run only if that gave a crystal as much time as this one.
    """

    def __init__(self, folder: Path, made: str, timeout: float) -> None:
        self._folder, self._made, self._timeout = folder, made, timeout
        self._new: list[Description] = []
        self._kept: dict[str, Description] = {}
        for file in filter(checksum.holds, sorted(folder.glob("*.parquet"))):
            table, patience = _part(file)
            patient = patience >= timeout
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
        if len(self._new) == _GROUP:
            self.save()

    def save(self) -> None:
        """Write the new descriptions."""
        if self._new:
            table = _table(self._new, self._made).replace_schema_metadata(
                {_TIMEOUT: str(self._timeout), **checksum.METADATA}
            )
            with replacing(self._folder / f"{uuid4().hex}.parquet") as temporary:
                pq.write_table(table, temporary)
                checksum.add(temporary)
            self._new = []

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _part(path: Path) -> tuple[pa.Table, float]:
    """Return the descriptions in a file and the seconds that each was given; none if it holds something else."""
    try:
        table = pq.read_table(path)
        if table.schema.equals(_SCHEMA):
            return table, float((table.schema.metadata or {}).get(_TIMEOUT, b"0"))
    except (pa.ArrowException, OSError, ValueError):
        pass
    return _SCHEMA.empty_table(), 0.0


def _described(
    rows: Iterator[Crystal | Failure], finished: _Finished, pool: Pool, timeout: float
) -> Iterator[Description]:
    ordered: deque[Description | None] = deque()  # None for one that the pool has yet to give

    def unknown() -> Iterator[Crystal]:
        for row in rows:
            known = finished.find(row) if isinstance(row, Crystal) else failed(row)
            ordered.append(known)
            if isinstance(row, Crystal) and known is None:
                yield row

    for description in describe_each(unknown(), pool, timeout):
        while (known := ordered.popleft()) is not None:
            yield known
        finished.add(description)
        yield description
    yield from (known for known in ordered if known is not None)


def _table(descriptions: Sequence[Description], made: str) -> pa.Table:
    rows = [(d.id, d.text, d.overall, d.local, d.hash, d.fingerprint, made, d.status, d.reason) for d in descriptions]
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=_SCHEMA)


def read_texts(path: Path) -> dict[str, str]:
    """Return the description of each crystal by its id: on the whole crystal, and on a second line on the sites.

    Args:
        path: A Parquet file with the columns `id` and either `global` and `local`, or `text` for one that is not divided.

    Raises:
        DataError: It is no such file, or two rows have one id.
    """
    try:
        names = pq.read_schema(path).names
        columns = ["id", *(_PARTS if set(_PARTS) <= set(names) else ("text",))]
        rows = pq.read_table(path, columns=columns, page_checksum_verification=True).to_pylist()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is no table of descriptions ({error})", "Give a Parquet file that `cryskit describe` wrote"
        ) from error
    texts = {row["id"]: "\n".join(row[name] for name in columns[1:] if row[name]) for row in rows}
    if len(texts) < len(rows):
        raise DataError(f"{path} has {len(rows)} rows but {len(texts)} ids", "Give each crystal an id of its own")
    return {name: text for name, text in texts.items() if text}


def with_texts(crystals: Iterable[Crystal], texts: Mapping[str, str]) -> Iterator[Crystal]:
    """Yield the crystals with their descriptions; those of which there is none keep what they have.

    Args:
        crystals: Crystals in order.
        texts: Descriptions by the id of the crystal, from `read_texts`.
    """
    for crystal in crystals:
        yield replace(crystal, text=texts.get(crystal.id, crystal.text))
