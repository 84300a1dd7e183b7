"""Structures as OPTIMADE and ASE write them in JSON, pymatgen's with Cartesian coordinates only, and texts in tables."""

from __future__ import annotations

import copy
import io
import json
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from data.samples import cif, same
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Poscar

from cryskit.data.read import read, read_one
from cryskit.data.readers import cells
from cryskit.errors import DisorderError, ElementError, LatticeError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

CELL = (4.12 * np.eye(3)).tolist()
HALVES = [[0, 0, 0], [0.5, 0.5, 0.5]]
FOUND = Crystal("CsCl", 4.12 * np.eye(3), np.array(HALVES), np.array([55, 17]))
SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], HALVES)
ATOMS = Atoms("CsCl", cell=CELL, scaled_positions=HALVES, pbc=True)


def entry(**changed: Any) -> dict[str, Any]:
    attributes = {
        "lattice_vectors": CELL,
        "cartesian_site_positions": [[0, 0, 0], [2.06, 2.06, 2.06]],
        "species_at_sites": ["A", "Cl"],
        "species": [species("A", "Cs"), species("Cl", "Cl")],
        "dimension_types": [1, 1, 1],
        "nsites": 2,
        "_odb_band_gap": 5.5,
    }
    return {"id": "odb-1", "type": "structures", "attributes": attributes | changed}


def species(name: str, *symbols: str, share: float = 1.0, **further: Any) -> dict[str, Any]:
    return {"name": name, "chemical_symbols": list(symbols), "concentration": [share] * len(symbols), **further}


def test_an_answer_of_optimade(tmp_path: Path) -> None:
    answer = {"data": [entry(), entry() | {"id": "odb-2"}], "meta": {"api_version": "1.1.0"}, "links": {"next": None}}
    (tmp_path / "a.json").write_text(json.dumps(answer))
    rows = list(read(tmp_path / "a.json"))
    assert [row.id for row in rows] == ["odb-1", "odb-2"]
    assert all(same(row, FOUND) for row in rows)
    assert isinstance(rows[0], Crystal)
    assert rows[0].targets == {"_odb_band_gap": 5.5}
    (tmp_path / "one.json").write_text(json.dumps({"data": entry()}))
    assert same(read_one(tmp_path / "one.json"), FOUND)
    assert same(read_one(entry()["attributes"]), FOUND)


def test_json_lines_of_optimade(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"x-optimade": {"meta": {}}},
        {"type": "info", "id": "structures"},
        entry(),
        entry(species=None),
    ]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    good, bad = read(tmp_path / "a.jsonl")
    assert same(good, FOUND)
    assert isinstance(bad, Failure)
    assert isinstance(bad.error, ElementError)


@pytest.mark.parametrize(
    ("changed", "error", "reason"),
    [
        ({"species": [species("A", "Cs", "Na", share=0.5), species("Cl", "Cl")]}, DisorderError, "'A' is"),
        ({"species": [species("A", "vacancy"), species("Cl", "Cl")]}, DisorderError, "vacancy"),
        ({"species": [species("A", "Cs", share=0.5), species("Cl", "Cl")]}, DisorderError, r"0\.5"),
        (
            {"species": [species("A", "C", attached=["H"], nattached=[1]), species("Cl", "Cl")]},
            ElementError,
            "attached",
        ),
        ({"species": [species("A", "X"), species("Cl", "Cl")]}, ElementError, "'X'"),
        ({"dimension_types": [1, 1, 0]}, LatticeError, "three directions"),
        ({"lattice_vectors": [[0, 0, 0]] * 3}, LatticeError, "volume"),
        ({"cartesian_site_positions": None}, UnreadableError, "has no cartesian_site_positions"),
    ],
)
def test_what_optimade_says_that_is_no_ordered_crystal_is_refused(
    changed: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        read_one(entry(**changed))


def test_a_data_base_of_ase_in_json(tmp_path: Path) -> None:
    import ase.db

    with ase.db.connect(tmp_path / "a.json") as base:
        base.write(ATOMS, band_gap=5.5, label="x")
        base.write(Atoms("Fe", cell=[2, 2, 2]))
    good, bad = read(tmp_path / "a.json")
    assert (good.id, bad.id) == ("a:1", "a:2")
    assert same(good, FOUND)
    assert isinstance(good, Crystal)
    assert good.targets == {"band_gap": 5.5}
    assert isinstance(bad, Failure)
    assert isinstance(bad.error, LatticeError)


def test_atoms_of_ase_as_json(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "a.json", ATOMS)
    found = read_one(tmp_path / "a.json")
    assert found.id == "a"
    assert same(found, FOUND)
    plain = {name: value.tolist() for name, value in ATOMS.todict().items()}
    assert same(read_one(plain), FOUND)
    assert same(read_one(ATOMS.todict()), FOUND)


def test_sites_of_pymatgen_with_cartesian_coordinates_only() -> None:
    data = SALT.as_dict()
    for site in data["sites"]:
        del site["abc"]
    before = copy.deepcopy(data)
    assert same(read_one(data), FOUND)
    assert data == before
    data["lattice"]["matrix"] = [[0, 0, 0]] * 3
    with pytest.raises(LatticeError, match="no volume"):
        read_one(data)


def texts() -> dict[str, str]:
    written = io.StringIO()
    ase.io.write(written, ATOMS, format="extxyz")
    return {
        "poscar": Poscar(SALT).get_str(),
        "xyz": written.getvalue(),
        "json": SALT.to_json(),
        "python": repr(json.loads(SALT.to_json())),
    }


@pytest.mark.parametrize("form", texts())
def test_a_cell_of_a_table_holds_any_text_of_a_structure(tmp_path: Path, form: str) -> None:
    pd.DataFrame({"id": ["s"], "structure": [texts()[form]], "band_gap": [5.5]}).to_csv(tmp_path / "a.csv", index=False)
    (found,) = read(tmp_path / "a.csv")
    assert found.id == "s"
    assert same(found, FOUND)
    assert isinstance(found, Crystal)
    assert found.targets == {"band_gap": 5.5}


@pytest.mark.parametrize("column", ["poscar", "xyz"])
def test_a_column_may_be_called_by_its_format(column: str) -> None:
    assert same(read_one(pd.DataFrame({column: [texts()[column]]})), FOUND)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{'a': __import__('os')}", "nor a dictionary as Python prints it"),
        ("{'a': 1", "nor a dictionary"),
        ("{" * 100_000, r"nor a dictionary|nested"),
        ("{'a': 1}", "has only a"),
        ("rock salt", "'rock salt' is no structure"),
        ("2\nnothing\nFe 0 0 0\n", "image"),
        (2 * '1\nLattice="3 0 0 0 3 0 0 0 3"\nFe 0 0 0\n', "several images"),
    ],
)
def test_a_text_that_is_no_structure_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_one({"structure": text})


def test_a_long_text_is_not_parsed_as_python() -> None:
    with pytest.raises(SizeError, match="1 MB"):
        cells.dictionary_of("{'a': " + "1" * cells.LONGEST)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_table_may_be_separated_by_semicolons_or_tabs(tmp_path: Path, separator: str, decimal: str) -> None:
    if decimal == "," and separator != ";":
        decimal = "."
    frame = pd.DataFrame({"band_gap": [5.5, 0.0], "id": ["a", "b"], "note": ["x, y; z", ""], "cif": [cif(), cif()]})
    frame.to_csv(tmp_path / "a.csv", sep=separator, decimal=decimal, index=False)
    rows = list(read(tmp_path / "a.csv"))
    assert [row.id for row in rows] == ["a", "b"]
    assert [row.targets for row in rows if isinstance(row, Crystal)] == [{"band_gap": 5.5}, {"band_gap": 0.0}]


def test_a_table_without_structures_says_which_columns_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name;gap\na;1,5\n")
    with pytest.raises(Exception, match="the columns name, gap and no structures"):
        read(tmp_path / "a.csv")


def test_a_line_with_too_many_values_is_a_failure_that_costs_no_other_row(tmp_path: Path) -> None:
    text = json.dumps(cif()).replace("\\n", "\n").replace('\\"', '""')
    (tmp_path / "a.csv").write_text(f"id,cif\na,{text}\nb,x,y,z\nc,{text}\n")
    rows = list(read(tmp_path / "a.csv"))
    assert sorted(row.id for row in rows if isinstance(row, Crystal)) == ["a", "c"]
    (bad,) = (row for row in rows if isinstance(row, Failure))
    assert bad.id == "a:1"
    assert "expected 2 values, found 4" in str(bad.error)


def test_an_id_that_is_no_utf_8_costs_no_row_of_a_table(tmp_path: Path) -> None:
    data = pd.DataFrame({"id": ["caf?", "b"], "cif": [cif(), cif()]}).to_csv(index=False).encode()
    (tmp_path / "a.csv").write_bytes(data.replace(b"caf?", b"caf\xe9"))
    assert [row.id for row in read(tmp_path / "a.csv") if isinstance(row, Crystal)] == ["caf\\xe9", "b"]


def test_a_wide_table_is_read_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryskit.data.readers.frames._CELLS", 20)
    sizes = []
    monkeypatch.setattr(
        "cryskit.data.readers.frames.from_frame", lambda frame, *_: sizes.append(len(frame)) or iter(())
    )
    frame = pd.DataFrame({"structure": ["x"] * 10} | {f"x{i}": [1.5] * 10 for i in range(9)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert not list(read(tmp_path / "a.csv"))
    assert sizes == [2] * 5
