"""ASE atoms and (extended) XYZ files to crystals."""

from __future__ import annotations

import io
import re
import sqlite3
import struct
import warnings
import zlib
from itertools import chain, islice
from typing import TYPE_CHECKING

import ase.io
from ase.io import ParseError

from cryskit.data.row_labels import with_labels
from cryskit.data.targets import known_id
from cryskit.data.validate import make_row, validate_size
from cryskit.errors import CrystalError, UnreadableError, one_line
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ase import Atoms

    from cryskit.data.files import InputFile

PARSER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    sqlite3.Error,
    struct.error,
    zlib.error,
    ParseError,
)
"""What ASE's readers raise for files that they cannot read."""
_MOST = 10**9  # lines to skip
_ISOTOPE = re.compile(r"^\s*[DT](?=\s)", re.MULTILINE)  # deuterium and tritium, where a line begins with the symbol
_UNDERSCORE = re.compile(r"(?:^[^=\n]*\s|Lattice=\"[^\"\n]*)[-+]?[\d.]+_[\d.]+", re.MULTILINE | re.IGNORECASE)
_WIDE = re.compile(r":[RSIL]:[\s+_\d]{4,}")  # ASE takes memory for as many columns as the line names


def from_atoms(atoms: Atoms, name: str) -> Crystal:
    """Return ASE atoms as a crystal; what `info` knows becomes its labels.

    Args:
        atoms: Atoms with a cell that is periodic in three directions.
        name: Id of the crystal, unless `info` has one.

    Raises:
        LatticeError: There is no full periodic cell.
        DisorderError: `info` or the arrays name an occupancy other than one.
    """
    crystal = Crystal.from_ase(atoms, known_id(atoms.info) or name)
    return with_labels(crystal, atoms.info)


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read an XYZ or extended XYZ file, one item per image; a broken image does not stop the next.

    Args:
        file: XYZ file, whose id is that of the crystal; with several images ":0", ":1" follows.
        limit: Number of atoms that a cell may have.
    """
    name = file.id
    try:
        with file.open() as data, io.TextIOWrapper(data, encoding="utf-8-sig", errors="replace") as lines:
            images = _images(lines, limit)
            head = list(islice(images, 2))
            for i, image in enumerate(chain(head, images)):
                yield _read(image, name if len(head) == 1 else f"{name}:{i}", file.name, limit)
    except CrystalError as error:
        yield Failure(name, error)


def from_image(text: str, name: str, limit: int) -> Crystal:
    """Return the crystal of an XYZ text with one image.

    Args:
        text: Text of the image.
        name: Id of the crystal.
        limit: Number of atoms that a cell may have.

    Raises:
        CrystalError: It holds none that can be used, or several.
    """
    first, *others = islice(_images(text.splitlines(keepends=True), limit), 2)
    if others:
        raise UnreadableError("The text holds several images", "Give one image per row")
    return _parse(first, name)


def _read(image: str | CrystalError, name: str, path: str, limit: int) -> Crystal | Failure:
    source = path if ":" not in name else f"{path}, image {name.rpartition(':')[2]}"
    return make_row(name, source, lambda: _parse(image, name), limit)


def _images(lines: Iterable[str], limit: int) -> Iterator[str | CrystalError]:
    """Yield the text of each image, or the error in place of one."""
    remaining = iter(lines)
    first = next(remaining, "\n")
    while first:
        try:
            atoms = int(first)
        except ValueError:
            yield UnreadableError(
                f"Expected the number of atoms at the head of an image, found {first[:40].strip()!r}",
                "Give a whole XYZ file; no image after this place can be read",
            )
            return
        body = islice(remaining, min(max(atoms, 0), _MOST) + 1)
        try:
            validate_size(atoms, limit)
            yield first + "".join(body)
        except CrystalError as error:
            for _ in body:
                pass
            yield error
        first = next((line for line in remaining if line.strip()), "")


def _parse(image: str | CrystalError, name: str) -> Crystal:
    if isinstance(image, CrystalError):
        raise image
    if strange := _UNDERSCORE.search(image.partition("\n")[2]):
        raise UnreadableError(f"{strange[0].strip()!r} is no number", "Write numbers without underscores")
    image = _ISOTOPE.sub("H", image)
    header = image.partition("\n")[2].partition("\n")[0]
    if _WIDE.search(header):
        raise UnreadableError("Properties names a column of a thousand values or more per atom", "Leave it out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            atoms = ase.io.read(io.StringIO(image), format="extxyz")
        except PARSER_ERRORS as error:
            raise UnreadableError(
                f"ASE cannot read the image ({one_line(error)})", "Give a whole extended XYZ file"
            ) from error
    return from_atoms(atoms, name)
