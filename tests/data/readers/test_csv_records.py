"""CSV files of which a row is damaged: that row is lost, in its place, and no other; ids stay what they are."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from cryskit.data.read import read
from cryskit.data.readers import csv_records
from cryskit.data.readers.csv_records import records
from cryskit.errors import DataError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CIF, JSON = SALT.to(fmt="cif"), SALT.to_json()


def table(path: Path, rows: int, structure: str, *, ids: bool = True) -> list[bytes]:
    """Write a table and return its records."""
    columns = {"id": [f"m{i}" for i in range(rows)]} if ids else {}
    pd.DataFrame(columns | {"structure": structure, "band_gap": range(rows)}).to_csv(path, index=False)
    return [record.text for record in records(io.BytesIO(path.read_bytes()), ",")]


@pytest.mark.parametrize("structure", [CIF, JSON], ids=["cif", "json"])
def test_a_file_cut_off_within_quotes_loses_its_last_row_only(structure: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    parts = table(path, 30, structure)
    path.write_bytes(b"".join(parts[:-1]) + parts[-1][:60])
    rows = list(read(path))
    assert [row.id for row in rows[:-1]] == [f"m{i}" for i in range(29)]
    assert all(isinstance(row, Crystal) for row in rows[:-1])
    assert isinstance(rows[-1], Failure)
    assert rows[-1].id == "a:29"
    assert "ends within quotes" in str(rows[-1].error)
    assert f"line {b''.join(parts[:-1]).count(bytes([10])) + 1} " in str(rows[-1].error)


def test_a_missing_quote_loses_its_row_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [b"structure,band_gap\n", *(b'"%s",1\n' % JSON.replace('"', '""').encode() for _ in range(9))]
    lines[4] = lines[4].replace(b'}",1', b"},1")
    path.write_bytes(b"".join(lines))
    rows = list(read(path))
    assert [row.id for row in rows] == [f"a:{i}" for i in range(9)]
    assert [i for i, row in enumerate(rows) if isinstance(row, Failure)] == [3]


@pytest.mark.parametrize("place", [1, 5, 29, 30])
def test_a_row_that_is_too_long_keeps_its_place_and_shifts_no_id(place: int, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    parts = table(path, 30, JSON, ids=False)
    parts[place] = parts[place].rstrip() + b",1,2\n"
    path.write_bytes(b"".join(parts))
    rows = list(read(path))
    assert [row.id for row in rows] == [f"a:{i}" for i in range(30)]
    assert [row.id for row in rows if isinstance(row, Failure)] == [f"a:{place - 1}"]
    assert [row.targets["band_gap"] for row in rows if isinstance(row, Crystal)] == [
        i for i in range(30) if i != place - 1
    ]


def test_rows_with_names_in_front_are_called_by_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [b"structure,band_gap\n", *(b'n%d,"%s",1\n' % (i, JSON.replace('"', '""').encode()) for i in range(1003))]
    path.write_bytes(b"".join(lines))
    rows = list(read(path))
    assert [row.id for row in rows] == [f"a:n{i}" for i in range(1003)]
    assert all(isinstance(row, Crystal) for row in rows)


def test_a_record_without_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_records, "LONGEST", 5000)
    path = tmp_path / "a.csv"
    parts = table(path, 5, JSON)
    parts[2] = b'm1,"' + b"x" * 20_000 + b'",1\n'
    parts[5] = b'm4,"' + b"x\n" * 20_000
    path.write_bytes(b"".join(parts))
    rows = list(read(path))
    assert [isinstance(row, Crystal) for row in rows] == [True, False, True, True, False]
    assert all("more than 5,000 bytes" in str(rows[i].error) for i in (1, 4))  # type: ignore[union-attr]


@pytest.mark.parametrize("data", [b'id,structure\n"a', b'id,"structure\n', b"", b"\n\n"])
def test_a_file_without_a_whole_row_is_an_error_as_a_whole(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(DataError):
        list(read(tmp_path / "a.csv"))


VALUES = st.text(st.sampled_from("ab ,\"'\n\r;"))


@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(VALUES, min_size=n, max_size=n), min_size=1, max_size=6)))
def test_records_are_those_that_were_written(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    found = list(records(io.BytesIO(file.getvalue().encode()), ","))
    assert [record.values for record in found] == [len(row) for row in rows]
    assert not [record for record in found if record.problem]
    assert [next(csv.reader(io.StringIO(record.text.decode(), newline=""))) for record in found] == rows
