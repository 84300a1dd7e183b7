"""What is drawn of a crystal: its cell with the periodic images on its faces, turned to an oblique view, and coordination polyhedra."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import neighbor_list
from pymatgen.core import Element
from scipy.spatial import ConvexHull, QhullError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ON_FACE = 0.01  # fractional coordinate below which an atom has an image on the opposite face
_BOND = 1.2  # largest length of a bond in sums of covalent radii
_CORNERS = (4, 8)  # fewest and most corners of a polyhedron; larger ones hide all others
_PULL = 0.5  # by how much more electronegative a corner is than the atom within
_MOST = 200  # atoms in a cell, above which no polyhedra are looked for
_TURN, _TILT = np.radians(-25.0), np.radians(12.0)
_NOTHING: dict[str, Any] = {"vertices": [[0.0, 0.0, 0.0]] * 3, "simplices": [[0, 1, 2]]}


class Scene(NamedTuple):
    """What is drawn.

    Attributes:
        atoms: The atoms of the cell and their images on its faces, turned.
        origin: (M,) the atom of the crystal that each of them is.
        polyhedra: For each of them a mesh, `vertices` from the atom in angstrom and `simplices`; of one point where it has no polyhedron.
    """

    atoms: Atoms
    origin: np.ndarray
    polyhedra: list[dict[str, Any]]

    @property
    def has_polyhedra(self) -> bool:
        """Whether an atom has a polyhedron."""
        return any(len(each["simplices"]) > 1 for each in self.polyhedra)


def scene(symbols: Sequence[str], lattice: np.ndarray, fractional: np.ndarray) -> Scene:
    """Return what is drawn of a crystal.

    Args:
        symbols: Symbol of each of N atoms.
        lattice: (3, 3) its lattice vectors as rows, in angstrom.
        fractional: (N, 3) fractional coordinates.
    """
    inside = fractional - np.floor(fractional + _ON_FACE)
    places = [
        (atom, position + shift)
        for atom, position in enumerate(inside)
        for shift in product(*((0, 1) if abs(x) < _ON_FACE else (0,) for x in position))
    ]
    origin, completed = np.array([atom for atom, _ in places]), np.array([place for _, place in places])
    turned = lattice @ oblique().T
    cell = Atoms(list(symbols), scaled_positions=inside, cell=turned, pbc=True)
    drawn = Atoms([symbols[atom] for atom in origin], positions=completed @ turned, cell=turned, pbc=True)
    meshes = _polyhedra(cell) if len(cell) <= _MOST else {}
    return Scene(drawn, origin, [meshes.get(atom, _NOTHING) for atom in origin.tolist()])


def oblique() -> np.ndarray:
    """Return the rotation, (3, 3), of the first view: the z axis up, seen from slightly above and from the side."""
    up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    turn = np.array([[np.cos(_TURN), 0, np.sin(_TURN)], [0, 1, 0], [-np.sin(_TURN), 0, np.cos(_TURN)]])
    tilt = np.array([[1.0, 0, 0], [0, np.cos(_TILT), -np.sin(_TILT)], [0, np.sin(_TILT), np.cos(_TILT)]])
    return np.asarray(tilt @ turn @ up)


def _polyhedra(cell: Atoms) -> dict[int, dict[str, Any]]:
    """Return the mesh of each atom that has four to eight more electronegative neighbours, not in a plane, one of which is its nearest."""
    found = {}
    pull = np.array([Element(symbol).X if Element(symbol).data.get("X") else np.nan for symbol in cell.symbols])
    reach = [_BOND * covalent_radii[atomic_numbers[symbol]] for symbol in cell.symbols]
    first, second, distances, vectors = neighbor_list("ijdD", cell, reach)
    for atom in range(len(cell)):
        near, is_corner = first == atom, pull[second] > pull[atom] + _PULL
        corners = vectors[near & is_corner]
        if not _CORNERS[0] <= len(corners) <= _CORNERS[1]:
            continue
        if not is_corner[near][distances[near].argmin()]:
            continue
        try:
            hull = ConvexHull(corners)
        except QhullError:  # in a plane
            continue
        found[atom] = {"vertices": corners.tolist(), "simplices": hull.simplices.tolist()}
    return found
