"""The 92 element features: layout, known facts, and which elements they cannot distinguish."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from cryskit.elements import BLOCKS, ELEMENTS, FEATURE_COUNT, block_of, chemical_system, feature_name, features, formula

SIZES = {
    "group": 19,
    "period": 7,
    "electronegativity": 10,
    "covalent_radius": 10,
    "valence_electrons": 12,
    "ionisation_energy": 10,
    "electron_affinity": 10,
    "block": 4,
    "atomic_volume": 10,
}


def names(symbol: str) -> set[str]:
    return {feature_name(int(feature)) for feature in np.flatnonzero(features()[atomic_numbers[symbol]])}


def test_the_blocks_tile_the_ninety_two_columns_in_order() -> None:
    assert {name: columns.stop - columns.start for name, columns in BLOCKS.items()} == SIZES
    assert list(BLOCKS) == list(SIZES)
    assert [feature for columns in BLOCKS.values() for feature in range(columns.start, columns.stop)] == list(range(92))
    assert FEATURE_COUNT == 92


def test_the_table_is_read_only_and_row_zero_is_empty() -> None:
    table = features()
    assert table.shape == (ELEMENTS + 1, FEATURE_COUNT)
    assert table.dtype == np.float32
    assert table is features()
    assert not table[0].any()
    with pytest.raises(ValueError, match="read-only"):
        table[1, 0] = 1


@pytest.mark.parametrize("name", SIZES)
def test_every_block_has_one_feature_or_none(name: str) -> None:
    counts = features()[1:, BLOCKS[name]].sum(axis=1)
    assert set(counts) <= {0, 1}
    if name not in {"electronegativity", "electron_affinity", "atomic_volume"}:
        assert (counts == 1).all()


@pytest.mark.parametrize(
    ("symbol", "group", "period", "block", "electrons"),
    [
        ("H", "1", 1, "s", 1),
        ("He", "18", 1, "s", 2),
        ("F", "17", 2, "p", 7),
        ("Fe", "8", 4, "d", 8),
        ("Pd", "10", 5, "d", 10),
        ("Ga", "13", 4, "p", 3),
        ("Ba", "2", 6, "s", 2),
        ("La", "none", 6, "f", 2),
        ("Er", "none", 6, "f", 2),
        ("Lu", "3", 6, "d", 3),
        ("Au", "11", 6, "d", 11),
        ("U", "none", 7, "f", 2),
    ],
)
def test_the_place_in_the_periodic_table_is_right(
    symbol: str, group: str, period: int, block: str, electrons: int
) -> None:
    expected = {f"group {group}", f"period {period}", f"block {block}", f"valence electrons {electrons}"}
    assert expected <= names(symbol)


def test_binned_quantities_fall_into_the_interval_that_their_name_gives() -> None:
    # Pauling electronegativity 3.98, ionisation energy 17.42 eV, electron affinity 3.40 eV
    assert {
        "electronegativity 3.65 to 4",
        "ionisation energy 14.9 to 18.2 eV",
        "electron affinity 3.03 to 3.7 eV",
    } <= names("F")
    assert "atomic volume 55.7 to 73.7 cm3/mol" in names("Cs")  # 70.9 cm3/mol
    for number in range(1, ELEMENTS + 1):
        name = next(name for name in names(chemical_symbols[number]) if name.startswith("covalent radius"))
        low, high = float(name.split()[2]), float(name.split()[4])
        assert low - 1e-9 <= 100 * covalent_radii[number] < high or high == 250


def test_missing_values_set_no_feature() -> None:
    table = features()
    for symbol in ("He", "Ne", "Ar"):
        assert not table[atomic_numbers[symbol], BLOCKS["electronegativity"]].any()
    for symbol in ("He", "N", "Mg", "Zn", "Hg"):  # their anions are not bound
        assert not table[atomic_numbers[symbol], BLOCKS["electron_affinity"]].any()
    assert not table[atomic_numbers["Fr"], BLOCKS["atomic_volume"]].any()


def test_the_elements_that_cannot_be_distinguished_are_known() -> None:
    alike: dict[bytes, set[str]] = {}
    for number in range(1, ELEMENTS + 1):
        alike.setdefault(features()[number].tobytes(), set()).add(chemical_symbols[number])
    shared = [symbols for symbols in alike.values() if len(symbols) > 1]
    assert all(atomic_numbers[symbol] >= 57 for symbols in shared for symbol in symbols)
    assert {frozenset(symbols) for symbols in shared} == {
        frozenset({"Nd", "Pm", "Sm", "Tb"}),
        frozenset({"Gd", "Dy", "Ho", "Er"}),
        frozenset({"Am", "Cm"}),
        frozenset({"Bk", "Cf"}),
    }


def test_every_column_has_a_name_of_its_own() -> None:
    assert len({feature_name(feature) for feature in range(FEATURE_COUNT)}) == FEATURE_COUNT
    assert (feature_name(0), feature_name(2), feature_name(19)) == ("group none", "group 2", "period 1")
    assert feature_name(28) == "electronegativity 1.2 to 1.55"
    assert (block_of(0), block_of(35), block_of(91)) == ("group", "electronegativity", "atomic_volume")
    with pytest.raises(IndexError, match="from 0 to 91"):
        block_of(92)


def test_formula_and_chemical_system_forget_order_and_cell() -> None:
    assert formula([8, 38, 8, 22, 8]) == formula([8] * 6 + [38, 38, 22, 22]) == "SrTiO3"
    assert chemical_system([8, 38, 8, 22, 8]) == "O-Sr-Ti"
    assert formula([26, 26]) == chemical_system([26]) == "Fe"
    assert formula([2, 10, 10, 2]) == "HeNe"  # without electronegativity, and without a warning
    with pytest.raises(ValueError, match="0"):
        formula([0])


def test_the_table_is_the_one_that_published_models_were_trained_on() -> None:
    """A library that corrects a value changes features: then published models need the old table, which they carry."""
    digest = hashlib.sha256(np.packbits(features().astype(bool)).tobytes()).hexdigest()
    assert digest.startswith("cd6aca43ec1aea33")
