"""What is drawn of a crystal: images on the faces, an oblique view, the polyhedra that a chemist would draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryskit.data.read import read_one
from cryskit.elements import symbol
from cryskit.explain.scene import Scene, oblique, scene

EXAMPLES = Path(__file__).parents[2] / "examples"


def drawn(name: str) -> Scene:
    crystal = read_one(EXAMPLES / f"{name}.cif")
    return scene([symbol(z) for z in crystal.numbers.tolist()], crystal.lattice, crystal.fractional)


def test_atoms_on_faces_edges_and_corners_are_drawn_on_each() -> None:
    found = drawn("SrTiO3")
    counts = {name: list(found.atoms.symbols).count(name) for name in ("Sr", "Ti", "O")}
    assert sorted(counts.values()) in ([1, 6, 8], [3, 8, 12]), "corners and faces, or corners and edges"
    assert {name: len(set(found.origin[found.atoms.symbols == name])) for name in counts} == {"Sr": 1, "Ti": 1, "O": 3}
    distances = found.atoms.get_all_distances()
    assert distances[~np.eye(len(distances), dtype=bool)].min() > 1.5, "no atom is drawn twice at one place"


def test_the_view_is_oblique_and_strains_nothing() -> None:
    turn = oblique()
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    assert turn[1, 2] > 0.9, "the z axis points up"
    assert (np.abs(turn) > 0.05)[:, :2].all(), "and no other is seen end on"


@pytest.mark.parametrize(
    ("name", "centre", "corners"),
    [("SrTiO3", "Ti", 6), ("SiO2-quartz", "Si", 4), ("TiO2-rutile", "Ti", 6), ("MgO", "Mg", 6)],
)
def test_cations_have_the_polyhedra_of_their_anions(name: str, centre: str, corners: int) -> None:
    found = drawn(name)
    for atom, mesh in zip(found.atoms.symbols, found.polyhedra, strict=True):
        if atom == centre:
            assert len(mesh["vertices"]) == corners
        if atom == "O":
            assert len(mesh["simplices"]) == 1


@pytest.mark.parametrize("name", ["Si", "Cu", "C-graphite", "GaAs"])
def test_elements_and_what_is_hardly_polar_have_none(name: str) -> None:
    assert not drawn(name).has_polyhedra
