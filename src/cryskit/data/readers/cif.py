"""CIF files to crystals: gemmi reads what is beyond doubt, pymatgen the rest.

gemmi tokenises some forty times faster than pymatgen, but accepts more: so everything it gives is guarded here, and a
block that fails a guard is read again by pymatgen, whose result stands. The guards keep to what pymatgen does: the
first of the tags for symmetry operations wins, coordinates within 1e-4 of 1/3 or 2/3 are rounded to it, images within
1e-4 in each fractional coordinate are one atom, and the lattice has c along z and a in the xz plane.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import gemmi
import numpy as np

from cryskit.data.readers.symbols import of_label, of_type
from cryskit.data.validate import make_row, validate, validate_size
from cryskit.errors import CoordinatesError, CrystalError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.files import InputFile

_FRACTIONAL = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
_ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
_OPERATIONS = (
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_as_xyz_",
    "_space_group_symop_operation_xyz",
    "_space_group_symop_operation_xyz_",
)
_GROUP = (
    "_symmetry_space_group_name_H-M",
    "_symmetry_space_group_name_H_M",
    "_space_group_name_Hall",
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_hall",
    "_space_group_IT_number",
    "_symmetry_Int_Tables_number",
)
_OPERATION = re.compile(r"(?!.{33})[xyzXYZ+\- ]*(?:\d+/\d+)?[xyzXYZ+\- ]*")
_SPLIT = re.compile(r"^[ \t]*data_", flags=re.MULTILINE)
_CASED = re.compile(
    r"^[ \t]*_(?:atom_site|cell|symmetry_equiv_pos|space_group_symop)_\w+", re.MULTILINE | re.IGNORECASE
)
_ROUNDING = 1e-4  # pymatgen's tolerance in fractional coordinates
_LONGEST = 1000.0  # angstrom; in a longer cell that tolerance reaches beyond the least distance of two atoms
_BINS = round(1 / _ROUNDING)
_OFFSET = 0.237  # puts the edges of the bins where no coordinate of few decimals lies


class _Operations(NamedTuple):
    """Symmetry operations x' = W x + w of a list in a file: (S, 3, 3), (S, 3) and whether there is but the identity."""

    rotations: np.ndarray
    translations: np.ndarray
    trivial: bool


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a CIF file, one item per data block with atom sites.

    Args:
        file: CIF file, whose id is that of the crystal; with several such blocks ":0", ":1" follows.
        limit: Number of atoms that a cell may have.
    """
    try:
        text = file.read_text()
    except CrystalError as error:
        yield Failure(file.id, error)
    else:
        yield from read_blocks(text, file.id, file.name, limit)


def read_blocks(text: str, name: str, source: str, limit: int) -> Iterator[Crystal | Failure]:
    """Read the text of a CIF, one item per data block with atom sites.

    Args:
        text: Text of the whole file.
        name: Id of the crystal.
        source: Name of the file or row, for error messages.
        limit: Number of atoms that a cell may have.
    """
    blocks = _blocks(text)
    if not blocks:
        error = UnreadableError("It holds no atom sites", "Give a whole CIF with _atom_site_ entries", source)
        yield Failure(name, error)
    for i, block in enumerate(blocks):
        label = name if len(blocks) == 1 else f"{name}:{i}"
        yield _read_block(block, label, source, limit)


def _blocks(text: str) -> list[str]:
    """Return the data blocks with atom sites; the block header is at the head of each."""
    blocks = [text] if text.count("data_") == 1 else [f"data_{block}" for block in _SPLIT.split(text)[1:]]
    return [
        block for block in blocks if "_atom_site_" in block.lower() and "powder_pattern" not in block.split("\n", 1)[0]
    ]


def _read_block(text: str, name: str, source: str, limit: int) -> Crystal | Failure:
    try:
        crystal = _plain(text, name, limit)
    except CrystalError as error:
        error.source = source
        return Failure(name, error)
    if crystal is not None:
        return crystal
    lowered = _CASED.sub(lambda tag: tag[0].lower(), text)
    return make_row(name, source, lambda: _parse(lowered, name, limit), limit)


def _parse(text: str, name: str, limit: int) -> Crystal:
    from cryskit.data.readers.cif_pymatgen import parse  # noqa: PLC0415 - pymatgen takes a second to import

    return parse(text, name, limit)


def _plain(text: str, name: str, limit: int) -> Crystal | None:
    """Return the crystal if nothing about it is doubtful, else None.

    Raises:
        SizeError: Whatever else there is, there are too many atoms.
        CoordinatesError: A coordinate is given as unknown.
        UnreadableError: A doubtful site stands outside a loop, where pymatgen would misread it.
    """
    try:
        block = gemmi.cif.read_string(text).sole_block()
    except (ValueError, RuntimeError, IndexError):  # syntax, duplicate tags, no block
        return None
    labels = block.find_values("_atom_site_label")
    if len(labels) == 0:
        return None
    validate_size(len(labels), limit)
    crystal = None if "_magn" in text or "_moment" in text else _read_sites(block, list(labels), name, limit)
    if crystal is None and labels.get_loop() is None:
        raise UnreadableError("The atom sites are not in a loop", "Write them as loop_ with a row per atom")
    return crystal


def _read_sites(block: gemmi.cif.Block, labels: list[str], name: str, limit: int) -> Crystal | None:
    lattice = _lattice(block)
    operations = _operations(block)
    columns = [_numbers(block, tag) for tag in _FRACTIONAL]
    if lattice is None or operations is None or any(column is None or len(column) != len(labels) for column in columns):
        return None
    sites = _rounded(np.array(columns, dtype=np.float64).T)
    numbers = _elements(block, labels)
    if numbers is None or not np.isfinite(sites).all():
        return None
    atoms, numbers = _expanded(sites, numbers, operations, limit)
    if not _full(block, len(labels)):
        return None
    try:
        return validate(Crystal(name, lattice, atoms, numbers), limit)
    except SizeError:
        raise
    except CrystalError:
        return None


def _numbers(block: gemmi.cif.Block, tag: str) -> list[float] | None:
    """Return a column of numbers, standard uncertainties cut off; NaN is not a number, None is no such column.

    Raises:
        CoordinatesError: A value is "?" or ".".
    """
    texts = list(block.find_values(tag))
    try:
        return [float(text) for text in texts] or None
    except ValueError:
        if "?" in texts or "." in texts:
            row = next(i for i, text in enumerate(texts) if text in {"?", "."})
            raise CoordinatesError(
                f"{tag} of site {row + 1} is unknown ({texts[row]})", "Give three fractional coordinates for each atom"
            ) from None
        return [gemmi.cif.as_number(text) for text in texts]


def _lattice(block: gemmi.cif.Block) -> np.ndarray | None:
    """Return the rows of the lattice in pymatgen's orientation, or None if the cell is doubtful."""
    values = [block.find_value(tag) or "?" for tag in (*_LENGTHS, *_ANGLES)]
    a, b, c, alpha, beta, gamma = (float(gemmi.cif.as_number(value)) for value in values)
    if not (
        all(0 < length < _LONGEST for length in (a, b, c)) and all(0 < angle < 180 for angle in (alpha, beta, gamma))
    ):
        return None
    alpha, beta, gamma = math.radians(alpha), math.radians(beta), math.radians(gamma)
    cosine = (math.cos(alpha) * math.cos(beta) - math.cos(gamma)) / (math.sin(alpha) * math.sin(beta))
    if not abs(cosine) < 1:
        return None
    reciprocal = math.acos(cosine)
    first = [a * math.sin(beta), 0.0, a * math.cos(beta)]
    across, along = b * math.sin(alpha), b * math.cos(alpha)
    return np.array([first, [-across * math.cos(reciprocal), across * math.sin(reciprocal), along], [0.0, 0.0, c]])


def _operations(block: gemmi.cif.Block) -> _Operations | None:
    """Return the symmetry operations that are written out, else those that pymatgen takes the named group for.

    Not gemmi's, because libraries differ in the settings and origins that a name or number stands for.
    """
    for tag in _OPERATIONS:
        texts = tuple(block.find_values(tag))
        if texts:
            return _parsed(texts)
    names = tuple((tag, gemmi.cif.as_string(value)) for tag in _GROUP if (value := block.find_value(tag)))
    if names and all(value in {"P 1", "P1", "1"} for _, value in names):
        return _parsed(("x,y,z",))
    return _named(names)


@lru_cache(maxsize=512)
def _named(names: tuple[tuple[str, str], ...]) -> _Operations | None:
    from cryskit.data.readers.cif_pymatgen import group_operations  # noqa: PLC0415

    affine = group_operations(dict(names))
    return None if affine is None else _Operations(affine[:, :3, :3], affine[:, :3, 3], trivial=False)


@lru_cache(maxsize=512)
def _parsed(texts: tuple[str, ...]) -> _Operations | None:
    triplets = [gemmi.cif.as_string(text) for text in texts]
    if not all(_OPERATION.fullmatch(part) for triplet in triplets for part in triplet.split(",")):
        return None
    try:
        operations = [gemmi.Op(triplet) for triplet in triplets]
    except RuntimeError:
        return None
    rotations = np.array([operation.rot for operation in operations], dtype=np.float64) / gemmi.Op.DEN
    translations = np.array([operation.tran for operation in operations], dtype=np.float64) / gemmi.Op.DEN
    if not np.allclose(np.abs(np.linalg.det(rotations)), 1.0):
        return None
    trivial = len(operations) == 1 and operations[0] == gemmi.Op()
    return _Operations(rotations, translations, trivial)


def _elements(block: gemmi.cif.Block, labels: list[str]) -> np.ndarray | None:
    """Return the atomic number of each site, or None if one is doubtful."""
    types = list(block.find_values("_atom_site_type_symbol"))
    if types and len(types) != len(labels):
        return None
    numbers = [of_type(symbol) for symbol in types] if types else [of_label(label) for label in labels]
    return None if None in numbers else np.array(numbers, dtype=np.int64)


def _full(block: gemmi.cif.Block, sites: int) -> bool:
    """Return whether every site is wholly occupied."""
    texts = list(block.find_values("_atom_site_occupancy"))
    if not texts:
        return True
    return len(texts) == sites and all(text == "1" or gemmi.cif.as_number(text) == 1.0 for text in texts)


def _rounded(sites: np.ndarray) -> np.ndarray:
    for ideal in (1 / 3, 2 / 3):
        sites[np.abs(sites / ideal - 1.0) <= _ROUNDING] = ideal
    return sites


def _expanded(
    sites: np.ndarray, numbers: np.ndarray, operations: _Operations, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the symmetry operations and keep one of the images of a site that fall together.

    Images in one bin of width 1e-4 are one atom to pymatgen too. Should an edge part two such images, or should two
    sites fall together, two atoms remain that are too near, which `validate` finds.

    Args:
        sites: (N, 3) float, fractional coordinates.
        numbers: (N,) int, atomic numbers.
        operations: Symmetry operations, S of them.
        limit: Number of atoms that a cell may have.

    Returns:
        Fractional coordinates in 0..1, (M, 3), and atomic numbers, (M,).

    Raises:
        SizeError: There are more positions than the limit, even allowing for what an edge may part.
    """
    if operations.trivial:
        return sites - np.floor(sites), numbers
    images = (operations.rotations @ sites.T).transpose(2, 0, 1) + operations.translations
    images -= np.floor(images)
    images = images.reshape(-1, 3)
    owner = np.repeat(np.arange(len(sites)), len(operations.rotations))
    _, first = np.unique(_binned(images, _BINS) + owner * _BINS**3, return_index=True)
    first.sort()
    if len(first) > limit:
        positions = len(np.unique(_binned(images[first], 100)))
        if positions > 1.2 * limit:
            validate_size(positions, limit)
    return images[first], numbers[owner[first]]


def _binned(fractional: np.ndarray, bins: int) -> np.ndarray:
    indices = np.floor(fractional * bins + _OFFSET).astype(np.int64) % bins
    return (indices[:, 0] * bins + indices[:, 1]) * bins + indices[:, 2]
