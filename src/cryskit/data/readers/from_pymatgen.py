"""pymatgen structures, as objects or dictionaries, to crystals."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import DummySpecies, Structure

from cryskit.data.targets import known_id, labels, targets
from cryskit.errors import DisorderError, ElementError, LatticeError, UnreadableError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping

PARSER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    Warning,
)
"""What pymatgen's and ASE's parsers have been seen to raise on damaged files; they declare nothing."""


def from_structure(structure: Structure, name: str) -> Crystal:
    """Return a pymatgen structure as a crystal; numbers among its properties become targets.

    Args:
        structure: Ordered, periodic in three directions.
        name: Id of the crystal, unless its properties have one.

    Raises:
        DisorderError: A site is partly occupied or shared.
        ElementError: A species is no element.
        LatticeError: It is not periodic in all directions.
    """
    if not all(structure.lattice.pbc):
        raise LatticeError(
            f"The structure is periodic along {structure.lattice.pbc} only",
            "Give a cell that repeats in three directions",
        )
    for i, site in enumerate(structure):
        if not site.is_ordered:
            raise DisorderError(f"Site {i + 1} is {site.species_string}", "Give an ordered cell")
        if isinstance(site.specie, DummySpecies):
            raise ElementError(f"Site {i + 1} is {site.specie}, no element", "Name an element of the periodic table")
    properties = structure.properties or {}
    return Crystal(
        known_id(properties) or name,
        np.array(structure.lattice.matrix),
        np.array(structure.frac_coords).reshape(-1, 3),
        np.array([site.specie.Z for site in structure], dtype=np.int64),
        targets=targets(properties),
        labels=labels(properties),
    )


def from_dictionary(data: Mapping[str, Any], name: str) -> Crystal:
    """Return a pymatgen structure that was written as a dictionary.

    Args:
        data: What `Structure.as_dict` gives.
        name: Id of the crystal.

    Raises:
        CrystalError: It is no structure, or none that can be used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structure = Structure.from_dict(dict(data))
        except PARSER_ERRORS as error:
            raise UnreadableError(f"pymatgen cannot read the structure ({error!r})", "Write it with as_dict") from error
    return from_structure(structure, name)
