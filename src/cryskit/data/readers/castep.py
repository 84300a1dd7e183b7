"""CASTEP .cell files to crystals: the blocks of the lattice and of the positions.

ASE's reader starts CASTEP to ask for its keywords and writes into the home folder, so these two blocks are read here.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from ase.geometry import cellpar_to_cell

from cryskit.data.readers.numbers import to_float
from cryskit.data.readers.symbols import of_type
from cryskit.data.validate import make_row, validate_size
from cryskit.errors import CoordinatesError, DisorderError, LatticeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.files import InputFile

_BLOCK = re.compile(r"^\s*%BLOCK\s+(\w+)\s*$(.*?)^\s*%ENDBLOCK", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"[!#;].*|\bCOMMENT\b.*", re.IGNORECASE)
_UNITS = {"ang": 1.0, "bohr": 0.529177210903, "a0": 0.529177210903, "nm": 10.0, "pm": 0.01, "m": 1e10, "cm": 1e8}


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a CASTEP .cell file, which holds one crystal.

    Args:
        file: The file, whose id is that of the crystal.
        limit: Number of atoms that a cell may have.
    """
    yield make_row(file.id, file.name, lambda: _parse(file.read_text(), file.id, limit), limit)


def _parse(text: str, name: str, limit: int) -> Crystal:
    found = [(one[1].lower(), one[2]) for one in _BLOCK.finditer(text)]
    for what in ("lattice", "positions"):
        if sum(block.startswith(what) for block, _ in found) > 1:
            raise UnreadableError(f"It has several blocks of {what}", "Keep the one that is right")
    blocks = {block: _rows(content) for block, content in found}
    if not any(block.startswith("lattice") for block in blocks) or not any(b.startswith("positions") for b in blocks):
        raise UnreadableError("It has no whole blocks of lattice and positions", "Give a whole CASTEP .cell file")
    lattice = _lattice(blocks)
    fractional = blocks.get("positions_frac")
    rows, scale = (fractional, 1.0) if fractional is not None else _scaled(blocks.get("positions_abs", []))
    validate_size(len(rows), limit)
    if any(len(row) < 4 for row in rows):
        raise CoordinatesError("A position has no three coordinates", "Give a symbol and three numbers per atom")
    if any("MIXTURE" in word.upper() for row in rows for word in row[4:]):
        raise DisorderError("Sites are shared (MIXTURE)", "Give an ordered cell")
    positions = np.array([[_number(word) * scale for word in row[1:4]] for row in rows])
    if fractional is None:
        positions = np.linalg.solve(lattice.T, positions.T).T
    return Crystal(name, lattice, positions, np.array([of_type(row[0].partition(":")[0]) for row in rows]))


def _lattice(blocks: dict[str, list[list[str]]]) -> np.ndarray:
    if "lattice_cart" in blocks:
        rows, scale = _scaled(blocks["lattice_cart"])
        vectors = [[_number(word) * scale for word in row] for row in rows]
    elif "lattice_abc" in blocks:
        rows, scale = _scaled(blocks["lattice_abc"])
        lengths, angles = ([_number(word) for word in row] for row in (*rows, [], [])[:2])
        if len(lengths) == len(angles) == 3 and all(0 < angle < 180 for angle in angles):
            vectors = cellpar_to_cell([*(length * scale for length in lengths), *angles]).tolist()
        else:
            vectors = []
    else:
        vectors = []
    if len(vectors) != 3 or any(len(vector) != 3 for vector in vectors) or abs(np.linalg.det(vectors)) == 0:
        raise LatticeError("The file has no whole cell", "Give the block LATTICE_CART or LATTICE_ABC")
    return np.array(vectors)


def _rows(text: str) -> list[list[str]]:
    lines = (_COMMENT.sub("", line).split() for line in text.splitlines())
    return [words for words in lines if words]


def _scaled(rows: list[list[str]]) -> tuple[list[list[str]], float]:
    """Return the rows behind a line with a unit of length, and that unit in angstrom."""
    if rows and len(rows[0]) == 1 and rows[0][0].lower() in _UNITS:
        return rows[1:], _UNITS[rows[0][0].lower()]
    return rows, 1.0


def _number(word: str) -> float:
    try:
        value = to_float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnreadableError(f"{word[:40]!r} is no number", "Give a whole CASTEP .cell file")
    return value
