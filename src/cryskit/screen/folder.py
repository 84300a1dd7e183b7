"""The folder of a screening: what was asked for, the parts of the table, each with its checksum, and the manifest of all.

    run.json                  what was asked for: sources, models, settings, versions; what is done there must agree with it
    parts/part-000000.parquet rows of the table
    parts/part-000000.json    number of rows by status and SHA-256 of that file; without it the part does not count
    end.json                  number of parts, once the sources were read to their end
    manifest.json             all parts with their ranges of rows, once there are all

Every file is whole or absent, and none is ever changed. So a run that was killed goes on with the parts that are missing, and several
processes may work on one folder at a time.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from cryskit.atomic_write import read_json, remove_partial, write_json
from cryskit.checksum import sha256_of
from cryskit.errors import QUOTED_PATH, DataError, DiskFullError, PlanError, counted, shortened
from cryskit.predict.writers import table_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

RUN, END, MANIFEST, PARTS = "run.json", "end.json", "manifest.json", "parts"
STATUSES = ("ok", "warned", "failed")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CURE = "Screen into another folder"
_CALLED = {"sources": "SRC", "models": "--model", "properties": "--property", "structures": "--structures"}
"""Facts of what is asked for to what they are called on the command line."""
_CHANGED = {
    "sources": "{name} holds something else than then",
    "models": "{name} is another model than then",
    "structures": "{name} holds something else than then",
    "version of": "{name} was {was} and is {now}",
}
"""Facts that hold one for each of several names to how it is said that one differs."""


class Part(NamedTuple):
    """A part of the table that is on disk, whole.

    Attributes:
        number: Number of the part.
        path: The Parquet file.
        rows: Number of its rows.
        counts: Status to the number of rows.
        sha256: SHA-256 of the file.
        bytes: Size of the file.
    """

    number: int
    path: Path
    rows: int
    counts: dict[str, int]
    sha256: str
    bytes: int


class Folder:
    """The folder of a screening.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def asked(self) -> dict[str, Any]:
        """What was asked for.

        Raises:
            DataError: Nothing was screened into this folder.
        """
        if not (self.path / RUN).is_file():
            raise DataError(f"{self.path} is no folder of a screening", "Give the --out of `cryskit screen`")
        found: dict[str, Any] = read_json(self.path / RUN, _CURE)
        return found

    @cached_property
    def key(self) -> str:
        """Hash of what was asked for."""
        return hashlib.sha256(json.dumps(self.asked, sort_keys=True).encode()).hexdigest()

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Take the folder for a screening, or go on with the same one.

        Args:
            asked: What is asked for, as JSON can hold it.

        Raises:
            DataError: There are other files in the folder.
            DiskFullError: The disk is full.
            PlanError: Something else was screened into this folder.
        """
        with _room_needed(self.path):
            (self.path / PARTS).mkdir(parents=True, exist_ok=True)
            remove_partial(self.path)
            remove_partial(self.path / PARTS)
            if not (self.path / RUN).exists():
                strange = sorted(each.name for each in self.path.iterdir() if not _is_ours(each.name))
                if strange:
                    raise DataError(f"{self.path} holds other files: {', '.join(strange[:3])}", "Give an empty folder")
                self._claim(asked)
        differing = list(_differences(self.asked, json.loads(json.dumps(asked))))
        if differing:
            raise PlanError(
                f"Something else was screened into {self.path}: {'; '.join(differing)}",
                "Give the same arguments to go on, or another folder",
            )

    def _claim(self, asked: Mapping[str, Any]) -> None:
        """Write what is asked for, unless another process has done so just now."""
        temporary = self.path / f".{RUN}.{uuid4().hex}"
        temporary.write_text(json.dumps(asked, indent=1), encoding="utf-8")
        try:
            with suppress(FileExistsError):
                os.link(temporary, self.path / RUN)
        except OSError:  # a file system without links
            temporary.replace(self.path / RUN)
        finally:
            temporary.unlink(missing_ok=True)

    def part(self, number: int) -> Part | None:
        """Return a part if it is whole: there, of this run, and as it was written.

        Args:
            number: Number of the part.
        """
        found = self.noted(number)
        if found is None or _digest(found.path) != found.sha256:
            return None
        return found

    def noted(self, number: int) -> Part | None:
        """Return a part as its note describes it, None if there is no note of this run; the file is not read.

        Args:
            number: Number of the part.
        """
        path = self.path / PARTS / f"part-{number:06}.parquet"
        try:
            noted = json.loads(path.with_suffix(".json").read_bytes())
            part = Part(number, path, noted["rows"], noted["counts"], noted["sha256"], noted["bytes"])
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return part if noted.get("run") == self.key and isinstance(part.counts, dict) else None

    @contextmanager
    def write(
        self, number: int, schema: pa.Schema, facts: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Give a function that writes a row of a part; the part counts when the block ends without an error.

        Args:
            number: Number of the part.
            schema: Columns of the table.
            facts: Values that hold for the whole table.

        Raises:
            DiskFullError: The disk is full.
        """
        path, counts = self.path / PARTS / f"part-{number:06}.parquet", Counter[str]()
        with _room_needed(self.path):
            with table_writer(path, schema, facts) as write_row:

                def write(row: Mapping[str, Any]) -> None:
                    counts[row["status"]] += 1
                    write_row(row)

                yield write
            noted = {name: counts[name] for name in STATUSES}
            note = {"part": number, "rows": counts.total(), "counts": noted, "bytes": path.stat().st_size}
            write_json({**note, "sha256": _digest(path), "run": self.key}, path.with_suffix(".json"))

    @property
    def count(self) -> int | None:
        """Number of parts, None if the sources were not read to their end yet."""
        with suppress(DataError, LookupError, TypeError):
            found = read_json(self.path / END, _CURE)
            return int(found["parts"]) if found["run"] == self.key else None
        return None

    def end(self, count: int) -> None:
        """Note that the sources have been read to their end.

        Args:
            count: Number of parts.
        """
        if self.count != count:
            with _room_needed(self.path):
                write_json({"parts": count, "run": self.key}, self.path / END)

    def parts(self) -> list[Part]:
        """Return the parts that are noted, in order, as far as the sources are known."""
        numbers = range(self.count) if self.count is not None else self._numbers()
        return [part for number in numbers if (part := self.noted(number)) is not None]

    def _numbers(self) -> list[int]:
        stems = (path.stem.removeprefix("part-") for path in (self.path / PARTS).glob("part-*.json"))
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def whole(self) -> list[Part]:
        """Return all parts, once they are all there and as they were written.

        Raises:
            DataError: Some are missing or damaged.
        """
        count = self.count
        found = {number: self.part(number) for number in range(count or 0)}
        missing = [number for number, part in found.items() if part is None]
        if count is None or missing:
            what = "the sources were not read to their end" if count is None else _named(missing)
            raise DataError(f"The screening in {self.path} is not complete: {what}", "Give its command again to go on")
        return [part for part in found.values() if part is not None]

    def write_manifest(self) -> None:
        """Write the manifest if all parts are there."""
        parts = self.parts()
        if self.count is None or len(parts) < self.count:
            return
        start, listed = 0, []
        for part in parts:
            listed.append({"file": part.path.name, "rows": [start, start + part.rows], "sha256": part.sha256})
            start += part.rows
        value = {"run": self.key, "rows": start, "parts": listed}
        with _room_needed(self.path):
            if not (self.path / MANIFEST).exists() or read_json(self.path / MANIFEST, _CURE) != value:
                write_json(value, self.path / MANIFEST)


def _is_ours(name: str) -> bool:
    return name == PARTS or name.startswith(f".{RUN}.") or name.endswith((".log", ".out", ".err"))


def _named(missing: list[int]) -> str:
    shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return f"{counted(len(missing), 'part')} missing or damaged ({shown})"


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, "" if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words what differs: the argument, what it was and what it is."""
    for fact in dict.fromkeys([*before, *now]):
        was, given, called = before.get(fact), now.get(fact), _CALLED.get(fact, fact)
        if isinstance(was, dict) and isinstance(given, dict) and list(was) == list(given):
            for name in (name for name in was if was[name] != given[name]):
                yield _CHANGED[fact].format(name=name, was=was[name], now=given[name])
        elif was != given or isinstance(was, dict):
            yield f"{called} was {_shown(was)} and is {_shown(given)}"


def _shown(value: Any) -> str:
    if value is None or value is False or value == {}:
        return "not given"
    text = "given" if value is True else ", ".join(value) if isinstance(value, dict | list) else str(value)
    return shortened(text, QUOTED_PATH)


@contextmanager
def _room_needed(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk into one of ours."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"There is no room left for {folder} ({error.strerror or error})",
            "Make room and give the same command again: the parts that are whole are kept",
        ) from error
