"""Structures as OPTIMADE and ASE write them in JSON, to crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.data.readers.symbols import atomic_number
from cryskit.errors import CoordinatesError, DisorderError, ElementError, LatticeError, UnreadableError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPTIMADE = {"lattice_vectors", "cartesian_site_positions", "species_at_sites"}
_OPTIMADE_FACTS = {"nelements", "nperiodic_dimensions", "nsites", "space_group_it_number"}
_ASE = {"numbers", "positions", "cell"}


def is_optimade(value: Mapping[str, Any]) -> bool:
    """Return whether a dictionary is an entry of OPTIMADE with a structure, or the attributes of one."""
    return value.keys() >= _OPTIMADE or (
        value.get("type") == "structures" and isinstance(value.get("attributes"), dict)
    )


def is_ase(value: Mapping[str, Any]) -> bool:
    """Return whether a dictionary is a row of ASE's data base in JSON, or what `Atoms.todict` gives."""
    return value.keys() >= _ASE


def is_head(value: Any) -> bool:
    """Return whether a line of OPTIMADE's JSON lines is about the file, not about a structure."""
    return isinstance(value, dict) and ("x-optimade" in value or value.get("type") == "info")


def properties_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what such a dictionary says of the crystal in addition to its structure, by column."""
    found: Any = (
        value.get("attributes", value)
        if is_optimade(value)
        else (value.get("key_value_pairs") or value.get("info") or {})
    )
    return (
        {name: each for name, each in found.items() if name not in _OPTIMADE_FACTS} if isinstance(found, dict) else {}
    )


def from_optimade(entry: Mapping[str, Any], name: str) -> Crystal:
    """Return the structure of an OPTIMADE entry.

    Args:
        entry: An entry with `attributes`, or these alone.
        name: Id of the crystal.

    Raises:
        CoordinatesError: It says that some of its atoms have no known place.
        DisorderError: A species has several elements, a vacancy, or an occupancy other than one, or sites are taken in turns.
        ElementError: A site or a species names no element.
        LatticeError: It does not repeat in three directions, or its cell has no volume.
        UnreadableError: The entry has no positions.
    """
    data = entry.get("attributes", entry)
    missing = [key for key in sorted(_OPTIMADE) if data.get(key) is None]
    if missing:
        raise UnreadableError(f"The entry has no {', '.join(missing)}", "Ask the data base for these fields, too")
    if any(flag != 1 for flag in data.get("dimension_types") or ()):
        raise LatticeError(
            f"It repeats in the directions {data['dimension_types']} only",
            "Give a cell that repeats in three directions",
        )
    elements = {each["name"]: _element(each) for each in data.get("species") or ()}
    _refuse_features(data)
    numbers = [elements[site] if site in elements else atomic_number(site) for site in data["species_at_sites"]]
    lattice = np.array(data["lattice_vectors"], dtype=np.float64)
    positions = np.array(data["cartesian_site_positions"], dtype=np.float64).reshape(-1, 3)
    return Crystal(name, lattice, fractional(lattice, positions), np.array(numbers, dtype=np.int64))


def _refuse_features(data: Mapping[str, Any]) -> None:
    """Refuse an entry that says of itself that its sites are not the whole crystal."""
    features = set(data.get("structure_features") or ())
    if features & {"disorder", "assemblies"} or data.get("assemblies"):
        raise DisorderError(
            "Its sites are partly occupied or taken in turns, as it says itself", "Give an ordered cell"
        )
    if features & {"implicit_atoms", "unknown_positions"}:
        raise CoordinatesError("Some of its atoms have no known place, as it says itself", "Give a place for each atom")


def _element(species: Mapping[str, Any]) -> int:
    """Return the atomic number of a species of OPTIMADE."""
    symbols, shares = species["chemical_symbols"], species.get("concentration") or [1.0]
    if len(symbols) != 1 or "vacancy" in symbols or any(abs(share - 1) > 1e-6 for share in shares):
        raise DisorderError(
            f"The species {species['name']!r} is {symbols} in the shares {shares}", "Give an ordered cell"
        )
    if species.get("attached") or symbols[0] == "X":
        raise ElementError(
            f"The species {species['name']!r} is no single known atom: some are attached or it is 'X'",
            "Give a place and an element for each atom",
        )
    return atomic_number(symbols[0])


def from_ase_dictionary(data: Mapping[str, Any], name: str) -> Crystal:
    """Return a structure that ASE wrote as JSON.

    Args:
        data: A row of its data base, or what `Atoms.todict` gives, with `numbers`, `positions`, `cell` and `pbc`.
        name: Id of the crystal.

    Raises:
        LatticeError: It does not repeat in three directions, or its cell has no volume.
    """
    periodic = _array(data.get("pbc", False))
    if not periodic.all():
        raise LatticeError(
            f"The atoms have no full periodic cell (pbc {periodic.astype(bool).tolist()})", "Set `atoms.pbc = True`"
        )
    lattice = _array(data["cell"])
    if lattice.size == 3:
        lattice = np.diag(lattice.ravel())
    positions = _array(data["positions"]).reshape(-1, 3)
    return Crystal(name, lattice, fractional(lattice, positions), whole(_array(data["numbers"])))


def _array(value: Any) -> np.ndarray:
    """Return an array, also one that ASE wrote as {"__ndarray__": [shape, type, numbers]}."""
    if isinstance(value, dict) and "array" in value:
        value = value["array"]
    if isinstance(value, dict) and "__ndarray__" in value:
        shape, _, flat = value["__ndarray__"]
        return np.array(flat, dtype=np.float64).reshape(shape)
    return np.array(value, dtype=np.float64)


def fractional(lattice: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return Cartesian positions as fractional coordinates.

    Args:
        lattice: (3, 3) lattice vectors as rows, angstrom.
        positions: (N, 3) positions, angstrom.

    Raises:
        LatticeError: The cell has no volume.
    """
    if lattice.shape != (3, 3):
        raise LatticeError(f"The lattice has shape {lattice.shape}, expected (3, 3)", "Give three vectors as rows")
    try:
        solved: np.ndarray = np.linalg.solve(lattice.T, positions.T).T.reshape(-1, 3)
    except np.linalg.LinAlgError as error:
        raise LatticeError("The cell has no volume", "Give three independent lattice vectors in angstrom") from error
    if np.isfinite(lattice).all() and not np.isfinite(solved).all():
        raise CoordinatesError("A coordinate is no finite number", "Give three coordinates for each atom")
    return solved


def whole(values: Any) -> np.ndarray:
    """Return atomic numbers as whole numbers.

    Args:
        values: (N,) numbers or texts of numbers.

    Raises:
        ElementError: One is no whole number.
    """
    numbers = np.array(values, dtype=np.float64)
    if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all() and (abs(numbers) < 2**31).all()):
        raise ElementError("An atomic number is missing or no whole number", "Give the atomic number of each atom")
    return numbers.astype(np.int64)
