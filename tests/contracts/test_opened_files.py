# ruff: noqa: SIM115 - a stack closes what is opened here
"""A file that somebody else has opened (an upload, a member of an archive) is read like one at a path, in every format."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zipfile
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

import pytest
from contracts.written import (
    BINARY,
    CRYSTALS,
    ONE_EACH,
    content,
    formats,
    names,
    of_text,
    plain,
    plain_rows,
    structure,
)

from cryskit.data.files import STRUCTURE_BYTES
from cryskit.data.read import read
from cryskit.data.readers.formats import FORMATS, Format
from cryskit.errors import DataError, SizeError
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Opened:
    """The ways to open a file of some bytes; whatever they open is closed with the stack."""

    def __init__(self, folder: Path, name: str, data: bytes, stack: ExitStack) -> None:
        self.path, self.packed, self.data, self.stack = folder / name, folder / f"{name}.gz", data, stack
        self.path.write_bytes(data)
        self.packed.write_bytes(gzip.compress(data))

    def bytes(self) -> Iterator[tuple[Any, dict[str, str]]]:
        """Yield what `read` is given, and the arguments by name."""
        keep, given = self.stack.enter_context, {"name": self.path.name}
        yield str(self.path), {}
        yield self.packed, {}
        yield keep(self.path.open("rb")), {}
        yield keep(self.path.open("rb", buffering=0)), {}
        yield keep(self.packed.open("rb")), {}
        yield keep(gzip.open(self.packed, "rb")), {}
        yield io.BytesIO(self.data), given
        yield io.BytesIO(self.packed.read_bytes()), {"name": self.packed.name}
        spooled = keep(tempfile.SpooledTemporaryFile())
        spooled.write(self.data)
        spooled.seek(0)
        yield spooled, given
        yield from ((member, {}) for member in self._members_of_zip())
        yield self._member_of_tar(), given

    def _members_of_zip(self) -> Iterator[IO[bytes]]:
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            archive = self.path.with_name(f"{method}.zip")
            with zipfile.ZipFile(archive, "w", method) as file:
                file.write(self.path, f"deep/{self.path.name}")
                file.write(self.packed, f"deep/{self.packed.name}")
            opened = self.stack.enter_context(zipfile.ZipFile(archive))
            yield from (self.stack.enter_context(opened.open(name)) for name in opened.namelist())

    def _member_of_tar(self) -> IO[bytes]:
        archive = self.path.with_name("archive.tar.gz")
        with tarfile.open(archive, "w:gz") as file:
            file.add(self.path, f"deep/{self.path.name}")
        opened = self.stack.enter_context(tarfile.open(archive))
        member = opened.extractfile(f"deep/{self.path.name}")
        assert member
        return member  # its own name is that of the archive

    def text(self) -> Iterator[tuple[Any, dict[str, str]]]:
        keep = self.stack.enter_context
        yield keep(self.path.open(encoding="utf-8")), {}
        yield keep(gzip.open(self.packed, "rt", encoding="utf-8")), {}
        yield io.StringIO(self.data.decode(errors="replace")), {"name": self.path.name}
        other = self.path.with_name("other") / self.path.name
        other.parent.mkdir()
        other.write_text(self.data.decode(errors="replace"), encoding="utf-16")
        yield keep(other.open(encoding="utf-16")), {}


@pytest.fixture
def opened(tmp_path: Path, form: Format) -> Iterator[Opened]:
    with ExitStack() as stack:
        yield Opened(tmp_path, f"mine{form.endings[0]}", content(form), stack)


@formats
def test_a_file_is_read_alike_however_it_was_opened(opened: Opened, form: Format) -> None:
    expected = plain_rows(read(opened.path))
    assert len(expected) == (1 if form.name in ONE_EACH else 4)
    for source, given in opened.bytes():
        assert plain_rows(read(source, **given)) == expected, source
        assert not getattr(source, "closed", False), "it belongs to somebody else"
    for source, given in opened.text():
        if form.name in BINARY:
            with pytest.raises(DataError, match=r"opened as text.*'rb'"):
                read(source, **given)
        else:
            assert plain_rows(read(source, **given)) == expected, source
        assert not getattr(source, "closed", False)


@formats
def test_opened_files_are_items_among_others(opened: Opened) -> None:
    expected = plain_rows(read(opened.path))
    with opened.path.open("rb") as file:
        rows = plain_rows(read([opened.path, file, CRYSTALS[0]]))
    assert rows == [*expected, *expected, plain(CRYSTALS[0])]


@of_text
def test_an_opened_file_is_read_from_where_it_stands(opened: Opened) -> None:
    expected = plain_rows(read(opened.path))
    file = io.BytesIO(b"a header\n" + opened.data)
    file.readline()
    assert plain_rows(read(file, name=opened.path.name)) == expected


@formats
def test_a_file_that_was_closed_is_an_error_that_names_it(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(content(form))
    for mode in ("rb", "r"):
        file = path.open(mode)
        file.close()
        (row,) = read([file])
        assert isinstance(row, Failure)
        assert names(row, str(path))


class Endless(io.RawIOBase):
    """A stream without an end, which notes how much of it was read."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.given += len(buffer)
        buffer[:] = b"#" * len(buffer)
        return len(buffer)


@pytest.mark.parametrize("name", ["a.cif", "POSCAR"])
def test_a_stream_is_refused_as_soon_as_it_is_too_large(name: str) -> None:
    stream = Endless()
    (row,) = read(stream, name=name)
    assert isinstance(row, Failure)
    assert isinstance(row.error, SizeError)
    assert "10 MB" in str(row.error)
    assert stream.given < 1.1 * STRUCTURE_BYTES


@pytest.mark.parametrize("name", ["a.cif.gz", "deep/POSCAR.gz"])
def test_a_small_upload_that_unpacks_to_a_huge_file_is_refused(name: str) -> None:
    packed = io.BytesIO(gzip.compress(b"#" * (STRUCTURE_BYTES + 1)))
    (row,) = read(packed, name=name)
    assert isinstance(row, Failure)
    assert isinstance(row.error, SizeError)
    assert name in str(row.error)


@pytest.mark.parametrize("name", [None, "", "upload", "structure.doc", ".cif"])
def test_an_opened_file_needs_a_name_that_tells_its_format(name: str | None) -> None:
    with pytest.raises(DataError, match=r"no name|no known format"):
        read(io.BytesIO(content(FORMATS[0])), name=name)
    with tempfile.TemporaryFile() as numbered, pytest.raises(DataError, match="has no name"):
        read(numbered)
    (row,) = read([io.BytesIO(content(FORMATS[0]))])
    assert isinstance(row, Failure)
    assert row.id == "0"


def test_a_name_is_for_opened_files_only(tmp_path: Path) -> None:
    for source in (tmp_path, str(tmp_path), CRYSTALS[0], [CRYSTALS[0]], structure(CRYSTALS[0])):
        with pytest.raises(DataError, match="no opened file"):
            read(source, name="a.cif")
