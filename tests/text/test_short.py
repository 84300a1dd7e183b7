"""The sentences that stand in are true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryskit.data.read import read_one
from cryskit.text import short as module
from cryskit.text.short import short
from cryskit.types import Crystal

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "NaCl",
            (
                "NaCl crystallizes in the cubic Fm-3m space group. The cell holds 8 atoms of 2 elements (Na, Cl); "
                "the density is 2.16 g/cm3."
            ),
        ),
        (
            "TiO2-rutile",
            (
                "TiO2 crystallizes in the tetragonal P4_2/mnm space group. The cell holds 6 atoms of 2 elements (O, Ti); "
                "the density is 4.25 g/cm3."
            ),
        ),
        (
            "Al2O3",
            (
                "Al2O3 crystallizes in the trigonal R-3c space group. The cell holds 30 atoms of 2 elements (O, Al); "
                "the density is 3.98 g/cm3."
            ),
        ),
    ],
)
def test_known_crystals(name: str, text: str) -> None:
    assert short(read_one(EXAMPLES / f"{name}.cif")) == text


def test_a_crystal_of_one_atom() -> None:
    iron = Crystal("Fe", np.ones((3, 3)) * 1.435 - np.eye(3) * 2.87, np.zeros((1, 3)), np.array([26]))
    assert short(iron) == (
        "Fe crystallizes in the cubic Im-3m space group. The cell holds one atom of one element (Fe); "
        "the density is 7.85 g/cm3."
    )


def test_where_symmetry_cannot_be_found_the_rest_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "detect", lambda *_: None)
    text = short(read_one(EXAMPLES / "NaCl.cif"))
    assert text.startswith("NaCl has a structure whose symmetry cannot be found. The cell holds 8 atoms")
