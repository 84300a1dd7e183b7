"""Files that contradict themselves, or write numbers as no program does, are refused; odd but sound ones are read."""

from __future__ import annotations

import io

import pytest
from data.samples import CUBIC, FM3M, SALT, cif, same
from fuzz.seeds import OUTCAR, VASPRUN

from cryskit.data.read import read
from cryskit.errors import CrystalError, DisorderError, UnreadableError
from cryskit.types import Crystal, Failure

CELL = "%BLOCK LATTICE_CART\n4 0 0\n0 4 0\n0 0 4\n%ENDBLOCK LATTICE_CART\n%BLOCK POSITIONS_FRAC\n"
END = "%ENDBLOCK POSITIONS_FRAC\n"
POSCAR = "salt\n1\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\nDirect\n"
XYZ = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nNa 0 0 0\nCl 2 2 2\n'
LOOP = "\nloop_\n_symmetry_equiv_pos_as_xyz\n{}\n"


def row_of(name: str, text: str) -> Crystal | Failure:
    (row,) = read(io.BytesIO(text.encode()), name=name)
    return row


def operations(written: str) -> str:
    return cif(operations=(), symmetry=written)


@pytest.mark.parametrize(
    "symmetry",
    [
        LOOP.format("\n".join(f"'{place} {one}'" for place, one in enumerate(FM3M, 1))),
        f"_symmetry_equiv_pos_as_xyz '{'; '.join(FM3M)}'",
        "\n_symmetry_equiv_pos_as_xyz\n;\n{}\n;\n".format("\n".join(FM3M)),
        LOOP.format("\n".join(f"'  {one.replace(',', '  ,  ')} '" for one in FM3M)),
        '_symmetry_space_group_name_H-M "F m -3 m"  # cubic',
        "_symmetry_space_group_name_Hall '-F 4 2 3 (x, y, z)'",
    ],
)
def test_operations_in_every_form_are_the_same(symmetry: str) -> None:
    assert same(row_of("a.cif", operations(symmetry)), row_of("a.cif", cif()))


@pytest.mark.parametrize(
    "text",
    [
        cif(heads=("occupancy", "fract_z", "fract_x", "type_symbol", "fract_y", "label"), sites=("1 0 0 Na 0 Na1", "1 .5 .5 Cl .5 Cl1")),
        cif(heads=("type_symbol", "fract_x", "fract_y", "fract_z"), sites=("Na -0 -0.0 -.0", "Cl 1.5 -2.5(3) 10.5")),
        cif(cell=("5.64(3)", "5.6400", "'5.64'", "90.000(1)", "90", "90.")),
        "data_global\n_publ_section_title 'x'\n" + cif(),
        cif() + "\x1a",
        cif().rstrip() + "\x1a\r\n\x1a",
        "#\\#CIF_2.0\n" + cif().replace("loop_", "_x '''a\n_cell_length_a 3'''\n_y [1 2 {'a':3}]\nloop_", 1),
        cif().replace("loop_\n_atom", "save_frame\n_x 1\nsave_\nloop_\n_atom"),
        cif(heads=("label", "type_symbol", "fract_x", "fract_y", "fract_z", "disorder_group"), sites=("Na1 Na 0 0 0 .", "Cl1 Cl .5 .5 .5 1")),
    ],
)  # fmt: skip
def test_odd_but_sound_files_are_read(text: str) -> None:
    assert same(row_of("a.cif", text), row_of("a.cif", cif()))


TWO_LOOPS = (
    "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nNa1 0 0 0\nCl1 .5 .5 .5\n"
)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.cif", cif(sites=()).rpartition("loop_")[0] + TWO_LOOPS + "loop_\n_atom_site_aniso_label\n_atom_site_occupancy\nCl1 1\nNa1 0\n", UnreadableError),
        ("a.cif", cif(heads=("label", "type_symbol", "fract_x", "fract_y", "fract_z", "disorder_group"), sites=("Na1 Na 0 0 0 1", "K1 K 0.02 0 0 2")), DisorderError),
        ("a.cif", cif(cell=("5_6.4", *CUBIC[1:])), CrystalError),
        ("a.cif", cif(sites=(SALT[0], "Cl1 Cl 0.5 0.5 0_5 1")), CrystalError),
        ("a.cell", f"{CELL}Na 0 0 0 MIXTURE:( 1 0.5)\n{END}", DisorderError),
        ("a.cell", f"{CELL}Na 0 0 0\n{END}%BLOCK POSITIONS_FRAC\nCl 0 0 0\n{END}", UnreadableError),
        ("a.cell", f"{CELL}Na 0 0 0\n{END}".replace("4 0 0", "4_0 0 0"), UnreadableError),
        ("POSCAR", f"{POSCAR}0 0 0\n0.5 0_5 0.5\n", UnreadableError),
        ("POSCAR", f"{POSCAR}0 0 0 Cl\n0.5 0.5 0.5 Na\n", UnreadableError),
        ("a.xyz", XYZ.replace('"4 0', '"4_0 0'), UnreadableError),
        ("a.xyz", XYZ.replace("2 2 2", "2 2_0 2"), UnreadableError),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(name: str, text: str, error: type[CrystalError]) -> None:
    row = row_of(name, text)
    assert isinstance(row, Failure), row
    assert isinstance(row.error, error), row.error


@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml"])
def test_outputs_of_vasp_are_read(name: str) -> None:
    row = row_of(name, {"OUTCAR": OUTCAR, "vasprun.xml": VASPRUN}[name])
    assert isinstance(row, Crystal), row
    assert row.numbers.tolist() == [11, 17]
    assert row.lattice.tolist() == [[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]]


def test_labels_behind_coordinates_that_agree_are_read() -> None:
    for text in (f"{POSCAR}0 0 0 Na\n0.5 0.5 0.5 Cl\n", f"{POSCAR}0 0 0 T T T\n0.5 0.5 0.5 F F F\n"):
        assert isinstance(row_of("POSCAR", text), Crystal)


GLIDE = LOOP.format("'x,y,z'\n'-x,y+1/2,-z+1/2'\n'-x,-y,-z'\n'x,-y+1/2,z+1/2'")
NAME, NUMBER, HALL = "_symmetry_space_group_name_H-M", "_symmetry_Int_Tables_number", "_symmetry_space_group_name_Hall"


@pytest.mark.parametrize(
    ("symmetry", "cell", "words"),
    [
        (f"{HALL} '-F 4 2 3'\n{NUMBER} 221", CUBIC, ("225 by Hall symbol -F 4 2 3", "221 by the number")),
        (f"{NAME} 'F m -3 m'\n{HALL} '-F 4 2 3'\n{NUMBER} 221", CUBIC, ("225", "221 by the number")),
        (f"{NUMBER} 13{GLIDE}", (5, 6, 7, 90, 100, 90), ("14 by the listed operations", "13 by the number")),
        (f"{NAME} 'P 1 2/c 1'{GLIDE}", (5, 6, 7, 90, 100, 90), ("14", "13 by the name P 1 2/c 1")),
        (f"{NAME} 'P 21/c'\n{HALL} '-P 2yc'{GLIDE}", (5, 6, 7, 90, 100, 90), ("14", "13 by the Hall symbol -P 2yc")),
        (f"{NAME} 'P 21/c'\n{HALL} '-P 2yn'{GLIDE}", (5, 6, 7, 90, 100, 90), ("-P 2yn is of other axes",)),
        (f"{NAME} 'P 21/c'\n{NUMBER} 13{GLIDE}", (5, 6, 7, 90, 100, 90), ("14", "13 by the number")),
    ],
)
def test_words_on_another_space_group_than_the_one_believed_are_warned_of(
    symmetry: str, cell: tuple[float, ...], words: tuple[str, ...]
) -> None:
    found = row_of("a.cif", cif(("Na1 Na 0.1 0.2 0.3 1",), cell=cell, operations=(), symmetry=symmetry))
    assert isinstance(found, Crystal)
    (warning,) = found.warnings
    assert all(word in warning for word in words), warning


@pytest.mark.parametrize(
    "symmetry",
    [
        f"{NAME} 'P 21/c'\n{HALL} '-P 2ybc'\n{NUMBER} 14{GLIDE}",
        f"{NUMBER} 14{GLIDE}",
        f"{HALL} '-P 2ybc'{GLIDE}",
        f"{NAME} 'P 21/n'\n{NUMBER} 14\n{HALL} '-P 2yn'",
        f"{NAME} 'P 1'\n{NUMBER} 1\n{HALL} 'P 1'\n" + LOOP.format("'x,y,z'"),
        f"{NAME} P21/c\n{NUMBER} 14{GLIDE.replace('-x,-y,-z', '-x+1/2,-y,-z').replace('-x,y+1/2', '-x+1/2,y+1/2')}",
    ],
)
def test_words_that_agree_are_not_warned_of(symmetry: str) -> None:
    text = cif(("Na1 Na 0.1 0.2 0.3 1",), cell=(5, 6, 7, 90, 100, 90), operations=(), symmetry=symmetry)
    found = row_of("a.cif", text)
    assert isinstance(found, Crystal), found
    assert not found.warnings
