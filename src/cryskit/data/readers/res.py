"""SHELX .res files to crystals: those that list every atom of the cell, as AIRSS and other searches for structures write them.

ASE passes over operations, over lattice centring, over shares, and over atoms whose coordinates are written "1e-5": each in
silence, so these lines are read here. Refinements with symmetry are refused; they come with a CIF.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from ase.geometry import cellpar_to_cell
from ase.io.res import Res

from cryskit.data.readers.numbers import is_number, to_float
from cryskit.data.readers.symbols import of_type
from cryskit.data.targets import targets
from cryskit.data.validate import make_row, validate_size
from cryskit.errors import CoordinatesError, DisorderError, LatticeError, UnreadableError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryskit.data.files import InputFile
    from cryskit.types import Failure

_INSTRUCTIONS = frozenset(
    [
        "ABIN",
        "ACTA",
        "AFIX",
        "ANIS",
        "ANSC",
        "ANSR",
        "BASF",
        "BIND",
        "BLOC",
        "BOND",
        "BUMP",
        "CELL",
        "CGLS",
        "CHIV",
        "CONF",
        "CONN",
        "DAMP",
        "DANG",
        "DEFS",
        "DELU",
        "DFIX",
        "DISP",
        "EADP",
        "EQIV",
        "EXTI",
        "EXYZ",
        "FEND",
        "FLAT",
        "FMAP",
        "FRAG",
        "FREE",
        "FVAR",
        "GRID",
        "HFIX",
        "HKLF",
        "HTAB",
        "ISOR",
        "L.S.",
        "LATT",
        "LAUE",
        "LIST",
        "MERG",
        "MORE",
        "MOVE",
        "MPLA",
        "NCSY",
        "NEUT",
        "OMIT",
        "PART",
        "PLAN",
        "PRIG",
        "REM",
        "RESI",
        "RIGU",
        "RTAB",
        "SADI",
        "SAME",
        "SFAC",
        "SHEL",
        "SIMU",
        "SIZE",
        "SPEC",
        "STIR",
        "SUMP",
        "SWAT",
        "SYMM",
        "TEMP",
        "TIME",
        "TITL",
        "TWIN",
        "TWST",
        "UNIT",
        "WGHT",
        "WIGL",
        "WPDB",
        "XNPD",
        "ZERR",
    ]
)
_END = {"END", "HKLF"}
_FIXED = 10.0  # is added to a number that is not refined
_WHOLE = 5e-3  # how far from one a share may be and count as one


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a SHELX .res file, which holds one crystal.

    Args:
        file: The file, whose id is that of the crystal.
        limit: Number of atoms that a cell may have.
    """
    yield make_row(file.id, file.name, lambda: _parse(file.read_text(), file.id, limit), limit)


def _parse(text: str, name: str, limit: int) -> Crystal:  # noqa: C901 - one branch for each instruction
    title, kinds, cell = "", list[str](), None
    warnings: tuple[str, ...] = ("The file has no line LATT: its atoms are taken as all of the cell",)
    atoms: list[tuple[int, list[float]]] = []
    whole = False
    for line in re.sub(r"=[ \t]*\r?\n", " ", text).splitlines():
        words = line.partition("!")[0].split()
        key = words[0].upper()[:4] if words else "REM"
        if key in _END:
            whole = True
            break
        if key == "TITL":
            title = line
        elif key == "CELL":
            cell = _cell(words)
        elif key == "SFAC":
            kinds += words[1:] if not any(map(is_number, words[1:])) else words[1:2]
        elif key in {"SYMM", "PART"} or (key == "LATT" and words[1:] != ["-1"]):
            _refuse_symmetry(key, words)
        elif key == "LATT":
            warnings = ()
        elif key not in _INSTRUCTIONS and len(words) >= 5:
            atoms.append(_atom(words, kinds))
    if cell is None:
        raise LatticeError("The line CELL is missing", "Give a whole .res file")
    if not (whole and atoms):
        raise UnreadableError("It has no line END or lists no atoms", "Give a whole .res file")
    validate_size(len(atoms), limit)
    numbers, positions = zip(*atoms, strict=True)
    return Crystal(name, cell, np.array(positions), np.array(numbers), targets=_targets(title), warnings=warnings)


def _refuse_symmetry(key: str, words: Sequence[str]) -> None:
    """Raise for lines by which the listed atoms are not those of the cell."""
    if key == "PART" and words[1:2] != ["0"]:
        raise DisorderError("Sites are alternatives (PART)", "Give an ordered cell")
    if key != "PART":
        raise UnreadableError(
            f"It lists only the atoms that symmetry does not make ({' '.join(words)[:40]})",
            "Give the CIF of the refinement, or a .res file with LATT -1 and all atoms",
        )


def _cell(words: Sequence[str]) -> np.ndarray:
    found = [to_float(word) if is_number(word) else np.nan for word in words[2:8]]
    if len(found) != 6 or not all(0 < angle < 180 for angle in found[3:]) or not 0 < min(found) <= max(found) < np.inf:
        raise LatticeError("The line CELL has no wavelength, three lengths and three angles", "Give a whole .res file")
    try:
        cell: np.ndarray = cellpar_to_cell(found)
    except (AssertionError, ArithmeticError) as error:
        raise LatticeError("The angles of the cell make no cell: it has no volume", "Mend the line CELL") from error
    return cell


def _atom(words: Sequence[str], kinds: Sequence[str]) -> tuple[int, list[float]]:
    """Return atomic number and coordinates of a line: name, number in SFAC, x, y, z, share, displacements."""
    if not (words[1].isascii() and words[1].isdigit() and all(map(is_number, words[2:6]))):
        raise CoordinatesError(f"{' '.join(words)[:60]!r} is no atom", "Give name, number in SFAC, x, y, z, share")
    place = int(words[1][:6])
    if not 1 <= place <= len(kinds):
        raise UnreadableError(f"SFAC has {len(kinds)} elements, and an atom is number {place}", "Mend the line SFAC")
    if len(words) > 5 and abs(to_float(words[5]) % _FIXED - 1.0) > _WHOLE:
        raise DisorderError(f"The site {words[0]} has the share {words[5]}", "Give an ordered cell")
    position = [to_float(word) for word in words[2:5]]
    fixed = [value - _FIXED if _FIXED / 2 < value < 1.5 * _FIXED else value for value in position]
    return of_type(kinds[place - 1]), fixed


def _targets(title: str) -> dict[str, float]:
    try:
        return targets(Res.parse_title(title))
    except (ValueError, IndexError):
        return {}
