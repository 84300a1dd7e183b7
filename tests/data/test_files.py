"""Files that could hurt: those that unpack to too much, and those that are no files at all."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tempfile
from pathlib import Path

import pytest

from cryskit.data import files
from cryskit.data.files import InputFile, refuse_special
from cryskit.data.read import read
from cryskit.errors import CryskitError, DataError, SizeError, UnreadableError
from cryskit.types import Failure


def bomb(head: bytes = b"") -> bytes:
    """Return 60 MB of blanks, packed to a thousandth."""
    return gzip.compress(head + b" " * 60_000_000)


PACKED = bomb()


def refused(source: object, name: str | None = None) -> str:
    """Return what is said of a source that cannot be read, as a whole or at its last row."""
    try:
        *_, last = read(source, name=name)
    except DataError as error:
        return str(error)
    assert isinstance(last, Failure)
    return str(last.error)


@pytest.mark.parametrize("name", ["a.json.gz", "a.jsonl.gz", "a.xyz.gz", "a.csv.gz", "a.parquet.gz", "a.traj.gz"])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED)
    assert "packed bytes become" in refused(tmp_path / name)
    assert "packed bytes become" in refused(io.BytesIO(PACKED), name)


def test_no_more_is_unpacked_than_the_ratio_allows(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(PACKED)
    seen = []
    with (
        pytest.raises(SizeError, match=r"a\.txt\.gz.*give it unpacked"),
        InputFile(str(tmp_path / "a.txt.gz"), "a").open() as data,
    ):
        seen.extend(map(len, iter(lambda: data.read(65_536), b"")))
    assert sum(seen) < 25_000_000


def test_a_text_that_is_packed_as_texts_are_is_read_whole() -> None:
    text = b"".join(b"%d\n" % number for number in range(4_000_000))
    packed = gzip.compress(text, 1)
    assert InputFile("a.gz", "a", io.BytesIO(packed)).read_bytes() == text


@pytest.mark.parametrize("limit", ["UNPACKED_BYTES", "HELD_BYTES"])
def test_the_limits_on_bytes_hold(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(files, limit, 1000)
    packed = gzip.compress(os.urandom(2000))
    with pytest.raises(SizeError):
        InputFile("a.gz", "a", io.BytesIO(packed)).read_bytes()


NAMES = ["a.cif", "a.json", "a.jsonl", "a.xyz", "a.csv", "a.parquet", "a.traj", "a.db", "a.xyz.gz", "POSCAR", "OUTCAR"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_is_refused_without_waiting_for_somebody_to_write(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "is a pipe, not a file" in refused(tmp_path / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_device_that_never_ends_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    assert "is a device, not a file" in refused(tmp_path / name)


def test_sockets_and_folders_are_refused(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as opened:
        place = Path(short) / "a.cif"  # the path of a socket may not be long
        opened.bind(str(place))
        assert "is a socket, not a file" in refused(place)
    with pytest.raises(UnreadableError, match="is a folder"):
        refuse_special(str(tmp_path))
    refuse_special(str(tmp_path / "absent"))


def test_a_folder_with_such_files_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.cif")
    (tmp_path / "b.cif").mkdir()  # a folder like any other
    (tmp_path / "b.cif" / "inside.cif").write_text("x")
    (tmp_path / "c.cif").write_text("x")
    assert {row.id for row in read(tmp_path)} == {"a", "inside", "c"}


def test_a_table_of_a_folder_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "id_prop.csv")
    with pytest.raises(CryskitError, match="is a pipe"):
        read(tmp_path)
