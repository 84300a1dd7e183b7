"""POSCAR and CONTCAR files to crystals, through pymatgen."""

from __future__ import annotations

import re
import warnings
from itertools import takewhile
from typing import TYPE_CHECKING

from pymatgen.core import Element
from pymatgen.io.vasp.inputs import Poscar

from cryskit.data.readers.from_pymatgen import PARSER_ERRORS, from_structure
from cryskit.data.readers.numbers import to_float
from cryskit.data.validate import make_row, validate_size
from cryskit.errors import ElementError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.files import InputFile
    from cryskit.types import Crystal, Failure


_CELL = slice(1, 4)  # of the lines behind the first: those of the lattice vectors
_CARTESIAN = {"c", "C", "k", "K"}  # first letters of the line that says so
_COMMENT = re.compile(r"[!#].*")
_FORTRAN = re.compile(r"(\d\.?|\.\d+)[dD]([+-]?\d)")
_UNDERSCORE = re.compile(r"(?<!\S)[-+]?[\d.]+_[\d.]+")
_SYMBOL = re.compile(r"([A-Z][a-z]?)(?:[0-9.]*[+-]|[_/].*)", re.ASCII)


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a POSCAR or CONTCAR, which holds one crystal.

    Args:
        file: POSCAR or CONTCAR, whose id is that of the crystal.
        limit: Number of atoms that a cell may have.
    """
    yield make_row(file.id, file.name, lambda: parse(file.read_text(), file.id, limit), limit)


def parse(text: str, name: str, limit: int) -> Crystal:
    """Return the crystal of a POSCAR.

    Args:
        text: Text of the whole file.
        name: Id of the crystal.
        limit: Number of atoms that a cell may have.

    Raises:
        CrystalError: It holds none that can be used.
    """
    plain = _plain(text)
    _refuse(plain, limit)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure = Poscar.from_str("\n".join(plain), read_velocities=False).structure
        except PARSER_ERRORS as error:
            raise UnreadableError(f"pymatgen cannot read it as POSCAR ({error})", "Give a whole POSCAR file") from error
    if any("cannot be determined" in str(warning.message) for warning in caught):
        raise ElementError("The elements are not named", "Add a line of element symbols above the numbers of atoms")
    crystal = from_structure(structure, name)
    _refuse_other_labels(plain, [site.specie.symbol for site in structure], crystal)
    return crystal


def _refuse_other_labels(lines: list[str], symbols: list[str], crystal: Crystal) -> None:
    """Refuse coordinates that are followed by symbols of other elements than the line of symbols names.

    Raises:
        UnreadableError: They are.
    """
    words = [line.split() for line in lines]
    start = next(
        (row + 1 for row in range(_CELL.stop, len(words)) if words[row][:1] and _whole(words[row])), len(words)
    )
    while start < len(words) and not _numbers(words[start][:3]):
        start += 1
    labels = [row[-1] if len(row) in {4, 7} else "" for row in words[start : start + len(crystal)]]
    if all(map(Element.is_valid_symbol, labels)) and labels != symbols:
        raise UnreadableError(
            "The elements behind the coordinates are not those above them", "Keep those that are right"
        )


def _numbers(words: list[str]) -> bool:
    try:
        return len([to_float(word) for word in words]) == 3
    except ValueError:
        return False


def _plain(text: str) -> list[str]:
    """Return the lines in the form that every reader of POSCAR knows.

    Comments behind values are cut off, Fortran's "1.0D0" is "1.0e0", three scale factors are multiplied into the cell,
    charges and labels are cut from symbols, and symbols that stand in the first line only get a line of their own.

    Raises:
        UnreadableError: There is no scale factor, or one of three is not positive.
    """
    first, *rest = text.split("\n")
    lines = [_FORTRAN.sub(r"\1e\2", _COMMENT.sub("", line)) for line in rest]
    if len(lines) <= _CELL.stop:
        raise UnreadableError("It ends before the numbers of atoms", "Give a whole POSCAR file")
    factors = lines[0].split()
    if len(factors) == 3:
        scale = [_number(word) for word in factors]
        if min(scale) <= 0:
            raise UnreadableError(f"The scale factors are {lines[0].strip()}", "Give three positive factors")
        lines[0] = "1.0"
        lines[_CELL] = [_scaled(line, scale) for line in lines[_CELL]]
        behind_counts = next(
            (place for place in range(_CELL.stop, len(lines)) if _whole(lines[place].split())), len(lines)
        )
        for place in range(behind_counts + 1, len(lines)):
            if lines[place].strip()[:1] in _CARTESIAN:
                lines[place + 1 :] = [_scaled(line, scale) for line in lines[place + 1 :]]
                break
    if strange := next(filter(None, map(_UNDERSCORE.search, lines)), None):
        raise UnreadableError(f"{strange[0]!r} is no number", "Write numbers without underscores")
    symbols = lines[_CELL.stop].split()
    if _whole(symbols):
        named = [_symbol(word) for word in first.split()]
        if len(named) == len(symbols) and all(map(Element.is_valid_symbol, named)):
            lines.insert(_CELL.stop, " ".join(named))
    else:
        lines[_CELL.stop] = " ".join(map(_symbol, symbols))
    return [first, *lines]


def _scaled(line: str, scale: list[float]) -> str:
    words = line.split()
    if len(words) < 3:
        return line
    components = (_number(word) * factor for word, factor in zip(words, scale, strict=False))
    return " ".join([*map(repr, components), *words[3:]])


def _number(word: str) -> float:
    try:
        return to_float(word)
    except ValueError as error:
        raise UnreadableError(f"{word[:40]!r} is no number", "Give a whole POSCAR file") from error


def _symbol(word: str) -> str:
    """Return the symbol of "Fe3+", "Cs+", "Fe_pv" or "Fe/1a2b"; other words as they are."""
    return found[1] if (found := _SYMBOL.fullmatch(word)) else word


def _refuse(lines: list[str], limit: int) -> None:
    """Raise for more atoms than the limit, before a list of them is made, and for names that are no elements."""
    words = [line.split() for line in lines[5:40]]
    symbols = list(takewhile(lambda line: line and not _whole(line[:1]), words))
    counts = list(takewhile(_whole, words[len(symbols) :]))
    if not counts:
        raise UnreadableError("There is no line with the numbers of atoms", "Give a whole POSCAR file")
    numbers = [int(word) for line in counts for word in line]
    validate_size(sum(numbers) if min(numbers) >= 0 else 0, limit)
    for word in (word for line in symbols for word in line):
        if not Element.is_valid_symbol(word):
            raise ElementError(f"{word[:40]!r} is no element", "Write the symbol as in the periodic table, such as Na")


def _whole(words: list[str]) -> bool:
    return bool(words) and all(word.lstrip("+-").isdigit() and len(word) < 12 for word in words)
