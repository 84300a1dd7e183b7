"""CIF: sound files, however odd, give the crystal that they mean, and broken ones the reason."""

from __future__ import annotations

import time
import warnings

import gemmi
import numpy as np
import pytest
from data.samples import CELL, CUBIC, FM3M, HEADS, SALT, cif, crystals, p1, same
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Structure

from cryskit.data.readers.cif import read_blocks
from cryskit.data.readers.from_pymatgen import from_structure
from cryskit.errors import (
    CoordinatesError,
    CrystalError,
    DisorderError,
    ElementError,
    LatticeError,
    SizeError,
    UnreadableError,
)
from cryskit.types import Crystal, Failure

NO_TYPE = ("label", "fract_x", "fract_y", "fract_z")


def rows(text: str, limit: int = 500) -> list[Crystal | Failure]:
    return list(read_blocks(text, "a", "a.cif", limit))


def row(text: str, limit: int = 500) -> Crystal | Failure:
    (only,) = rows(text, limit)
    return only


def by_pymatgen(text: str) -> Crystal:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_structure(Structure.from_str(text, fmt="cif"), "a")


SALT_FOUND = by_pymatgen(cif())

FINE = {
    "operations": cif(),
    "other tag for operations": cif().replace("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"),
    "H-M name only": cif(operations=[], symmetry="_symmetry_space_group_name_H-M 'F m -3 m'"),
    "group number only": cif(operations=[], symmetry="_symmetry_Int_Tables_number 225"),
    "charges": cif(("Na1 Na1+ 0 0 0 1", "Cl1 Cl1- 0.5 0.5 0.5 1")),
    "no type column": cif(("Na1 0 0 0", "Cl1 0.5 0.5 0.5"), heads=NO_TYPE),
    "standard uncertainties": cif(
        ("Na1 Na 0 0 0 1", "Cl1 Cl 0.5(5) 0.5(1) 0.500(12) 1"), cell=("5.6400(5)",) * 3 + (90,) * 3
    ),
    "empty block before": "data_empty\n_audit_creation_method x\n\n" + cif(),
    "empty block after": cif() + "data_empty\n_audit_creation_method x\n",
    "tags in capitals": cif()
    .replace("_cell_length_a", "_Cell_Length_A")
    .replace("_atom_site_fract_x", "_Atom_Site_Fract_X"),
    "Windows line ends": cif().replace("\n", "\r\n"),
    "comments and a text field": "# made by hand\n" + cif() + "_publ_section_comment\n;\ndescribed\nat length\n;\n",
    "capital letters": cif(("Na1 NA 0 0 0 1", "Cl1 CL 0.5 0.5 0.5 1")),
    "occupancy with decimals": cif(("Na1 Na 0 0 0 1.000", "Cl1 Cl 0.5 0.5 0.5 1.0")),
    "occupancy unknown": cif(("Na1 Na 0 0 0 ?", "Cl1 Cl 0.5 0.5 0.5 ?")),
    "dummy site of no occupancy": cif((*SALT, "X1 Xe 0.25 0.25 0.25 0")),
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE.keys())
def test_odd_but_sound_rock_salt_has_its_eight_atoms(text: str) -> None:
    found = row(text)
    assert same(found, SALT_FOUND)
    assert found.id == "a"


BROKEN: dict[str, tuple[str, type[CrystalError]]] = {
    "a site shared half and half": (cif(("Na1 Na 0 0 0 .5", "K1 K 0 0 0 .5", "Cl1 Cl .5 .5 .5 1")), DisorderError),
    "a site partly empty": (cif(("Na1 Na 0 0 0 0.9", "Cl1 Cl 0.5 0.5 0.5 1")), DisorderError),
    "occupancies that sum to 1.02": (cif(("Na1 Na 0 0 0 .51", "K1 K 0 0 0 .51", "Cl1 Cl .5 .5 .5 1")), DisorderError),
    "unknown coordinates": (cif(("Na1 Na ? ? ? 1", "Cl1 Cl 0.5 0.5 0.5 1")), CoordinatesError),
    "inapplicable coordinates": (cif(("Na1 Na . . . 1", "Cl1 Cl 0.5 0.5 0.5 1")), CoordinatesError),
    "coordinates that are words": (cif(("Na1 Na zero 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1")), CoordinatesError),
    "no coordinates": (cif(("Na1 Na", "Cl1 Cl"), heads=("label", "type_symbol")), CoordinatesError),
    "infinite coordinates": (p1("Na1 Na inf 0 0 1"), CoordinatesError),
    "two elements on one place": (p1("Na1 Na 0 0 0 1", "Cl1 Cl 0 0 0 1"), CoordinatesError),
    "two atoms nearly on one place": (p1("Na1 Na 0 0 0 1", "Cl1 Cl 0.01 0 0 1"), CoordinatesError),
    "hydrogens without coordinates": (p1("Ca1 Ca 0 0 0 1", "O1 OH 0.3 0.3 0.3 1"), CoordinatesError),
    "a cell of no length": (p1("Na1 Na 0 0 0 1", cell=(0, 0, 0, 90, 90, 90)), LatticeError),
    "a negative length": (p1("Na1 Na 0 0 0 1", cell=(-5, 5, 5, 90, 90, 90)), LatticeError),
    "a flat cell": (p1("Na1 Na 0 0 0 1", cell=(5, 5, 5, 60, 60, 120)), LatticeError),
    "angles that close no cell": (p1("Na1 Na 0 0 0 1", cell=(5, 5, 5, 30, 30, 120)), LatticeError),
    "an angle of zero": (p1("Na1 Na 0 0 0 1", cell=(5, 5, 5, 0, 90, 90)), LatticeError),
    "an unknown cell": (p1("Na1 Na 0 0 0 1", cell=("?",) * 6), LatticeError),
    "no cell": (cif().replace("_cell_", "_call_"), LatticeError),
    "an unknown element": (cif(("Xx1 Xx 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1")), ElementError),
    "a vacancy": (cif(("Va1 Va 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1")), ElementError),
    "a dummy atom by label": (cif(("Du1 0 0 0", "Cl1 0.5 0.5 0.5"), heads=NO_TYPE), ElementError),
    "an element without features": (p1("Lr1 Lr 0 0 0 1"), ElementError),
    "a truncated row": (cif()[: cif().index("0.5 0.5")], UnreadableError),
    "a truncated loop header": (cif()[: cif().index("_atom_site_fract_y")], CoordinatesError),
    "nothing after the cell": (cif()[: cif().index("loop_")], UnreadableError),
    "other text": ("Dear colleague,\nplease find the structure attached.\n", UnreadableError),
    "words for operations": (cif(operations=["x,y,z", "foo,bar,baz"]), UnreadableError),
    "an operation of two parts": (cif(operations=["x,y,z", "-x,-y"]), UnreadableError),
    "an operation that stretches": (cif(operations=["2x,y,z"]), UnreadableError),
    "an operation that collapses": (cif(operations=["x,y,z", "x,x,z"]), UnreadableError),
    "an operation divided by zero": (cif(operations=["x,y,z", "x,y,z+1/0"]), UnreadableError),
    "an operation with code": (cif(operations=["x,y,__import__('os').getcwd()"]), UnreadableError),
    "an endless operation": (cif(operations=["x,y," + "1" * 5000]), UnreadableError),
}


@pytest.mark.parametrize(("text", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_cif_is_a_failure_of_its_kind(text: str, error: type[CrystalError]) -> None:
    found = row(text)
    assert isinstance(found, Failure)
    assert type(found.error) is error
    assert found.error.source == "a.cif"
    assert found.error.problem
    assert found.error.cure


def test_deuterium_is_hydrogen() -> None:
    heavy = row(p1("D1 D 0 0 0 1", "O1 O 0.25 0.25 0.25 1"))
    assert isinstance(heavy, Crystal)
    assert sorted(heavy.numbers) == [1, 8]


def test_thirds_are_rounded_as_pymatgen_does() -> None:
    text = p1(
        "Mg1 Mg 0.3333 0.6667 0.25 1",
        "O1 O 0.33338 0.66660 0.75 1",
        "O2 O 0.3331 0.6662 0 1",
        cell=(3, 3, 5, 90, 90, 120),
    )
    found = row(text)
    assert isinstance(found, Crystal)
    assert found.fractional[0, 0] == 1 / 3
    assert found.fractional[2, 0] == 0.3331
    assert same(found, by_pymatgen(text), 1e-12)


def test_blocks_with_atoms_are_crystals_of_their_own() -> None:
    other = p1("Fe1 Fe 0 0 0 1", cell=(2.5, 2.5, 2.5, 90, 90, 90)).replace("data_NaCl", "data_Fe")
    found = rows(cif() + other + cif(("Na1 Na ? 0 0 1",), name="bad"))
    assert [item.id for item in found] == ["a:0", "a:1", "a:2"]
    assert [len(item) for item in found[:2]] == [8, 1]  # type: ignore[arg-type]
    assert isinstance(found[2], Failure)


@pytest.mark.parametrize("symbol", ["Na", "NA"])
def test_a_lone_atom_outside_a_loop_is_read(symbol: str) -> None:
    cell = [f"_cell_{key} {value}" for key, value in zip(CELL, CUBIC, strict=True)]
    site = [
        f"_atom_site_{key} {value}" for key, value in zip(HEADS, ["Na1", symbol, "0.25", "0", "0", "1"], strict=True)
    ]
    found = row("\n".join(["data_a", "_space_group_IT_number 1", *cell, *site, ""]))
    assert isinstance(found, Crystal)
    assert found.fractional.tolist() == [[0.25, 0, 0]]
    assert found.numbers.tolist() == [11]


def test_too_many_atoms_name_the_limit() -> None:
    found = row(cif(), limit=7)
    assert isinstance(found, Failure)
    assert isinstance(found.error, SizeError)
    assert "limit is 7" in str(found.error)
    assert "`limit`" in str(found.error)
    assert isinstance(row(cif(), limit=8), Crystal)


@pytest.mark.parametrize(
    "sites",
    [
        [f"Na{i} Na {i / 5000:.5f} 0 0 1" for i in range(5000)],
        [f"Na{i} Na {i / 5000:.5f} 0 0 0.5" for i in range(5000)],
        [f"Na{i} Na {0.02 * i + 0.001:.4f} 0.13 0.29 0.5" for i in range(49)],
    ],
    ids=["ordered", "disordered", "by symmetry"],
)
def test_too_many_atoms_are_refused_at_once(sites: list[str]) -> None:
    start = time.process_time()
    found = row(cif(sites))
    assert isinstance(found, Failure)
    assert isinstance(found.error, SizeError | DisorderError)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    "text", ["\n" * 300_000 + cif(), cif() + "'" * 300_000, "data_a\n_atom_site_label\n" + " " * 300_000]
)
def test_text_made_to_stall_a_pattern_does_not(text: str) -> None:
    start = time.process_time()
    assert len(rows(text)) == 1
    assert time.process_time() - start < 2.0


SHARED = cif(("Fe1 Fe2+ 0 0 0 .5", "Fe2 Fe3+ 0 0 0 .5"))
TWICE = {
    "two valences on one site": SHARED,
    "the corners of the cell": cif(("Fe1 Fe 0 0 0 1", "Fe2 Fe 1 1 1 1")),
    "all sites and all operations": cif([f"Fe{i} Fe {x} 1" for i, x in enumerate(["0 0 0", ".5 .5 0", ".5 0 .5"])]),
    "three thirds": cif([f"Fe{i} Fe 0 0 0 {share}" for i, share in enumerate([".3333", ".3333", ".3334"])]),
    "nearly whole": cif(("Fe1 Fe 0 0 0 0.9999",)),
    "next to a special position": cif(("Fe1 Fe 0 0 0.003 1",)),
}


@pytest.mark.parametrize("text", TWICE.values(), ids=TWICE.keys())
def test_atoms_that_are_listed_twice_or_in_parts_are_one(text: str) -> None:
    assert same(row(text), by_pymatgen(cif(("Fe1 Fe 0 0 0 1",))))


PLACES = st.sampled_from(
    [0.0, 0.5, 0.25, -0.25, 1 / 3, 2 / 3, 0.3333, 0.6667, 0.1667, 0.8333, 0.99999, 1.0]
) | st.floats(-1, 2)
GROUPS = st.sampled_from(
    ["P -1", "P 1 21/c 1", "P n m a", "I 41/a m d:2", "P 63/m m c", "R -3 m:H", "R -3 m:R", "F d -3 m:1", "I a -3 d"]
)


def cell_of(group: gemmi.SpaceGroup) -> tuple[float, ...]:
    cells = {
        "triclinic": (5, 6, 7, 80, 95, 100),
        "monoclinic": (5, 6, 7, 90, 105, 90),
        "orthorhombic": (5, 6, 7, 90, 90, 90),
        "tetragonal": (5, 5, 7, 90, 90, 90),
        "trigonal": (5, 5, 9, 90, 90, 120) if group.ext == "H" else (5, 5, 5, 75, 75, 75),
        "hexagonal": (5, 5, 9, 90, 90, 120),
        "cubic": (7, 7, 7, 90, 90, 90),
    }
    return cells[group.crystal_system_str()]


@settings(max_examples=60)
@given(GROUPS, st.lists(st.tuples(PLACES, PLACES, PLACES), min_size=1, max_size=2), st.sampled_from([4, 5, 8]))
def test_symmetry_makes_of_general_sites_what_pymatgen_makes(
    name: str, sites: list[tuple[float, ...]], digits: int
) -> None:
    group = gemmi.find_spacegroup_by_name(name)
    lines = [f"O{i} O {' '.join(f'{x:.{digits}f}' for x in site)} 1" for i, site in enumerate(sites)]
    text = cif(lines, cell=cell_of(group), operations=[op.triplet() for op in group.operations()])
    found = row(text)
    try:
        expected = by_pymatgen(text)
    except ValueError:  # equal sites, which are one atom here
        assert isinstance(found, Crystal)
        return
    if isinstance(found, Crystal) and len(found) == len(expected):
        assert same(found, expected, 1e-3)
    else:  # images next to one another, which are one atom here and several there
        assert isinstance(found, Failure) or len(found) < len(expected)


@settings(max_examples=40)
@given(crystals())
def test_a_crystal_written_by_pymatgen_comes_back(crystal: Crystal) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases have no electronegativity
        structure = Structure(crystal.lattice, crystal.numbers, crystal.fractional)
        text = str(structure.to(fmt="cif", significant_figures=12))
    found = row(text)
    assert same(found, by_pymatgen(text))
    assert isinstance(found, Crystal)
    assert np.allclose(np.linalg.det(found.lattice), abs(np.linalg.det(crystal.lattice)))


def test_all_operations_of_the_sample_are_used() -> None:
    assert len(FM3M) == 192
    assert len(SALT_FOUND) == 8
