"""Structures of other libraries, known by the name of their class, so that no library is imported to ask."""

from __future__ import annotations

from typing import Any

from cryskit.types import Crystal

_CLASSES = {
    ("pymatgen", "IStructure"): "pymatgen",
    ("ase", "Atoms"): "ase",
    ("pandas", "DataFrame"): "frame",
    ("pandas", "Series"): "series",
}
_DOCUMENT = ("structure", "material_id")  # attributes of what mp-api returns


def kind_of(value: Any) -> str | None:
    """Return "crystal", "pymatgen", "ase", "frame", "series" or "document" (of mp-api), or None if the value is no such object."""
    if isinstance(value, Crystal):
        return "crystal"
    for base in type(value).__mro__:
        kind = _CLASSES.get((base.__module__.partition(".")[0], base.__name__))
        if kind:
            return kind
    return "document" if all(hasattr(value, name) for name in _DOCUMENT) else None


def is_structure_object(value: Any) -> bool:
    """Return whether a value is an object that holds one structure."""
    return kind_of(value) in {"crystal", "pymatgen", "ase", "document"}


def record_of(document: Any) -> dict[str, Any]:
    """Return a document of mp-api as a row: its structure, its id as text, and its numbers.

    Args:
        document: Object for which `kind_of` gives "document".
    """
    plain = {name: value for name, value in vars(document).items() if isinstance(value, int | float | str)}
    return plain | {"structure": document.structure, "material_id": str(document.material_id)}


def from_object(value: Any, name: str) -> Crystal:
    """Return a Crystal, pymatgen structure or ASE atoms as a crystal.

    Args:
        value: Object for which `kind_of` gives "crystal", "pymatgen" or "ase".
        name: Id of the crystal if the object has none.

    Raises:
        CrystalError: It cannot be used.
    """
    if isinstance(value, Crystal):
        return value
    if kind_of(value) == "ase":
        from cryskit.data.readers.from_ase import from_atoms  # noqa: PLC0415 - its library is needed for such objects only

        return from_atoms(value, name)
    from cryskit.data.readers.from_pymatgen import from_structure  # noqa: PLC0415

    return from_structure(value, name)
