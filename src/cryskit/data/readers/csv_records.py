"""The records of a CSV file as bytes, one at a time, so that one that is damaged cannot take others with it.

A record is a line, or several of them where a value in quotes goes on over the end of a line. Within quotes two quotes stand for one.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONGEST = 50_000_000
"""Largest number of bytes of a record."""

_LINE_END = re.compile(rb"\r(?!\n)")  # within a line: that of old files
_QUOTED = re.compile(rb'(?:[^"]|"")*+"(?!")')


class Record(NamedTuple):
    """One record.

    Attributes:
        text: Its bytes, the end of the line included; empty if it is too long.
        values: Number of its values.
        line: Number of its first line in the file, from 1.
        problem: What keeps it from being read; "" if nothing.
    """

    text: bytes
    values: int
    line: int
    problem: str = ""


def records(file: IO[bytes], separator: str) -> Iterator[Record]:
    """Yield the records of a file, without empty lines.

    A record that ends with the file inside quotes has a problem. A record of several lines has lost a quote in its first line if it
    has a problem or another number of values than the first record of the file, and all its other lines are whole records
    of that number of values: then these are records of their own.

    Args:
        file: The file, from its beginning.
        separator: What separates values.
    """
    columns = 0
    for record in _joined(_lines(file), separator.encode()):
        columns = columns or record.values
        yield from (
            _parted(record, columns, separator.encode()) if record.values != columns or record.problem else (record,)
        )


def _parted(record: Record, columns: int, separator: bytes) -> Sequence[Record]:
    """Return the records of a record that is none, because a quote is missing in its first line; else the record."""
    lines = record.text.splitlines(keepends=True)
    behind = list(_joined(enumerate(lines[1:], record.line + 1), separator))
    if columns < 2 or not behind or any(each.values != columns or each.problem for each in behind):
        return (record,)
    return (Record(lines[0], record.values, record.line, record.problem or "a quote is missing in it"), *behind)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers; of a line that is too long, pieces of one number."""
    number, whole = 0, True
    while line := file.readline(LONGEST):
        number += whole
        whole = line.endswith(b"\n")
        start = 0
        for found in _LINE_END.finditer(line) if b"\r" in line[:-2] else ():
            yield number, line[start : found.end()]
            start = found.end()
        yield number, line[start:]


def _joined(lines: Iterable[tuple[int, bytes]], separator: bytes) -> Iterator[Record]:
    """Yield records of numbered lines."""
    blank = b" \t\r\n".replace(separator, b"")
    parts: list[bytes] = []
    first, size, values, quoted = 0, 0, 0, False
    for number, line in lines:
        if not parts and not size:
            if not line.strip(blank):
                continue
            first, values = number, 1
        size += len(line)
        parts.append(line)
        if size > LONGEST:
            parts.clear()
        more, quoted = _scanned(line, separator, quoted=quoted)
        values += more
        if not quoted and line.endswith((b"\n", b"\r")):
            yield _record(parts, values, first, "")
            parts, size = [], 0
    if size:
        problem = "the file ends within quotes that begin in it" if quoted else ""
        yield _record(parts, values, first, problem)


def _record(parts: list[bytes], values: int, line: int, problem: str) -> Record:
    text = b"".join(parts)
    return Record(text, values, line, problem if text else f"it has more than {LONGEST:,} bytes")


def _scanned(line: bytes, separator: bytes, *, quoted: bool) -> tuple[int, bool]:
    """Return how many separators a line has outside quotes, and whether it ends within quotes.

    Args:
        line: The line.
        separator: What separates values.
        quoted: Whether it begins within quotes.
    """
    if b'"' not in line:
        return (0, True) if quoted else (line.count(separator), False)
    count, place = 0, 0
    while True:
        if quoted:
            end = _QUOTED.match(line, place)
            if end is None:
                return count, True
            place, quoted = end.end(), False
        elif line.startswith(b'"', place):
            place, quoted = place + 1, True
            continue
        following = line.find(separator, place)
        if following < 0:
            return count, False
        count, place = count + 1, following + len(separator)
