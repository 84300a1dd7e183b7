"""pymatgen structures, as objects or dictionaries, to crystals."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pymatgen.core import Structure

from cryskit.data.row_labels import with_labels
from cryskit.data.targets import known_id
from cryskit.errors import UnreadableError, one_line
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
    """Return a pymatgen structure as a crystal; what its properties know becomes its labels.

    Args:
        structure: Ordered, periodic in three directions.
        name: Id of the crystal, unless its properties have one.

    Raises:
        DisorderError: A site is partly occupied or shared.
        ElementError: A species is no element.
        LatticeError: It is not periodic in all directions.
    """
    properties = structure.properties or {}
    crystal = Crystal.from_pymatgen(structure, known_id(properties) or name)
    return with_labels(crystal, properties)


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
            raise UnreadableError(
                f"pymatgen cannot read the structure ({one_line(error)})", "Write it with as_dict"
            ) from error
    return from_structure(structure, name)
