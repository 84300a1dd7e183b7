# ruff: noqa: SIM115 - a stack closes what is opened here
"""What every format of files promises; a new row of FORMATS is tested before its author writes a test."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from data.samples import p1, same
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Poscar

from cryskit.data.files import STRUCTURE_BYTES
from cryskit.data.read import read, read_one
from cryskit.data.readers.folder import rows_of
from cryskit.data.readers.formats import DETAILS, FORMATS, NAMES, Format, format_of, stem
from cryskit.errors import CoordinatesError, DataError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = [read_one(EXAMPLES / f"{name}.cif") for name in ("CsCl", "GaN", "TiO2-rutile")]
BAD = Crystal("bad", 4.0 * np.eye(3), np.zeros((2, 3)), np.array([26, 26]))  # two atoms on one place


def structure(crystal: Crystal) -> Structure:
    return Structure(crystal.lattice, crystal.numbers, crystal.fractional)


def cifs(crystals: Sequence[Crystal]) -> bytes:
    def one(crystal: Crystal) -> str:
        cell = [f"{x:.12f}" for x in structure(crystal).lattice.parameters]
        places = zip(structure(crystal).species, crystal.fractional, strict=True)
        sites = (f"{s}{i} {s} {' '.join(f'{x:.12f}' for x in xyz)} 1" for i, (s, xyz) in enumerate(places))
        return p1(*sites, cell=cell)

    return "".join(map(one, crystals)).encode()


def poscar(crystals: Sequence[Crystal]) -> bytes:
    (crystal,) = crystals
    return Poscar(structure(crystal)).get_str(significant_figures=16).encode()


def xyz(crystals: Sequence[Crystal]) -> bytes:
    written = io.StringIO()
    for c in crystals:
        atoms = Atoms(c.numbers, cell=c.lattice, scaled_positions=c.fractional, pbc=True)
        ase.io.write(written, atoms, format="extxyz")
    return written.getvalue().encode()


def dictionaries(crystals: Sequence[Crystal]) -> bytes:
    found = [structure(crystal).as_dict() for crystal in crystals]
    return json.dumps(found if len(found) > 1 else found[0]).encode()


def lines(crystals: Sequence[Crystal]) -> bytes:
    return "".join(f"{structure(crystal).to_json()}\n" for crystal in crystals).encode()


def frame(crystals: Sequence[Crystal]) -> pd.DataFrame:
    return pd.DataFrame({"structure": [structure(crystal).to_json() for crystal in crystals]})


def csv(crystals: Sequence[Crystal]) -> bytes:
    return frame(crystals).to_csv(index=False).encode()


def parquet(crystals: Sequence[Crystal]) -> bytes:
    written = io.BytesIO()
    frame(crystals).to_parquet(written)
    return written.getvalue()


WRITERS: dict[str, Callable[[Sequence[Crystal]], bytes]] = {
    "CIF": cifs,
    "POSCAR": poscar,
    "XYZ": xyz,
    "JSON": dictionaries,
    "JSON lines": lines,
    "CSV": csv,
    "Parquet": parquet,
}
"""How crystals are written in each format, without ids."""
ONE_EACH = {"POSCAR"}
"""Formats whose files hold one crystal."""
TABLES = {"JSON lines", "CSV", "Parquet"}
"""Formats in which a single row is counted, too."""
BINARY = {"Parquet"}
"""Formats that are no text."""

formats = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
of_many = pytest.mark.parametrize(
    "form", [form for form in FORMATS if form.name not in ONE_EACH], ids=lambda form: form.name
)


def content(form: Format) -> bytes:
    """Return a file of good and bad rows, or of one good one."""
    return WRITERS[form.name](CRYSTALS[:1] if form.name in ONE_EACH else [CRYSTALS[0], BAD, *CRYSTALS[1:]])


def plain(row: Crystal | Failure) -> list[Any]:
    """Return all that a row says, the place it came from aside."""
    if isinstance(row, Failure):
        return [row.id, type(row.error), row.error.problem, row.error.cure]
    return [row.id, row.lattice.tolist(), row.fractional.tolist(), row.numbers.tolist(), row.text, dict(row.targets)]


def plain_rows(rows: Iterator[Crystal | Failure]) -> list[list[Any]]:
    return [plain(row) for row in rows]


def test_every_format_is_tried_here() -> None:
    assert WRITERS.keys() == {form.name for form in FORMATS}, "write how crystals are written in the new format"


def test_the_table_has_no_ambiguous_rows_and_is_what_texts_say() -> None:
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(endings) == len(set(endings))
    for form in FORMATS:
        assert form.name in str(read.__doc__)
        assert form.name in NAMES
        assert all(ending in DETAILS for ending in form.endings)
        assert all(format_of(f"mp-1.5{end}{gz}") is form for end in form.endings for gz in ("", ".gz", ".GZ"))
        assert all(stem(f"mp-1.5{ending.upper()}.gz") == "mp-1.5" for ending in form.endings)
        assert all(format_of(f"{beginning.lower()}.1") is form for beginning in form.beginnings)


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


@formats
def test_the_limit_of_atoms_holds(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(WRITERS[form.name](CRYSTALS[2:]))
    assert len(read_one(path, limit=6)) == 6
    with pytest.raises(SizeError, match="limit is 5"):
        read_one(path, limit=5)
    with path.open("rb") as file, pytest.raises(SizeError, match="limit is 5"):
        read_one(file, limit=5)


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


@pytest.mark.parametrize("form", [form for form in FORMATS if form.name not in BINARY], ids=lambda form: form.name)
def test_an_opened_file_is_read_from_where_it_stands(opened: Opened) -> None:
    expected = plain_rows(read(opened.path))
    file = io.BytesIO(b"a header\n" + opened.data)
    file.readline()
    assert plain_rows(read(file, name=opened.path.name)) == expected


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "blank": lambda _: b" \n\n",
    "binary": lambda _: bytes(range(256)) * 40,
    "an image": lambda _: b"\x89PNG\r\n\x1a\n\0\0",
    "cut": lambda data: data[: len(data) // 3],
}


def names(row: Failure, name: str) -> bool:
    """Return whether a failure is of a file that cannot be read, and says which."""
    return isinstance(row.error, UnreadableError) and name in str(row.error) and bool(row.error.cure)


@formats
@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, form: Format, broken: str) -> None:
    path = tmp_path / f"mine{form.endings[0]}"
    path.write_bytes(BROKEN[broken](WRITERS[form.name](CRYSTALS[2:])))
    with path.open("rb") as file:
        for rows in (list(read([path])), list(read([file]))):
            assert rows
            assert all(isinstance(row, Failure) and names(row, str(path)) for row in rows)


@pytest.mark.parametrize("form", [form for form in FORMATS if form.name not in BINARY], ids=lambda form: form.name)
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
