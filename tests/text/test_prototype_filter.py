"""What the counts of atoms leave out does not match."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.structure_matcher import StructureMatcher

from cryskit.data.read import read_one
from cryskit.text.prototype_filter import PrototypeFilter, counts, reduced

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.cif"))


@pytest.fixture(scope="module")
def structures() -> dict[str, Structure]:
    crystals = [read_one(path) for path in EXAMPLES]
    return {c.id: Structure(c.lattice, c.numbers.tolist(), c.fractional) for c in crystals}


def test_no_match_is_lost(structures: dict[str, Structure]) -> None:
    """Every pair that pymatgen matches, even by loose tolerances, is possible; most pairs are not."""
    matcher = StructureMatcher(ltol=0.4, stol=0.6, angle_tol=10)
    known = PrototypeFilter(structures)
    possible = {(name, label) for name, s in structures.items() for label, _ in known.possible(reduced(s), structures)}
    matched = {
        (a, b) for a, b in product(structures, structures) if matcher.fit_anonymous(structures[b], structures[a])
    }
    assert matched <= possible
    assert len(matched) > len(structures), "some match others than themselves: Si and diamond, NaCl and MgO"
    assert len(possible) < len(structures) ** 2 / 4


def test_they_come_in_the_order_asked_for(structures: dict[str, Structure]) -> None:
    known = PrototypeFilter(structures)
    halite = reduced(structures["NaCl"])
    found = [label for label, _ in known.possible(halite, ["MgO", "SrTiO3", "CsCl", "NaCl"])]
    assert found == ["MgO", "CsCl", "NaCl"]


def test_counts_are_those_of_the_primitive_cell() -> None:
    perovskite = Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(3.9), ["Sr", "Ti", "O"], [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0]]
    )
    assert counts(reduced(perovskite * (2, 1, 1))) == (1, 1, 3)


def test_only_those_of_the_same_stoichiometry_are_reduced(
    structures: dict[str, Structure], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    known = PrototypeFilter({name: s * (2, 1, 1) for name, s in structures.items()})
    halite, corundum = reduced(structures["NaCl"]), reduced(structures["Al2O3"])
    monkeypatch.setattr(
        "cryskit.text.prototype_filter.reduced", lambda s: asked.append(s.composition.reduced_formula) or reduced(s)
    )
    assert [label for label, _ in known.possible(halite, structures)] == ["CsCl", "GaAs", "MgO", "NaCl"]
    assert {"CsCl", "NaCl"} <= set(asked)
    assert not {"Si", "SrTiO3", "Al2O3"} & set(asked)
    known.possible(halite, structures)
    assert len(asked) == len(set(asked)), "each is reduced once"
    assert [label for label, _ in known.possible(corundum, structures)] == ["Al2O3"]
