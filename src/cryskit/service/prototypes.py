"""Crystals of well-known structure types, with elements and lattice chosen: something to begin with where there is no file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from gemmi import SpaceGroup
from pymatgen.core import Composition, Element, Lattice

from cryskit.elements import ELEMENTS, formula, symbol
from cryskit.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRIGONAL = 2 / 3


@dataclass(frozen=True)
class Prototype:
    """A structure type.

    Attributes:
        title: Name that people know.
        group: Symbol of the space group.
        sites: Site to the element that it has unless another is chosen and the fractional coordinates of one of its atoms.
        touching: Pairs of sites whose atoms touch; the lattice is as large as their radii ask for.
        radii: Radii that touch: those of ions, or covalent ones.
        ratio: c / a.
        hexagonal: Whether the angle between a and b is 120 degrees.
    """

    title: str
    group: str
    sites: Mapping[str, tuple[str, tuple[float, float, float]]]
    touching: tuple[tuple[str, str], ...]
    radii: Literal["ionic", "covalent"] = "ionic"
    ratio: float = 1.0
    hexagonal: bool = False

    @property
    def system(self) -> str:
        """Crystal system of the cell."""
        return "hexagonal" if self.hexagonal else "cubic" if self.ratio == 1.0 else "tetragonal"


_O = (0.0, 0.0, 0.0)
_BODY = (0.5, 0.5, 0.5)
_QUARTER = (0.25, 0.25, 0.25)
_LAYER = (1 / 3, _TRIGONAL, 0.25)
_AA, _AB, _AC, _AX, _BC, _BX = (("A", "A"), ("A", "B"), ("A", "C"), ("A", "X"), ("B", "C"), ("B", "X"))
PROTOTYPES: Mapping[str, Prototype] = {
    "rock-salt": Prototype("Rock salt", "Fm-3m", {"A": ("Na", _O), "X": ("Cl", _BODY)}, (_AX,)),
    "caesium-chloride": Prototype("Caesium chloride", "Pm-3m", {"A": ("Cs", _O), "X": ("Cl", _BODY)}, (_AX,)),
    "zincblende": Prototype("Zincblende", "F-43m", {"A": ("Zn", _O), "X": ("S", _QUARTER)}, (_AX,), "covalent"),
    "wurtzite": Prototype(
        "Wurtzite",
        "P6_3mc",
        {"A": ("Zn", (1 / 3, _TRIGONAL, 0.0)), "X": ("O", (1 / 3, _TRIGONAL, 0.375))},
        (_AX,),
        "covalent",
        (8 / 3) ** 0.5,
        hexagonal=True,
    ),
    "fluorite": Prototype("Fluorite", "Fm-3m", {"A": ("Ca", _O), "X": ("F", _QUARTER)}, (_AX,)),
    "antifluorite": Prototype("Antifluorite", "Fm-3m", {"A": ("Li", _QUARTER), "X": ("O", _O)}, (_AX,)),
    "rutile": Prototype("Rutile", "P4_2/mnm", {"A": ("Ti", _O), "X": ("O", (0.305, 0.305, 0.0))}, (_AX,), ratio=0.644),
    "perovskite": Prototype(
        "Perovskite, cubic", "Pm-3m", {"A": ("Sr", _O), "B": ("Ti", _BODY), "X": ("O", (0.5, 0.5, 0.0))}, (_AX, _BX)
    ),
    "spinel": Prototype(
        "Spinel",
        "Fd-3m",
        {"A": ("Mg", _O), "B": ("Al", (0.625, 0.625, 0.625)), "X": ("O", (0.3875, 0.3875, 0.3875))},
        (_BX,),
    ),
    "nickel-arsenide": Prototype(
        "Nickel arsenide",
        "P6_3/mmc",
        {"A": ("Ni", _O), "X": ("As", _LAYER)},
        (_AX,),
        "covalent",
        1.39,
        hexagonal=True,
    ),
    "bcc": Prototype("Body-centred cubic", "Im-3m", {"A": ("Fe", _O)}, (_AA,), "covalent"),
    "fcc": Prototype("Face-centred cubic", "Fm-3m", {"A": ("Cu", _O)}, (_AA,), "covalent"),
    "hcp": Prototype(
        "Hexagonal close packed",
        "P6_3/mmc",
        {"A": ("Mg", _LAYER)},
        (_AA,),
        "covalent",
        (8 / 3) ** 0.5,
        hexagonal=True,
    ),
    "diamond": Prototype("Diamond", "Fd-3m", {"A": ("Si", _O)}, (_AA,), "covalent"),
    "cu3au": Prototype(
        "Cu3Au, ordered", "Pm-3m", {"A": ("Cu", (0.0, 0.5, 0.5)), "B": ("Au", _O)}, (_AA, _AB), "covalent"
    ),
    "half-heusler": Prototype(
        "Half-Heusler",
        "F-43m",
        {"A": ("Ti", _O), "B": ("Ni", _QUARTER), "C": ("Sn", _BODY)},
        (_AB, _BC),
        "covalent",
    ),
    "heusler": Prototype(
        "Heusler", "Fm-3m", {"A": ("Co", _QUARTER), "B": ("Mn", _O), "C": ("Si", _BODY)}, (_AB, _AC), "covalent"
    ),
}
"""Structure types by name."""


def listed() -> list[dict[str, Any]]:
    """Return what a client has to know of each structure type."""
    return [
        {
            "name": name,
            "title": found.title,
            "space_group": found.group,
            "system": found.system,
            "ratio": found.ratio,
            "sites": {site: element for site, (element, _) in found.sites.items()},
        }
        for name, found in PROTOTYPES.items()
    ]


def built(
    name: str, elements: Mapping[str, str] | None = None, a: float | None = None, ratio: float | None = None
) -> dict[str, Any]:
    """Return a crystal as the routes take it, with its id, its lattice in angstrom, and c / a.

    Args:
        name: Name of a structure type.
        elements: Site to symbol of its element; sites that are not named keep theirs.
        a: Length of the lattice vector a in angstrom; as the radii of the elements ask for if it is None.
        ratio: c / a; that of the structure type if it is None.

    Raises:
        UnknownNameError: There is no such structure type, site or element.
    """
    if name not in PROTOTYPES:
        raise UnknownNameError("structure type", name, PROTOTYPES)
    wanted = PROTOTYPES[name]
    chosen = {site: element for site, (element, _) in wanted.sites.items()}
    for site, element in (elements or {}).items():
        if site not in chosen:
            raise UnknownNameError("site", site, chosen)
        if element not in _symbols():
            raise UnknownNameError("element", element, _symbols())
        chosen[site] = element
    shape = wanted.ratio if ratio is None or wanted.system == "cubic" else ratio
    sites, places = _placed(name)
    lattice = (Lattice.hexagonal if wanted.hexagonal else Lattice.tetragonal)(1.0, shape).matrix
    numbers = [atomic_numbers[chosen[site]] for site in sites]
    length = _length(wanted, _radii(wanted, chosen, numbers), sites, places, lattice) if a is None else a
    return {
        "id": f"{formula(np.array(numbers))} {name}",
        "lattice": (lattice * length).tolist(),
        "frac_coords": places.tolist(),
        "atomic_numbers": numbers,
        "a": length,
        "ratio": shape,
    }


@cache
def _symbols() -> tuple[str, ...]:
    return tuple(symbol(z) for z in range(1, ELEMENTS + 1))


@cache
def _placed(name: str) -> tuple[list[str], np.ndarray]:
    """Return the site and the (N, 3) fractional coordinates of each atom of the conventional cell of a structure type."""
    sites, places = list[str](), list[list[float]]()
    operations = list(SpaceGroup(PROTOTYPES[name].group).operations())
    for site, (_, place) in PROTOTYPES[name].sites.items():
        every = [[round(x, 9) % 1.0 for x in operation.apply_to_xyz(list(place))] for operation in operations]
        distinct = sorted(set(map(tuple, every)))
        sites += [site] * len(distinct)
        places += map(list, distinct)
    return sites, np.array(places)


def _length(
    wanted: Prototype, radii: Mapping[str, float], sites: list[str], places: np.ndarray, lattice: np.ndarray
) -> float:
    """Return the least length of a in angstrom at which no atoms overlap that touch.

    Args:
        wanted: The structure type.
        radii: Site to radius in angstrom.
        sites: Site of each of N atoms.
        places: (N, 3) fractional coordinates of the N atoms.
        lattice: (3, 3) the lattice vectors as rows where a = 1.
    """
    kinds = np.array(sites)
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 1, 3)
    lengths = []
    for first, second in wanted.touching:
        start = places[np.flatnonzero(kinds == first)[0]]
        apart = np.linalg.norm((places[kinds == second] + shifts - start) @ lattice, axis=-1)
        lengths.append((radii[first] + radii[second]) / apart[apart > 1e-3].min())
    return round(float(max(lengths)), 3)


def _radii(wanted: Prototype, chosen: Mapping[str, str], numbers: list[int]) -> dict[str, float]:
    """Return the radius of each site in angstrom: those of ions where charges are known that add up to zero, covalent ones else."""
    covalent = {site: float(covalent_radii[atomic_numbers[element]]) for site, element in chosen.items()}
    if wanted.radii == "covalent":
        return covalent
    guesses = Composition(formula(np.array(numbers))).oxi_state_guesses()
    charges = guesses[0] if guesses else {}
    found = {site: Element(element).ionic_radii.get(charges.get(element)) for site, element in chosen.items()}
    known = {site: float(radius) for site, radius in found.items() if radius}
    return known if len(known) == len(chosen) else covalent
