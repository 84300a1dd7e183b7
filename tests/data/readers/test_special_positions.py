"""Sites on special positions: coordinates of few digits make as many atoms as International Tables say, and no site more.

The authority is the multiplicity of the Wyckoff position, and the formula of the file where it states one.
"""

from __future__ import annotations

import numpy as np
import pytest
from data.samples import cif, p1

from cryskit.data.readers.cif import read_blocks
from cryskit.types import Crystal

HEXAGONAL, P63MMC = (12, 12, 5, 90, 90, 120), "_symmetry_space_group_name_H-M 'P 63/m m c'"
HEADS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")


def read(*sites: str, cell: tuple[float, ...] = HEXAGONAL, symmetry: str = P63MMC) -> Crystal:
    (found,) = read_blocks(cif(sites, cell=cell, operations=(), symmetry=symmetry, heads=HEADS), "a", "a.cif", 500)
    assert isinstance(found, Crystal), found
    return found


@pytest.mark.parametrize(
    ("x", "y", "z", "multiplicity"),
    [
        ("0.17", "0.33", "0.25", 6),  # 6 h, rounded
        ("0.16", "0.33", "0.25", 6),  # 6 h, cut off
        ("0.17(1)", "0.33(1)", "0.25", 6),
        ("0.83", "0.67", "0.25", 6),  # 6 h, one unit on
        ("-0.17", "-0.33", "0.75", 6),
        ("0.33", "0.67", "0.25", 2),  # 2 c or d
        ("0.33", "0.66", "0.25", 2),
        ("0.33", "0.67", "0.10", 4),  # 4 f
        ("0.17", "0.33", "0.10", 12),  # 12 k
        ("0.20", "0.00", "0.00", 12),  # 12 i
        ("0.17", "0.37", "0.25", 12),  # 12 j: no digits make 0.37 of 0.34
        ("0.1700", "0.3300", "0.2500", 12),  # 12 j: four digits say that 0.33 is not 0.34
        ("0.17", "0.41", "0.12", 24),
    ],
)
def test_digits_tell_the_special_position(x: str, y: str, z: str, multiplicity: int) -> None:
    assert len(read(f"O1 O {x} {y} {z}")) == multiplicity


def test_the_atom_stands_on_the_special_position() -> None:
    x, y, z = read("O1 O 0.17 0.33 0.25").fractional[0]
    assert y == pytest.approx(2 * x, abs=1e-9)
    assert z == pytest.approx(0.25, abs=1e-9)
    assert 0.165 - 1e-9 <= x <= 0.175


@pytest.mark.parametrize(("oxygens", "atoms"), [(3, 6), (6, 12)])
def test_the_formula_decides_between_the_special_and_the_general_position(oxygens: int, atoms: int) -> None:
    said = f"{P63MMC}\n_chemical_formula_sum 'Si O{oxygens}'"
    found = read("O1 O 0.17 0.33 0.25", "Si1 Si 0 0 0", symmetry=said)
    assert (found.numbers == 8).sum() == atoms
    assert not found.warnings


@pytest.mark.parametrize(("stated", "atoms"), [(6, 6), (12, 12)])
def test_a_multiplicity_that_is_stated_decides_too(stated: int, atoms: int) -> None:
    heads = (*HEADS, "symmetry_multiplicity")
    text = cif((f"O1 O 0.17 0.33 0.25 {stated}",), cell=HEXAGONAL, operations=(), symmetry=P63MMC, heads=heads)
    (found,) = read_blocks(text, "a", "a.cif", 500)
    assert isinstance(found, Crystal)
    assert len(found) == atoms
    assert not found.warnings


def test_a_molecule_across_a_centre_of_inversion_keeps_both_atoms() -> None:
    found = read("H1 H 0.1 0 0", cell=(3.75, 5, 6, 90, 90, 90), symmetry="_symmetry_space_group_name_H-M 'P -1'")
    assert len(found) == 2  # 0.75 angstrom apart, x in 0.05 to 0.15 by its digits


def test_two_sites_of_one_element_are_never_one_atom() -> None:
    (found,) = read_blocks(p1("O1 O 0.17 0.33 0.25 1", "O2 O 0.20 0.33 0.25 1"), "a", "a.cif", 500)
    assert isinstance(found, Crystal)
    assert len(found) == 2


def test_general_positions_of_two_digits_have_all_their_images() -> None:
    grid = np.array([0.11, 0.23, 0.37])
    found = read(
        f"O1 O {grid[0]} {grid[1]} {grid[2]}",
        cell=(9, 9, 9, 90, 90, 90),
        symmetry="_symmetry_space_group_name_H-M 'F m -3 m'",
    )
    assert len(found) == 192
