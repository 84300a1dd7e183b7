"""What every format of files promises; a new row of FORMATS is tested before its author writes a test."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from contracts.written import (
    CRYSTALS,
    NO_IDS,
    OUTPUTS,
    TABLES,
    WRITERS,
    content,
    formats,
    names,
    of_many,
    of_text,
)
from data.samples import same

from cryskit.data.read import read, read_one
from cryskit.data.readers.folder import rows_of
from cryskit.data.readers.formats import DETAILS, FORMATS, NAMES, Format, format_of, stem
from cryskit.errors import CoordinatesError, SizeError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_format_is_tried_here() -> None:
    assert WRITERS.keys() | OUTPUTS == {form.name for form in FORMATS}, (
        "write how crystals are written in the new format"
    )


def test_the_table_has_no_ambiguous_rows_and_is_what_texts_say() -> None:
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(endings) == len(set(endings))
    for form in FORMATS:
        assert form.name in NAMES
        assert all(ending in DETAILS for ending in form.endings)
        assert all(format_of(f"mp-1.5{end}{gz}") is form for end in form.endings for gz in ("", ".gz", ".GZ"))
        assert all(stem(f"mp-1.5{ending.upper()}.gz") == "mp-1.5" for ending in form.endings)
        assert all(format_of(pattern.lower().replace("*", "x")) is form for pattern in form.patterns)


@formats
@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.id)
def test_one_crystal_is_the_same_in_every_format(tmp_path: Path, form: Format, crystal: Crystal) -> None:
    for ending in form.endings:
        path = tmp_path / f"mine{ending}"
        path.write_bytes(WRITERS[form.name]([crystal]))
        (row,) = read(path)
        assert same(row, crystal, 1e-6)
        assert row.id == ("mine:0" if form.name in TABLES else "mine")
        assert rows_of(path) in {1, None}


@of_many
def test_a_bad_row_is_a_failure_in_its_place_and_the_others_survive(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(content(form))
    first, bad, *rest = read(path)
    assert same(first, CRYSTALS[0])
    assert isinstance(bad, Failure)
    assert isinstance(bad.error, CoordinatesError)
    assert str(path) in str(bad.error)
    assert all(same(row, crystal) for row, crystal in zip(rest, CRYSTALS[1:], strict=True))
    assert [row.id for row in (first, bad, *rest)] == [f"mine:{i}" for i in range(4)]


@of_many
def test_rows_are_called_by_their_id_column_and_else_by_file_and_place(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"mine.1{form.endings[0]}"
    path.write_bytes(WRITERS[form.name](CRYSTALS, labelled=True))
    placed = [f"mine.1:{i}" for i in range(3)]
    assert [row.id for row in read(path)] == (placed if form.name in NO_IDS else [c.id for c in CRYSTALS])


@formats
def test_the_limit_of_atoms_holds(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(WRITERS[form.name](CRYSTALS[2:]))
    assert len(read_one(path, limit=6)) == 6
    with pytest.raises(SizeError, match="limit is 5"):
        read_one(path, limit=5)
    with path.open("rb") as file, pytest.raises(SizeError, match="limit is 5"):
        read_one(file, limit=5)


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "blank": lambda _: b" \n\n",
    "binary": lambda _: bytes(range(256)) * 40,
    "an image": lambda _: b"\x89PNG\r\n\x1a\n\0\0",
    "cut": lambda data: data[: len(data) // 3],
}


@formats
@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, form: Format, broken: str) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(BROKEN[broken](WRITERS[form.name](CRYSTALS[2:])))
    with path.open("rb") as file:
        for rows in (list(read([path])), list(read([file]))):
            assert rows
            assert all(isinstance(row, Failure) and names(row, str(path)) for row in rows)


@of_text
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_text_in_another_encoding_is_read_or_an_error_that_names_it(
    tmp_path: Path, form: Format, encoding: str
) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(WRITERS[form.name](CRYSTALS[2:]).decode().encode(encoding))
    rows = list(read([path]))
    assert rows
    assert all(names(row, str(path)) if isinstance(row, Failure) else same(row, CRYSTALS[2]) for row in rows)


@formats
def test_a_text_opened_in_the_wrong_encoding_is_an_error_that_names_it(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes("é".encode() + WRITERS[form.name](CRYSTALS[2:]))
    with path.open(encoding="ascii") as file:
        (row,) = read([file])
        assert isinstance(row, Failure)
        assert names(row, str(path))


@formats
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"no archive"], ids=["cut", "none"])
def test_a_damaged_archive_is_an_error_that_names_it(
    tmp_path: Path, form: Format, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"mine{form.endings[0]}.gz"
    path.write_bytes(damage(gzip.compress(WRITERS[form.name](CRYSTALS[2:]))))
    with path.open("rb") as file:
        for source in (path, file):
            *whole, last = read([source])
            assert not whole
            assert isinstance(last, Failure)
            assert names(last, str(path))


@formats
def test_a_damaged_member_of_an_archive_is_an_error_that_names_it(tmp_path: Path, form: Format) -> None:
    name = f"mine{form.endings[0]}"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, WRITERS[form.name](CRYSTALS[2:]))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[len(name) + 40] ^= 1  # within the content, whose checksum stands in the archive
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(name) as member:
        *_, last = read([member])
        assert isinstance(last, Failure)
        assert names(last, name)
