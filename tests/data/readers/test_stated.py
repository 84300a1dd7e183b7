"""What JSON and tables state of the sites: a contradiction is refused, or the crystal is read with a warning; never in silence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from data.readers.test_exchange import ATOMS, CELL, FOUND, HALVES, SALT, entry
from data.samples import same

from cryskit.data.read import read, read_one
from cryskit.errors import UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

ASE: dict[str, Any] = {name: value.tolist() for name, value in ATOMS.todict().items()}
FORMS: dict[str, dict[str, Any]] = {
    "pymatgen": SALT.as_dict(),
    "row": {"material_id": "a", "structure": SALT.as_dict()},
    "row of text": {"material_id": "a", "structure": SALT.to_json()},
    "jarvis": {"jid": "a", "atoms": {"lattice_mat": CELL, "coords": HALVES, "elements": ["Cs", "Cl"]}},
    "optimade": entry()["attributes"],
    "ase": ASE,
    "plain": {"lattice": CELL, "frac_coords": HALVES, "atomic_numbers": [55, 17]},
}
AGREES = {"nsites": 2, "natoms": 2.0, "nelements": 2, "chemical_formula_reduced": "ClCs", "formula_pretty": "CsCl"}
WARNED = [{"nsites": 3}, {"natoms": 1}, {"nsites": 0}, {"nsites": 2, "natoms": 4}]
REFUSED = [
    {"nelements": 3},
    {"chemical_formula_reduced": "Cl2Cs"},
    {"formula_pretty": "CsBr"},
    {"formula_pretty": "Cs"},
]
NOTHING = [
    {"nsites": "many"},
    {"nsites": [3]},
    {"nelements": None},
    {"formula_pretty": "x"},
    {"nsites": True},
    {"natoms": {}},
]


@pytest.mark.parametrize("form", FORMS)
def test_what_agrees_or_says_nothing_is_read_without_a_warning(form: str) -> None:
    for facts in ({}, AGREES, *NOTHING):
        found = read_one(FORMS[form] | facts)
        assert same(found, FOUND)
        assert found.warnings == ()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("facts", WARNED, ids=str)
def test_another_number_of_sites_is_a_warning(form: str, facts: dict[str, Any]) -> None:
    found = read_one(FORMS[form] | facts)
    assert same(found, FOUND)
    assert found.warnings
    assert all(warning.startswith("The cell has 2 atoms, but ") for warning in found.warnings)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("facts", REFUSED, ids=str)
def test_another_composition_is_refused(form: str, facts: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError, match=r"The cell holds .* of the file"):
        read_one(FORMS[form] | facts)


def test_a_site_that_was_lost_on_the_way_is_noticed(tmp_path: Path) -> None:
    """In every form that a site can be lost in, in files and in tables."""
    lost = SALT.as_dict()
    del lost["sites"][1]
    attributes = entry(chemical_formula_reduced="ClCs")["attributes"]
    attributes["cartesian_site_positions"], attributes["species_at_sites"] = [[0, 0, 0]], ["A"]
    ase = ASE | {"numbers": [55], "positions": [[0, 0, 0]], "natoms": 2}
    rows = [
        lost | {"nsites": 2},
        {"structure": lost, "nelements": 2},
        {"type": "structures", "attributes": attributes},
        ase,
    ]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = list(read(tmp_path / "a.jsonl"))
    assert all(isinstance(row, Failure) or row.warnings for row in found)
    pd.DataFrame({"structure": [json.dumps(lost)] * 2, "nsites": [1, 2]}).to_csv(tmp_path / "a.csv", index=False)
    first, second = read(tmp_path / "a.csv")
    assert isinstance(first, Crystal)
    assert isinstance(second, Crystal)
    assert first.warnings == ()
    assert second.warnings == ("The cell has 1 atoms, but 2 by nsites of the file",)
