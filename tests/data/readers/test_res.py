"""SHELX .res files: all atoms of a cell, or a refusal."""

from __future__ import annotations

import io

import pytest

from cryskit.data.read import read
from cryskit.errors import CrystalError, DisorderError, LatticeError, UnreadableError
from cryskit.types import Crystal, Failure

HEAD = "TITL salt 0.5 179 -10.5 0 0 2 (Fm-3m) n - 1\nCELL 1.54180 5.64 5.64 5.64 90 90 90\n"
ATOMS = "SFAC Na Cl\nUNIT 4 4\nFVAR 1.0 0.5 0.3 0.2\nNa1 1 0 1.0e-05 10.0 11.0 0.05\nCl 2 0.5 +0.5 0.5 1.0 0.02 0.02 =\n 0.02 0 0 0\n"


def row_of(text: str) -> Crystal | Failure:
    (row,) = read(io.BytesIO(f"{text}END\n".encode()), name="salt.res")
    return row


def test_labels_exponents_fixed_numbers_and_continued_lines_are_read() -> None:
    row = row_of(f"{HEAD}LATT -1\n{ATOMS}HKLF 4\nQ1 1 0.2 0.2 0.2 11.0 0.05\nEND\n")
    assert isinstance(row, Crystal), row
    assert row.numbers.tolist() == [11, 17]
    assert row.fractional.tolist() == [[0, 1e-5, 0], [0.5, 0.5, 0.5]]
    assert row.targets["pressure"] == 0.5
    assert not row.warnings
    assert row_of(HEAD + ATOMS).warnings  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"{HEAD}LATT 1\n{ATOMS}", UnreadableError),
        (f"{HEAD}LATT -4\n{ATOMS}", UnreadableError),
        (f"{HEAD}LATT -1\nSYMM -X, Y+0.5, -Z\n{ATOMS}", UnreadableError),
        (f"{HEAD}LATT -1\n{ATOMS}K 3 0.1 0.1 0.1 1.0\n", UnreadableError),
        (f"{HEAD}LATT -1\n{ATOMS}Na2 1 0.1 0.1 0.1 10.5 0.05\n", DisorderError),
        (f"{HEAD}LATT -1\n{ATOMS}PART 1\nNa2 1 0.1 0.1 0.1 11.0 0.05\n", DisorderError),
        (f"{HEAD}LATT -1\n{ATOMS}Na2 1 0.1 x 0.1 11.0 0.05\n", CrystalError),
        (f"TITL\nLATT -1\n{ATOMS}", LatticeError),
        (f"TITL\nCELL 1 5 5 5 90 90 180\nLATT -1\n{ATOMS}", LatticeError),
        (f"TITL\nCELL 1 5 5 5 10 100 120\nLATT -1\n{ATOMS}", LatticeError),
        (f"{HEAD}LATT -1\nSFAC Na\n", CrystalError),
    ],
)
def test_what_is_not_all_atoms_of_an_ordered_cell_is_refused(text: str, error: type[CrystalError]) -> None:
    row = row_of(text)
    assert isinstance(row, Failure), row
    assert isinstance(row.error, error), row.error


def test_a_file_that_was_cut_off_is_refused() -> None:
    (row,) = read(io.BytesIO(f"{HEAD}LATT -1\n{ATOMS}".encode()), name="salt.res")
    assert isinstance(row, Failure)
