"""CIF blocks that gemmi leaves in doubt: what pymatgen reads, as a crystal or one of our errors.

Where pymatgen lets pass what is no crystal, it is refused first: symmetry operations that are none (they would
collapse the cell), sites that stand for no element ("Va" would become vanadium, "Du" hydrogen), and sites for
several atoms at once ("OH", which pymatgen leaves out).
"""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import Lattice, SymmOp
from pymatgen.io.cif import CifBlock, CifParser, str2float

from cryskit.data.readers.from_pymatgen import PARSER_ERRORS, from_structure
from cryskit.data.readers.symbols import atomic_number
from cryskit.data.validate import validate_size
from cryskit.errors import (
    CoordinatesError,
    CrystalError,
    DisorderError,
    ElementError,
    LatticeError,
    SizeError,
    UnreadableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryskit.types import Crystal

_LONGEST_LINE = 2048  # of CIF 1.1; pymatgen's patterns take a time that grows with its square
_LONGEST_OPERATION = 64
_FLAT = 1e-3  # cubic angstrom
_IMAGES = 40  # times the limit: sites times operations beyond which pymatgen takes minutes
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_CELL = tuple(
    f"_cell_{kind}" for kind in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
)
_FRACTIONAL = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
_OTHER_TYPES = {"ow", "hw", "cval", "siva"}  # type symbols other than elements that pymatgen reads rightly
_MOLECULES = ("OH", "O-H", "Wat", "wat", "H2O", "NO3", "NH4")  # pymatgen drops their sites or their hydrogens
_PLACEHOLDERS = {"", "va", "vac", "du", "dum", "dummy", "t"}  # labels that begin like an element and are none


def parse(text: str, name: str, limit: int) -> Crystal:
    """Parse a CIF block with pymatgen and return the crystal.

    Args:
        text: Text of one data block.
        name: Id of the crystal.
        limit: Number of atoms that a cell may have.

    Raises:
        CrystalError: It is none, for the reason that the type of the error says.
    """
    text = re.sub(r"\n\s*\n", "\n", text)
    if max(map(len, text.split("\n"))) > _LONGEST_LINE:
        raise UnreadableError(f"A line is longer than {_LONGEST_LINE} characters", "Break it: CIF allows no more")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(text)
            data: dict[str, Any] = next(iter(parser.as_dict().values()))
        except (*PARSER_ERRORS, StopIteration) as error:
            raise UnreadableError(f"It is damaged or no CIF ({error})", "Give a whole CIF file") from error
        _refuse(data, limit)
        try:
            structures = parser.parse_structures(primitive=False, on_error="raise")
        except PARSER_ERRORS as error:
            raise _reason(data, error) from error
    if any("implicit hydrogens" in warning for warning in parser.warnings):
        raise CoordinatesError("Hydrogens are given without coordinates", "Add a site for each hydrogen")
    return from_structure(structures[0], name)


def group_operations(names: Mapping[str, str]) -> np.ndarray | None:
    """Return the symmetry operations that pymatgen takes a named or numbered group for; it takes half a second.

    Args:
        names: CIF tag to its value.

    Returns:
        (S, 4, 4) affine matrices of fractional coordinates, or None if pymatgen fails.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            operations = CifParser.from_str("data_a").get_symops(CifBlock(dict(names), [], "a"))
        except PARSER_ERRORS:
            return None
    return np.array([operation.affine_matrix for operation in operations], dtype=np.float64)


def _values(data: Mapping[str, Any], tag: str) -> list[str]:
    value = data.get(tag) or data.get(f"{tag}_") or []
    return [value] if isinstance(value, str) else list(value)


def _refuse(data: Mapping[str, Any], limit: int) -> None:
    """Raise for what pymatgen would misread, or take for ever to read."""
    sites = len(_values(data, "_atom_site_label"))
    operations = [text for tag in _OPERATIONS for text in _values(data, tag)]
    validate_size(max(sites, 1), limit)
    if sites * (len(operations) or 192) > _IMAGES * limit:
        raise SizeError(
            f"{sites} sites and {len(operations) or 'up to 192'} symmetry operations make more than {limit} atoms",
            "Give the primitive cell, or raise `limit` when reading",
        )
    _refuse_operations(operations)
    _refuse_symbols(_values(data, "_atom_site_type_symbol"), _values(data, "_atom_site_label"))
    for tag in _FRACTIONAL:
        for text in _values(data, tag):
            if not math.isfinite(_number(text)):
                raise CoordinatesError(f"{tag} is {text!r}, expected a number", "Give each atom three coordinates")
    for tag in _CELL:
        for text in _values(data, tag):
            if not 0 < _number(text) < (180 if "angle" in tag else math.inf):
                raise LatticeError(
                    f"{tag} is {text!r}", "Give lengths in angstrom and angles between 0 and 180 degrees"
                )


def _refuse_operations(operations: Iterable[str]) -> None:
    for text in operations:
        try:
            rotation = (
                SymmOp.from_xyz_str(text).rotation_matrix if len(text) <= _LONGEST_OPERATION else np.zeros((3, 3))
            )
        except PARSER_ERRORS:
            rotation = np.zeros((3, 3))
        proper = np.isin(rotation, (-1.0, 0.0, 1.0)).all() and np.isclose(abs(np.linalg.det(rotation)), 1.0)
        if text.count(",") != 2 or not proper:
            raise UnreadableError(
                f"{text[:_LONGEST_OPERATION]!r} is no symmetry operation", "Write it such as 'x, -y, z+1/2'"
            )


def _refuse_symbols(types: list[str], labels: list[str]) -> None:
    for text in types or labels:
        if text.startswith(_MOLECULES):
            raise CoordinatesError(f"{text!r} stands for several atoms", "Give each atom a site, hydrogens too")
        letters = re.match("[A-Za-z]*", text)
        symbol = letters[0].lower() if letters else ""
        known = symbol in _OTHER_TYPES or _is_element(symbol) if types else symbol not in _PLACEHOLDERS
        if not known:
            raise ElementError(f"{text!r} is no element", "Write the symbol as in the periodic table, such as Na")


def _is_element(symbol: str) -> bool:
    try:
        return atomic_number(symbol.capitalize()) > 0
    except ElementError:
        return False


def _number(text: str) -> float:
    """Return a number without its standard uncertainty, NaN if it is none; "." is unknown here, zero to pymatgen."""
    try:
        return float("nan") if text.strip() == "." else float(str2float(text))
    except ValueError:
        return float("nan")


def _reason(data: Mapping[str, Any], error: Exception) -> CrystalError:
    """Return what pymatgen found wrong as an error of ours."""
    if any(not _values(data, tag) for tag in _FRACTIONAL):
        return CoordinatesError("The atoms have no fractional coordinates", "Give _atom_site_fract_x, _y and _z")
    cell = [_number(text) for tag in _CELL for text in _values(data, tag)[:1]]
    if len(cell) < len(_CELL) or not abs(Lattice.from_parameters(*cell).volume) > _FLAT:
        return LatticeError("The cell is missing or has no volume", "Give _cell_length_a to _cell_angle_gamma")
    shares = [_number(text) for text in _values(data, "_atom_site_occupancy")]
    if any(share != 1 for share in shares if not math.isnan(share)):
        return DisorderError("Sites are partly occupied or shared", "Give an ordered cell")
    if "Occupancy" in str(error):
        return CoordinatesError(
            "Two atoms lie on one another", "Remove the duplicate, or mend the coordinates or the symmetry operations"
        )
    return UnreadableError(f"pymatgen cannot read it ({error.__cause__ or error})", "Mend or replace the CIF")
