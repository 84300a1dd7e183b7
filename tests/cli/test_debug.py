"""What the command line says of errors that nobody foresaw, and of files of a folder that it does not read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from data.samples import cif

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result


def broken(*_: Any) -> None:
    raise ZeroDivisionError("deep inside")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "a.cif").write_text(cif())
    (made / "b.vasp").write_text("x")
    monkeypatch.setattr("cryskit.data.readers.poscar.parse", broken)
    return made


def test_an_unforeseen_error_costs_one_row_and_its_place_is_shown_on_demand(
    cryskit: Callable[..., Result], folder: Path, model: Path
) -> None:
    asked = ("predict", folder, "--model", model, "--json")
    quiet, shown = cryskit(*asked), cryskit("--debug", *asked)
    assert quiet.exit_code == shown.exit_code == 1
    assert quiet.stdout == shown.stdout
    assert "ZeroDivisionError (deep inside)" in quiet.stdout
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in shown.stderr
    assert "in broken" in shown.stderr
    assert not logging.getLogger("cryskit").handlers
    assert "2 rows, 1 failed" in shown.stderr


def test_files_of_a_folder_that_are_not_read_are_a_note(
    cryskit: Callable[..., Result], folder: Path, model: Path
) -> None:
    (folder / "table.csv").write_text("x")
    said = cryskit("predict", folder, "--model", model).stderr.splitlines()
    assert f"1 in {folder} not read: table.csv" in said
