"""What a CIF says beside its atoms is a witness of the crystal that it means."""

from __future__ import annotations

import pytest
from data.samples import SALT, cif, p1

from cryskit.data.readers.cif import read_blocks
from cryskit.data.readers.cif_content import formula_of
from cryskit.data.readers.symbols import of_label, of_type
from cryskit.errors import CoordinatesError, ElementError, UnreadableError
from cryskit.types import Crystal, Failure


def row(text: str) -> Crystal | Failure:
    (only,) = read_blocks(text, "a", "a.cif", 500)
    return only


def said(*lines: str) -> str:
    return cif().replace("loop_\n", "".join(f"{line}\n" for line in lines) + "loop_\n", 1)


@pytest.mark.parametrize(
    "lines",
    [
        ("_chemical_formula_sum 'Cl Na'", "_cell_formula_units_Z 4"),
        ("_chemical_formula_sum 'Na4 Cl4'", "_cell_formula_units_Z 4"),
        ("_chemical_formula_sum 'Na4 Cl4'", "_cell_formula_units_Z 1"),
        ("_cell_volume 179.4", "_exptl_crystal_density_diffrn 2.16"),
        ("_chemical_formula_sum ?", "_cell_formula_units_Z ?"),
        ("_chemical_formula_sum 'rock salt'",),
    ],
)
def test_what_agrees_or_says_nothing_gives_no_warning(lines: tuple[str, ...]) -> None:
    found = row(said(*lines))
    assert isinstance(found, Crystal)
    assert not found.warnings


@pytest.mark.parametrize(
    ("line", "word"),
    [("_cell_volume 100.1", "volume"), ("_exptl_crystal_density_diffrn 5.2", "density")],
)
def test_what_contradicts_in_less_than_composition_is_a_warning(line: str, word: str) -> None:
    found = row(said(line))
    assert isinstance(found, Crystal)
    assert word in found.warnings[0]


def test_other_numbers_of_units_and_multiplicities_are_warnings() -> None:
    found = row(said("_chemical_formula_sum 'Na Cl'", "_cell_formula_units_Z 7"))
    assert isinstance(found, Crystal)
    assert "8 atoms, but 14" in found.warnings[0]
    heads = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "symmetry_multiplicity")
    found = row(cif(("Na1 Na 0 0 0 5", "Cl1 Cl 0.5 0.5 0.5 5"), heads=heads))
    assert isinstance(found, Crystal)
    assert "multiplicities" in found.warnings[0]


def test_another_composition_is_refused() -> None:
    found = row(said("_chemical_formula_sum 'Na2 Cl'"))
    assert isinstance(found, Failure)
    assert isinstance(found.error, UnreadableError)
    assert "Na4 Cl4" in found.error.problem


@pytest.mark.parametrize(
    "text",
    [
        p1("K1 K 0 0 0 1", "O1 O 0.5 0 0 1").replace("loop_", "_chemical_formula_sum 'H K O'\nloop_", 1),
        p1("K1 K 0 0 0 1", "O1 O 0.5 0 0 1").replace("loop_", "_chemical_formula_structural 'K (O H)'\nloop_", 1),
        cif(
            ("K1 K 0 0 0 0", "O1 O 0.5 0 0 1"),
            operations=["x,y,z"],
            heads=("label", "type_symbol", "fract_x", "fract_y", "fract_z", "attached_hydrogens"),
        ),
    ],
)
def test_hydrogens_without_places_are_refused(text: str) -> None:
    found = row(text)
    assert isinstance(found, Failure)
    assert isinstance(found.error, CoordinatesError)
    assert "Hydrogens" in found.error.problem


def test_dummy_sites_are_no_atoms() -> None:
    heads = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "calc_flag")
    found = row(cif(("Na1 Na 0 0 0 d", "Cl1 Cl 0.5 0.5 0.5 d", "Cg1 C 0.25 0.25 0.25 dum"), heads=heads))
    assert isinstance(found, Crystal)
    assert set(found.numbers.tolist()) == {11, 17}


@pytest.mark.parametrize(
    "text",
    [
        cif().replace("data_", "DATA_"),
        cif() + "_a_text\n;\ndata_inside\nloop_\n_b\n;\n",
        "".join(line for line in cif().splitlines(keepends=True) if "_angle_" not in line),
        cif(("Na1 ? 0 0 0 1", "Cl1 . 0.5 0.5 0.5 1")),
        cif().replace("_cell_length_a", "_a_note '" + "x" * 3000 + "'\n_cell_length_a", 1),
        cif().replace("_atom_site_fract_", "_atom_site.fract_"),
        cif().replace("_cell_length_a", "_chemical_name_common a\n_chemical_name_common b\n_cell_length_a", 1),
    ],
    ids=["header in capitals", "header in a text", "no angles", "no types", "a long line", "dots", "a tag twice"],
)
def test_sound_files_in_other_dialects_are_read(text: str) -> None:
    found = row(text)
    assert isinstance(found, Crystal), found
    assert sorted(found.numbers.tolist()) == [11] * 4 + [17] * 4


def test_a_cell_given_twice_is_refused() -> None:
    found = row(cif().replace("_cell_length_a", "_cell_length_a 7\n_cell_length_a", 1))
    assert isinstance(found, Failure)
    assert "_cell_length_a" in found.error.problem


def test_a_length_without_value_is_named() -> None:
    found = row(cif().replace("_cell_length_b 5.64", "_cell_length_b ?"))
    assert isinstance(found, Failure)
    assert "_cell_length_b" in found.error.problem


@pytest.mark.parametrize(
    ("label", "elements", "number"),
    [
        ("Na1", (), 11), ("O2A", (), 8), ("SiB", (), 14), ("OW1", (8, 1), 8), ("CA1", (20,), 20), ("CA1", (6,), 6), ("Ala", (13,), 13),
        ("D1", (), 1), ("O(1)", (), 8),
    ],
)  # fmt: skip
def test_a_label_names_the_element_that_the_formula_has(label: str, elements: tuple[int, ...], number: int) -> None:
    assert of_label(label, elements) == number


@pytest.mark.parametrize("label", ["CA1", "Va1", "Du1", "T1", "M1", "Cg1", "1", ""])
def test_a_label_that_names_no_element_or_two_is_refused(label: str) -> None:
    with pytest.raises(ElementError):
        of_label(label)


@pytest.mark.parametrize(
    ("symbol", "number"),
    [
        ("Na", 11), ("NA", 11), ("Fe3+", 26), ("O2-", 8), ("O-2", 8), ("T", 1), ("Siva", 14), ("Ca(2+)", 20), ("Fe(III)", 26),
        ("O--", 8), ("Fe+++", 26), ("11B", 5), ("238U", 92), ("2H", 1), ("3H", 1), ("D1+", 1), ("Fe_pv", 26), ("Li_sv_GW", 3),
        ("OW", 8), ("Ow1", 8), ("HW", 1),
    ],
)  # fmt: skip
def test_type_symbols_may_have_charges_mass_numbers_and_any_case(symbol: str, number: int) -> None:
    assert of_type(symbol) == number


@pytest.mark.parametrize("symbol", ["1Fe", "99B", "Fe_x", "O-+", "Fe(IIII4)", "11", "_pv"])
def test_a_type_that_is_no_element_is_refused(symbol: str) -> None:
    with pytest.raises(ElementError):
        of_type(symbol)


def test_formulas_are_read_whole_or_not_at_all() -> None:
    assert formula_of("C6H12 O6") == {6: 6, 1: 12, 8: 6}
    assert formula_of("Fe0.5 Mg0.5 O") == {26: 0.5, 12: 0.5, 8: 1}
    assert not formula_of("(Fe,Mg)O")
    assert not formula_of("C6 Xx")


def test_the_limit_on_atoms_holds_for_sites_that_symmetry_multiplies() -> None:
    (found,) = read_blocks(cif(SALT), "a", "a.cif", 7)
    assert isinstance(found, Failure)


@pytest.mark.parametrize(
    "formula",
    [
        "_chemical_formula_sum 'Ca S O4 (H2 O)2'",
        "_chemical_formula_sum 'Ni (OH)2'",
        "_chemical_formula_structural 'NH4Cl'",
        "_chemical_formula_iupac 'H2 O'",
    ],
)
def test_hydrogens_are_found_in_every_formula(formula: str) -> None:
    found = row(p1("O1 O 0.5 0 0 1").replace("loop_", f"{formula}\nloop_", 1))
    assert isinstance(found, Failure)
    assert "Hydrogens" in found.error.problem


def test_a_formula_of_whole_numbers_is_exact() -> None:
    sites = [f"C{i} C {i / 61:.4f} 0 0 1" for i in range(60)]
    for kept, formula, expected in ((60, "C60", Crystal), (59, "C60", Crystal), (59, "C59 H1", Failure)):
        text = p1(*sites[:kept], cell=(120, 9, 9, 90, 90, 90)).replace(
            "loop_", f"_chemical_formula_sum '{formula}'\nloop_", 1
        )
        assert isinstance(row(text), expected)
    text = p1(*sites, "O1 O 0 0.5 0 1", cell=(120, 9, 9, 90, 90, 90))
    assert isinstance(row(text.replace("loop_", "_chemical_formula_sum 'C61 O1'\nloop_", 1)), Failure)


def test_the_units_of_a_formula_are_not_multiplied_twice() -> None:
    text = p1("Na1 Na 0 0 0 1", "O1 O .5 0 0 1").replace(
        "loop_", "_chemical_formula_sum 'Na2 O2'\n_cell_formula_units_Z 1\nloop_", 1
    )
    found = row(text)
    assert isinstance(found, Crystal)
    assert found.warnings


def test_a_block_that_only_speaks_of_sites_is_no_crystal() -> None:
    head = "data_global\n_atom_sites_solution_primary direct\n_publ_text\n;\nsee _atom_site_label and others\n;\n"
    found = row(head.replace("see _atom_site_label", "see atoms") + cif())
    assert isinstance(found, Crystal)
    assert found.id == "a"
