"""POSCAR and CONTCAR files to crystals, through pymatgen."""

from __future__ import annotations

import warnings
from itertools import takewhile
from typing import TYPE_CHECKING

from pymatgen.core import Element
from pymatgen.io.vasp.inputs import Poscar

from cryskit.data.readers.from_pymatgen import PARSER_ERRORS, from_structure
from cryskit.data.validate import make_row, validate_size
from cryskit.errors import ElementError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.files import InputFile
    from cryskit.types import Crystal, Failure


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a POSCAR or CONTCAR, which holds one crystal.

    Args:
        file: POSCAR or CONTCAR, whose id is that of the crystal.
        limit: Number of atoms that a cell may have.
    """
    yield make_row(file.id, file.name, lambda: _parse(file.read_text(), file.id, limit), limit)


def _parse(text: str, name: str, limit: int) -> Crystal:
    _refuse(text, limit)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure = Poscar.from_str(text, read_velocities=False).structure
        except PARSER_ERRORS as error:
            raise UnreadableError(f"pymatgen cannot read it as POSCAR ({error})", "Give a whole POSCAR file") from error
    if any("cannot be determined" in str(warning.message) for warning in caught):
        raise ElementError("The elements are not named", "Add a line of element symbols above the numbers of atoms")
    return from_structure(structure, name)


def _refuse(text: str, limit: int) -> None:
    """Raise for more atoms than the limit, before a list of them is made, and for names that are no elements."""
    lines = [line.split() for line in text.split("\n")[5:40]]
    symbols = list(takewhile(lambda words: words and not _whole(words[:1]), lines))
    counts = list(takewhile(_whole, lines[len(symbols) :]))
    if not counts:
        raise UnreadableError("There is no line with the numbers of atoms", "Give a whole POSCAR file")
    numbers = [int(word) for words in counts for word in words]
    validate_size(sum(numbers) if min(numbers) >= 0 else 0, limit)
    for word in (word for words in symbols for word in words):
        symbol = word.partition("/")[0].partition("_")[0]
        if not Element.is_valid_symbol(symbol):
            raise ElementError(f"{word!r} is no element", "Write the symbol as in the periodic table, such as Na")


def _whole(words: list[str]) -> bool:
    return bool(words) and all(word.lstrip("+-").isdigit() and len(word) < 12 for word in words)
