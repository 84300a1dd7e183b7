"""Symmetry as files state it: names in every spelling, numbers, Hall symbols and lists of operations."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from data.samples import cif, same
from moyopy import Cell, MoyoDataset

from cryskit.data.readers.cif import read_blocks
from cryskit.data.readers.operations import parse_operations
from cryskit.data.readers.space_groups import number_of, operations_of_hall, settings_named, settings_numbered
from cryskit.errors import UnreadableError
from cryskit.types import Crystal, Failure

GENERAL = ("O1 O 0.1234 0.2167 0.3489 1",)
TABLE = list(gemmi.spacegroup_table())


def cell_of(group: gemmi.SpaceGroup) -> tuple[float, ...]:
    rhombohedral = group.ext == "R"
    if group.crystal_system_str() == "monoclinic":
        parts = group.hm.split()[1:]
        unique = next((axis for axis, part in enumerate(parts) if part != "1"), 1)
        return (8, 9, 11, *(103 if axis == unique else 90 for axis in range(3)))
    return {
        "triclinic": (8, 9, 11, 80, 95, 100),
        "orthorhombic": (8, 9, 11, 90, 90, 90),
        "tetragonal": (9, 9, 13, 90, 90, 90),
        "trigonal": (9, 9, 9, 75, 75, 75) if rhombohedral else (9, 9, 14, 90, 90, 120),
        "hexagonal": (9, 9, 14, 90, 90, 120),
        "cubic": (13, 13, 13, 90, 90, 90),
    }[group.crystal_system_str()]


def read(symmetry: str, cell: tuple[float, ...], sites: tuple[str, ...] = GENERAL) -> Crystal | Failure:
    text = cif(sites, cell=cell, operations=[], symmetry=symmetry)
    (row,) = read_blocks(text, "a", "a.cif", 1000)
    return row


def key(group: gemmi.SpaceGroup) -> frozenset[bytes]:
    return parse_operations(tuple(op.triplet() for op in group.operations())).key


@pytest.mark.parametrize("number", range(1, 231))
def test_every_setting_of_a_group_is_known_by_its_names(number: int) -> None:
    for group in (group for group in TABLE if group.number == number):
        symbol = group.hm
        spellings = {
            symbol,
            symbol.replace(" ", ""),
            symbol.upper(),
            symbol.replace(" ", "_"),
            group.short_name(),
            f"{symbol} (No. {number})",
        }
        for name in spellings:
            keys = {setting.operations.key for setting in settings_named(name)}
            assert key(group) in keys or symbol == "B 1 2 1", name  # "B 2" has the unique axis c
        assert [setting.operations.key for setting in settings_named(group.xhm())] == [key(group)] or number < 16
        hall = operations_of_hall(group.hall)
        assert hall is not None
        assert hall.key == key(group)


@pytest.mark.parametrize("number", range(1, 231))
def test_a_general_atom_has_the_group_that_the_file_names(number: int) -> None:
    """The symmetry of the crystal that was read, found by another library, is the number that the name stands for."""
    group = gemmi.find_spacegroup_by_number(number)
    sites = (*GENERAL, "C1 C 0.2941 0.0523 0.4127 1", "N1 N 0.4312 0.3378 0.0791 1")
    found = read(f"_symmetry_space_group_name_H-M '{group.xhm()}'", cell_of(group), sites)
    assert isinstance(found, Crystal), found
    assert not found.warnings
    assert len(found) == 3 * len(list(group.operations()))
    cell = Cell(found.lattice.tolist(), found.fractional.tolist(), found.numbers.tolist())
    assert MoyoDataset(cell, symprec=1e-4).number == number


ALIKE = {
    "F m -3 m": ["F M -3 M", "Fm3m", "F 4/m -3 2/m", "F 4/m 3 2/m", "F m -3 m :1", "Fm-3m", "FM-3M", r"Fm\bar{3}m"],
    "F d -3 m:2": [
        "FD-3MZ",
        "fd-3mz",
        "F d -3 m Z :2",
        "F d -3 m :2 (origin choice 2)",
        "Fd-3mZ",
        "F d 3 m :2",
        "F 41/d -3 2/m (origin choice 2)",
        "Fd-3m Z",
    ],
    "F d -3 m:1": ["F d -3 m S", "Fd3mS", "FD3MS"],
    "R -3 c:H": ["R 3bar c", "R 3 bar c :H", "R3barc", "R bar3 c", "R -3 c HR :H", "R-3CH"],
    "P -4 3 m": ["P 4bar 3 m", "P4bar3m", "P 4-bar 3 m"],
    "P 1 21/c 1": ["P2(1)/c", "P 21 / c", "P2_1/c", "P2~1~/c", "P 1 21/c 1 (unique axis b)", "p21/c", "P21/C", "P2₁/c"],
    "P 1 21/n 1": ["P 21/n", "P2(1)/n"],
    "P 63/m m c": ["P6_3/mmc", "P 6(3)/m m c", "P 63/m 2/m 2/c", "C 63/m m c"],
    "R -3 m:H": ["H -3 m", "R -3 m HR", "R-3mH", "H -3 2/m", "R -3 m :h", "R -3 m (hexagonal axes)"],
    "R -3 m:R": ["R -3 m RS", "R-3m:R", "R -3 2/m R"],
    "C m c a": ["C m c e", "Cmce", "C 2/m 2/c 21/e"],
    "P n m a": ["P 21/n 21/m 21/a", "P21/n21/m21/a", "Pnma"],
    "P 21 21 21": ["P 2(1) 2(1) 2(1)", "P 2_1 2_1 2_1", "P212121"],
    "P 42/n m c:2": ["P 42/n m c Z", "P42/nmc:2"],
    "I 41/a m d:1": ["I 41/a m d S", "I 41/a 2/m 2/d :1"],
    "B b c m": ["Bbcm", "B b e m"],
    "P 4/m m m": ["P 4/m 2/m 2/m", "P4/mmm"],
    "P -3 m 1": ["P -3 2/m 1", "P-3m1", "P 3- m 1"],
}


@pytest.mark.parametrize(("symbol", "name"), [(symbol, name) for symbol, names in ALIKE.items() for name in names])
def test_names_of_old_and_new_programs_are_understood(symbol: str, name: str) -> None:
    expected = key(next(group for group in TABLE if group.xhm() == symbol))
    assert expected in {setting.operations.key for setting in settings_named(name)}
    assert len({setting.number for setting in settings_named(name)}) == 1


@pytest.mark.parametrize(
    "name", ["P 3 2", "P 3 m", "unknown", "X", "P 2 12", "Pmma Pnma", "", "P" * 500, "P 21/q", "F d -3 m Z :1"]
)
def test_a_name_that_is_not_understood_is_refused(name: str) -> None:
    assert not settings_named(name)
    if name:
        found = read(f"_symmetry_space_group_name_H-M '{name}'", (8, 9, 11, 90, 90, 90))
        assert isinstance(found, Failure)
        assert "not understood" in found.error.problem


def test_a_centred_cell_that_no_table_has_is_that_of_the_primitive_group() -> None:
    (setting,) = settings_named("A -1")
    assert setting.operations.key == parse_operations(("-x,-y,-z", "x,y+1/2,z+1/2", "-x,1/2-y,1/2-z")).key


def test_the_cell_tells_rhombohedral_axes_and_the_unique_axis() -> None:
    hexagonal, rhombohedral = (9, 9, 14, 90, 90, 120), (9, 9, 9, 75, 75, 75)
    sizes = {
        (name, cell): len(read(name, cell))  # type: ignore[arg-type]
        for name in ("_symmetry_space_group_name_H-M 'R -3'", "_space_group_IT_number 148")
        for cell in (hexagonal, rhombohedral)
    }
    assert set(sizes.values()) == {18, 6}
    assert all((size == 6) == (cell == rhombohedral) for (_, cell), size in sizes.items())
    by_number = [read("_space_group_IT_number 4", (8, 9, 11, *angles)) for angles in ((90, 100, 90), (90, 90, 100))]
    halves = [np.abs(np.diff(crystal.fractional, axis=0))[0] for crystal in by_number]  # type: ignore[union-attr]
    assert halves[0][1] == pytest.approx(0.5)
    assert halves[1][2] == pytest.approx(0.5)


def test_a_symmetry_that_does_not_keep_the_cell_is_refused() -> None:
    for symmetry in ("_symmetry_space_group_name_H-M 'P -3'", "_symmetry_space_group_name_H-M 'P 4'"):
        found = read(symmetry, (8, 9, 11, 90, 90, 90))
        assert isinstance(found, Failure)
        assert "does not keep" in found.error.problem


FORMULA = "_chemical_formula_sum Si\n_cell_formula_units_Z {}\n"


@pytest.mark.parametrize("symmetry", ["_symmetry_space_group_name_H-M 'F d -3 m'", "_symmetry_Int_Tables_number 227"])
def test_formula_and_units_tell_the_origin(symmetry: str) -> None:
    cell = (5.43, 5.43, 5.43, 90, 90, 90)
    for place, units in (("0.125 0.125 0.125", 8), ("0 0 0", 8), ("0 0 0", 16)):
        found = read(FORMULA.format(units) + symmetry, cell, (f"Si1 Si {place} 1",))
        assert isinstance(found, Crystal)
        assert len(found) == units


def test_an_origin_that_nothing_tells_is_asked_for() -> None:
    found = read("_symmetry_space_group_name_H-M 'P n n n'", (8, 9, 11, 90, 90, 90))
    assert isinstance(found, Failure)
    assert "P n n n:1" in found.error.problem
    assert isinstance(read("_symmetry_space_group_name_H-M 'P n n n :2'", (8, 9, 11, 90, 90, 90)), Crystal)


def test_the_name_wins_over_the_number_with_a_warning() -> None:
    found = read("_symmetry_space_group_name_H-M 'P n m a'\n_symmetry_Int_Tables_number 14", (8, 9, 11, 90, 90, 90))
    assert isinstance(found, Crystal)
    assert len(found) == 8
    assert "number 14" in found.warnings[0]


def test_no_symmetry_at_all_is_p1_with_a_warning_and_p1_by_name_is_sound() -> None:
    cell = (8, 9, 11, 90, 90, 90)
    none, named = read("", cell), read("_symmetry_space_group_name_H-M 'P 1'", cell)
    assert isinstance(none, Crystal)
    assert isinstance(named, Crystal)
    assert len(none) == len(named) == 1
    assert none.warnings
    assert not named.warnings


def listed(first: list[str], second: list[str], first_tag: str, second_tag: str, names: str = "") -> str:
    loops = "".join(
        f"loop_\n{tag}\n" + "".join(f"'{op}'\n" for op in ops)
        for tag, ops in ((first_tag, first), (second_tag, second))
        if ops
    )
    return names + loops


OLD, NEW, DOTTED = "_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz"
CENTRED = ["x,y,z", "x+1/2,y+1/2,z+1/2"]


def test_lists_that_differ_are_refused_and_equal_ones_are_one() -> None:
    cell = (3, 3, 3, 90, 90, 90)
    assert isinstance(read(listed(["x,y,z"], CENTRED, OLD, NEW), cell), Failure)
    for text in (listed(CENTRED, CENTRED[::-1], OLD, NEW), listed(CENTRED, [], DOTTED, NEW)):
        found = read(text, cell)
        assert isinstance(found, Crystal)
        assert len(found) == 2


def test_an_identity_beside_a_larger_group_is_decided_by_the_formula() -> None:
    cell, names = (3, 3, 3, 90, 90, 90), "_symmetry_space_group_name_H-M 'I m -3 m'\n"
    sites = ("Fe1 Fe 0 0 0 1",)
    undecided = read(listed(["x,y,z"], [], OLD, NEW, names), cell, sites)
    assert isinstance(undecided, Failure)
    for units in (1, 2):
        formula = f"_chemical_formula_sum Fe\n_cell_formula_units_Z {units}\n"
        found = read(listed(["x,y,z"], [], OLD, NEW, names + formula), cell, sites)
        assert isinstance(found, Crystal)
        assert len(found) == units


@pytest.mark.parametrize(
    "operation",
    [
        "x,y,\u2212z", "x,y,z+\u00bd", "x,y,z+1:2", "x,y,\u0663+z", "x,y,one", "x,y", "x,y,z,t", "2x,y,z", "x+x,y,z", "x,y,z+1/0",
        "x,y,0", "x,x,z", "x y,y,z", "x,y,z--", "", "x,y,z+1e3", "a,b,c",
    ],
)  # fmt: skip
def test_an_operation_is_read_whole_or_refused(operation: str) -> None:
    with pytest.raises(UnreadableError, match="no symmetry operation"):
        parse_operations(("x,y,z", operation))


@pytest.mark.parametrize(
    ("operation", "same_as"),
    [
        ("X, Y, Z+1/2", "x,y,z+1/2"),
        ("+x,y,.5+z", "x,y,z+1/2"),
        ("x,y,z+1/4+1/4", "x,y,z+1/2"),
        ("x,y,z-0.5", "x,y,z+1/2"),
    ],
)
def test_operations_in_other_spellings_are_the_same(operation: str, same_as: str) -> None:
    assert parse_operations((operation,)).key == parse_operations((same_as,)).key


def test_a_list_that_is_no_group_is_refused_and_the_identity_need_not_be_listed() -> None:
    with pytest.raises(UnreadableError, match="no group"):
        parse_operations(("x,y,z", "-y,x,z"))
    assert len(parse_operations(("-x,-y,-z",)).rotations) == 2


def test_operations_that_are_many_take_no_time_that_grows_with_their_square() -> None:
    with pytest.raises(UnreadableError, match="more than any space group"):
        parse_operations(("x,y,z",) * 5000)


def test_a_magnetic_group_has_the_atoms_of_its_operations_without_time() -> None:
    text = "loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n-x,-y,-z,-1\nloop_\n_space_group_symop_magn_centering.xyz\nx,y,z,+1\nx+1/2,y,z,-1\n"
    found = read(text, (8, 9, 11, 90, 90, 90))
    assert isinstance(found, Crystal)
    assert len(found) == 4


def test_a_superspace_group_is_refused() -> None:
    found = read("_symmetry_space_group_name_H-M 'P 1'\n_cell_modulation_dimension 1", (8, 9, 11, 90, 90, 90))
    assert isinstance(found, Failure)
    assert "modulated" in found.error.problem


@pytest.mark.parametrize("group", TABLE[::7], ids=lambda group: group.xhm())
def test_the_operations_tell_the_number_of_a_group_in_every_setting(group: gemmi.SpaceGroup) -> None:
    operations = group.operations()
    shifted = operations.change_basis_forward(gemmi.Op("x+1/8,y+1/6,z-1/12")) or operations
    for one in (group.operations(), shifted):
        listed = tuple(operation.triplet() for operation in one)
        assert number_of(parse_operations(listed)) == group.number


def test_bare_numbers_are_reference_settings() -> None:
    assert settings_numbered(62)[0].name == "P n m a"
    assert settings_numbered(14)[0].name == "P 1 21/c 1"


@pytest.mark.parametrize(
    ("number", "code", "name"),
    [
        (62, "cab", "P b n m"),
        (62, "ba-c", "P m n b"),
        (62, "a-cb", "P n a m"),
        (14, "b2", "P 1 21/n 1"),
        (14, "-b1", "P 1 21/a 1"),
        (14, "c3", "P 1 1 21/b"),
        (227, "1", "F d -3 m:1"),
        (48, "2abc", "P n n n:2"),
        (166, "r", "R -3 m:R"),
    ],
)
def test_a_coordinate_system_code_chooses_the_setting(number: int, code: str, name: str) -> None:
    group = next(group for group in TABLE if group.xhm() == name)
    lines = f"_space_group_IT_number {number}\n_space_group_IT_coordinate_system_code {code}"
    by_code, by_name = (
        read(text, cell_of(group)) for text in (lines, f"_symmetry_space_group_name_H-M '{group.xhm()}'")
    )
    assert same(by_code, by_name)
    unknown = f"_space_group_IT_number {number}\n_space_group_IT_coordinate_system_code xyz"
    assert isinstance(read(unknown, cell_of(group)), Failure)


@pytest.mark.parametrize("name", ["P 31 2", "C 31 2"])
def test_a_screw_axis_is_not_taken_for_two_axes(name: str) -> None:
    assert not settings_named(name)


def test_the_name_of_the_reference_setting_does_not_contradict_another_setting() -> None:
    names = "_space_group_name_H-M_ref 'P 1 21/c 1'\n_space_group_name_H-M_alt 'P 1 21/n 1'"
    assert same(
        read(names, (8, 9, 11, 90, 103, 90)), read("_space_group_name_H-M_alt 'P 1 21/n 1'", (8, 9, 11, 90, 103, 90))
    )


def test_listed_operations_of_another_point_group_than_the_named_one_are_warned_of() -> None:
    text = listed(["x,y,z", "-x,-y,-z"], [], OLD, NEW, "_symmetry_space_group_name_H-M 'P 1 21 1'\n")
    found = read(text, (8, 9, 11, 90, 100, 90))
    assert isinstance(found, Crystal)
    assert "point group" in found.warnings[0]


def test_a_modulation_of_dimension_zero_is_none() -> None:
    found = read("_symmetry_space_group_name_H-M 'P 1'\n_cell_modulation_dimension 0", (8, 9, 11, 90, 90, 90))
    assert isinstance(found, Crystal)
