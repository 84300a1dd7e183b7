"""Progress bars and the counts they rest on."""

from __future__ import annotations

import io
import sys
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from cryskit.cli import crystals
from cryskit.cli.crystals import bar, described
from cryskit.data.read import read_one
from cryskit.data.readers.folder import rows_of
from cryskit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def slowly(count: int) -> Iterator[int]:
    for i in range(count):
        time.sleep(0.2)
        yield i


@pytest.mark.parametrize(
    ("stream", "patience", "shown"), [(Terminal, 0.1, True), (Terminal, 60, False), (io.StringIO, 0.1, False)]
)
def test_a_bar_is_shown_on_a_terminal_to_those_who_wait(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], patience: float, *, shown: bool
) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(crystals, "_PATIENCE", patience)
    assert list(bar(slowly(5), "predicting", 5)) == [0, 1, 2, 3, 4]
    assert ("predicting" in written.getvalue()) is shown


def test_rows_are_counted_where_that_is_cheap(data: Path, cifs: list[Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1")
    assert rows_of(data) == 60
    assert rows_of(cifs[0]) == 1
    assert [rows_of(path) for path in (tmp_path, damaged, tmp_path / "absent.cif")] == [None, None, None]


def test_descriptions_join_crystals_as_they_come(
    cifs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "texts.parquet"
    pd.DataFrame({"id": ["Si", "other"], "text": ["Silicon.", "Another."]}).to_parquet(table)
    source = iter([read_one(path) for path in cifs])
    found = iter(described(source, table))
    assert next(found).text == "Silicon."
    assert next(source).id == "NaCl", "one crystal at a time"
    assert [crystal.text for crystal in found] == [None] * 3
    assert "3 of 4 crystals have no description" in capsys.readouterr().err
    with pytest.raises(DataError, match="describes none of the crystals, of which there are 1"):
        list(described([read_one(cifs[1])], table))
