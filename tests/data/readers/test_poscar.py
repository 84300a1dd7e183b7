"""POSCAR files in the forms that VASP reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryskit.data.read import read
from cryskit.errors import ElementError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

SALT = """salt
1.0
4.0 0 0
0 5.0 0
0 0 6.0
Cs Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""


def row(tmp_path: Path, text: str) -> Crystal | Failure:
    path = tmp_path / "POSCAR"
    path.write_text(text, encoding="utf-8")
    (found,) = read(path)
    return found


FORMS = {
    "one factor": SALT,
    "three factors": SALT.replace("1.0\n4.0 0 0\n0 5.0 0\n0 0 6.0", "2.0 2.5 3.0\n2.0 0 0\n0 2.0 0\n0 0 2.0"),
    "three factors and Cartesian coordinates": SALT.replace(
        "1.0\n4.0 0 0\n0 5.0 0\n0 0 6.0", "2.0 2.5 3.0\n2.0 0 0\n0 2.0 0\n0 0 2.0"
    )
    .replace("Direct", "Cartesian")
    .replace("0.5 0.5 0.5", "1 1 1"),
    "a negative factor is the volume": SALT.replace("1.0\n", "-120.0\n", 1),
    "comments behind values": SALT.replace("1.0\n", "1.0 ! scale\n", 1).replace("1 1\n", "1 1 # atoms\n"),
    "numbers of Fortran": SALT.replace("4.0", "0.4D1").replace("0.5 0.5 0.5", "5.D-1 0.5d0 .5D+0"),
    "symbols in the first line only": SALT.replace("salt", "Cs Cl").replace("0 0 6.0\nCs Cl\n", "0 0 6.0\n"),
    "charges": SALT.replace("Cs Cl", "Cs+ Cl-"),
    "names of potentials": SALT.replace("Cs Cl", "Cs_sv Cl/1a2b3c"),
    "no comment": SALT.replace("salt", ""),
    "selective dynamics": SALT.replace("Direct\n0 0 0\n0.5 0.5 0.5", "Selective\nDirect\n0 0 0 T T T\n.5 .5 .5 T T F"),
    "Windows line ends": SALT.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_a_poscar_of_any_form_is_the_same_crystal(tmp_path: Path, text: str) -> None:
    found = row(tmp_path, text)
    assert isinstance(found, Crystal), found
    assert found.numbers.tolist() == [55, 17]
    assert np.allclose(found.lattice, np.diag([4.0, 5.0, 6.0]))
    assert np.allclose(found.fractional, [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (SALT.replace("0 0 6.0\nCs Cl\n", "0 0 6.0\n"), ElementError),
        (SALT.replace("Cs Cl", "Qq Cl"), ElementError),
        (SALT[:20], UnreadableError),
        (SALT.replace("1.0\n", "1.0 -1.0 1.0\n", 1), UnreadableError),
        (SALT.replace("1.0\n", "one two three\n", 1), UnreadableError),
        (SALT.replace("0 5.0 0", "zero 5 0"), UnreadableError),
    ],
)
def test_a_broken_poscar_is_a_failure_of_its_kind(tmp_path: Path, text: str, error: type) -> None:
    found = row(tmp_path, text)
    assert isinstance(found, Failure)
    assert type(found.error) is error
