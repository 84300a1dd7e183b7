"""The atom sites of a CIF block: their places, elements and occupancies, or the reason why they are no atoms of a crystal."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import gemmi
import numpy as np

from cryskit.data.readers.cif_tags import UNKNOWN
from cryskit.data.readers.numbers import to_float, to_floats
from cryskit.data.readers.symbols import of_label, of_type
from cryskit.data.validate import NEAREST, validate_size
from cryskit.errors import CoordinatesError, DisorderError, ElementError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cryskit.data.readers.cif_tags import Tags
    from cryskit.types import Crystal

_FRACTIONAL = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_MULTIPLICITIES = ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity")
_FLAG, _TYPE, _LABEL, _OCCUPANCY = (f"_atom_site_{name}" for name in ("calc_flag", "type_symbol", "label", "occupancy"))
_ASSEMBLY, _GROUP = "_atom_site_disorder_assembly", "_atom_site_disorder_group"
_COLUMNS = (*_FRACTIONAL, *_MULTIPLICITIES, _FLAG, _TYPE, _LABEL, _OCCUPANCY, _ASSEMBLY, _GROUP)
_ONE = frozenset({"1", "1.0", "1.00", "1.000", "1.0000"})
_WHOLE = 5e-3  # how far from one an occupancy may be and count as one
_THIRDS = 1e-4  # how far from 1/3 a coordinate may be and stand for it
_FRACTION = re.compile(r"(-?\d{1,3})/([1-9]\d{0,2})", re.ASCII)
_MOLECULES = ("OH", "O-H", "WAT", "H2O", "NO3", "NH4")


class Sites(NamedTuple):
    """The sites of a block that are atoms.

    Attributes:
        fractional: (N, 3) fractional coordinates.
        numbers: (N,) atomic numbers.
        multiplicities: How many atoms in the cell the block says each site stands for, as it is written; N or none.
        written: The three columns of N fractional coordinates, as they are written.
    """

    fractional: np.ndarray
    numbers: np.ndarray
    multiplicities: list[str]
    written: list[list[str]]

    def take(self, rows: list[int]) -> Sites:
        """Return some of the sites."""
        texts = [self.multiplicities[row] for row in rows] if self.multiplicities else []
        written = [[column[row] for row in rows] for column in self.written]
        return Sites(self.fractional[rows], self.numbers[rows], texts, written)


def sites_of(tags: Tags, lattice: np.ndarray, elements: Collection[int], limit: int) -> Sites:
    """Return the sites of a block: dummies left out, each wholly occupied by one element.

    Args:
        tags: Tags of the block, as `cif_tags.tags_of` gives them.
        lattice: (3, 3) rows are the vectors of the cell, angstrom.
        elements: Atomic numbers of the elements in the formula, empty if there is none.
        limit: Number of atoms that a cell may have.

    Raises:
        CoordinatesError: A coordinate is missing or no number.
        DisorderError: A site is partly occupied.
        ElementError: A site is of no element.
        SizeError: There are more sites than the limit.
        UnreadableError: Columns differ in length.
    """
    columns = {tag: tags.column(tag) for tag in _COLUMNS}
    if missing := [tag for tag in _FRACTIONAL if not columns[tag]]:
        raise CoordinatesError(
            f"The atoms have no fractional coordinates ({', '.join(missing)} is not there)",
            "Give _atom_site_fract_x, _y and _z",
        )
    rows = len(columns[_FRACTIONAL[0]])
    if wrong := [tag for tag, values in columns.items() if values and len(values) != rows]:
        raise UnreadableError(
            f"There are {len(columns[wrong[0]])} values of {wrong[0]} for {rows} sites", "Give one per site"
        )
    if not tags.together([tag for tag, values in columns.items() if values]):
        raise UnreadableError("The columns of the atom sites stand in several loops", "Put them into one loop")
    if any(flag.lower() == "dum" for flag in columns[_FLAG]):
        kept = [row for row, flag in enumerate(columns[_FLAG]) if flag.lower() != "dum"]
        columns = {tag: [values[row] for row in kept] if values else [] for tag, values in columns.items()}
    validate_size(len(columns[_FRACTIONAL[0]]), limit)
    written = [columns[tag] for tag in _FRACTIONAL]
    fractional = _coordinates(written)
    multiplicities = next((columns[tag] for tag in _MULTIPLICITIES if columns[tag]), [])
    sites = Sites(fractional, _elements(columns[_TYPE], columns[_LABEL], elements), multiplicities, written)
    shares = columns[_OCCUPANCY]
    _refuse_alternatives(columns)
    if _ONE.issuperset(shares):
        return sites
    return _occupied(sites, [_occupancy(share, row) for row, share in enumerate(shares)], lattice)


def without_doubles(crystal: Crystal) -> Crystal:
    """Return a crystal without those atoms of an element that lie on another one of it: sites that were listed twice.

    Args:
        crystal: At most some thousand atoms.
    """
    apart = crystal.fractional[:, None] - crystal.fractional
    near = np.linalg.norm((apart - np.rint(apart)) @ crystal.lattice, axis=2) < NEAREST
    doubles = np.tril(near & (crystal.numbers[:, None] == crystal.numbers), -1).any(1)
    return replace(crystal, fractional=crystal.fractional[~doubles], numbers=crystal.numbers[~doubles])


def _coordinates(written: list[list[str]]) -> np.ndarray:
    """Return three columns of coordinates as (N, 3) float64, those next to 1/3 and 2/3 at these values.

    Raises:
        CoordinatesError: One of them is no number.
    """
    texts = [*chain.from_iterable(written)]
    try:
        found = to_floats(texts)
    except ValueError:
        found = [number_of(text) for text in texts]
    if not math.isfinite(sum(found)):
        place = next(place for place, value in enumerate(found) if not math.isfinite(value))
        axis, row = divmod(place, len(written[0]))
        wrong = texts[place]
        unknown = f"is unknown ({wrong})" if wrong in UNKNOWN else f"is {wrong[:40]!r}, expected a number"
        problem = f"{_FRACTIONAL[axis]} of site {row + 1} {unknown}"
        raise CoordinatesError(problem, "Give three fractional coordinates for each atom")
    fractional = np.array(found).reshape(3, -1).T
    joined = "".join(texts)
    return _rounded(fractional) if "333" in joined or "666" in joined else fractional


def number_of(text: str) -> float:
    """Return a number without its standard uncertainty ("0.25(3)"), or a fraction ("1/4"); NaN if it is none."""
    try:
        return to_float(text)
    except ValueError:
        fraction = _FRACTION.fullmatch(text)
        return int(fraction[1]) / int(fraction[2]) if fraction else float(gemmi.cif.as_number(text))


def _elements(types: list[str], labels: list[str], elements: Collection[int]) -> np.ndarray:
    """Return the atomic number of each site, by its type symbol, or by its label where it has none."""
    if not types and not labels:
        raise ElementError("The sites have neither type symbols nor labels", "Give _atom_site_type_symbol")
    if not types:
        return np.array([of_label(_atom(label), elements) for label in labels], dtype=np.int64)
    known = {text: of_type(_atom(text)) for text in dict.fromkeys(types) if text not in UNKNOWN}
    names = labels or types
    numbers = [known.get(text) or of_label(_atom(names[row]), elements) for row, text in enumerate(types)]
    return np.array(numbers, dtype=np.int64)


def _atom(name: str) -> str:
    """Return the type or label of a site.

    Raises:
        CoordinatesError: It is that of several atoms.
    """
    if name.upper().startswith(_MOLECULES):
        raise CoordinatesError(f"{name[:40]!r} stands for several atoms", "Give each atom a site, hydrogens too")
    return name


def _occupancy(text: str, row: int) -> float:
    value = 1.0 if text in UNKNOWN else number_of(text)
    if not 0 <= value <= 1 + _WHOLE:
        raise DisorderError(f"The occupancy of site {row + 1} is {text[:40]!r}", "Give an ordered cell")
    return value


def _refuse_alternatives(columns: dict[str, list[str]]) -> None:
    """Refuse sites of which a part takes the place of others, whatever their occupancy.

    Raises:
        DisorderError: An assembly has several groups of sites.
    """
    groups = columns[_GROUP]
    if not groups or len(set(groups)) == 1:
        return
    shares, assemblies = columns[_OCCUPANCY], columns[_ASSEMBLY]
    here = [row for row in range(len(groups)) if not shares or number_of(shares[row]) != 0]
    found = {
        (assemblies[row] if assemblies else ".", groups[row]) for row in here if groups[row] not in UNKNOWN | {"0"}
    }
    if len(found) > len({assembly for assembly, _ in found}):
        raise DisorderError("Sites are alternatives (_atom_site_disorder_group)", "Keep the sites of one group")


def _occupied(sites: Sites, shares: list[float], lattice: np.ndarray) -> Sites:
    """Return the wholly occupied sites; shares of one element at one place are put together.

    Raises:
        DisorderError: A site is partly occupied.
    """
    partly = [row for row, share in enumerate(shares) if share < 1 - _WHOLE]
    if not partly:
        return sites
    whole = [row for row, share in enumerate(shares) if share >= 1 - _WHOLE]
    while partly:
        row = partly[0]
        apart = sites.fractional[partly] - sites.fractional[row]
        near = np.linalg.norm((apart - np.rint(apart)) @ lattice, axis=1) < NEAREST
        here = [other for other, close in zip(partly, near.tolist(), strict=True) if close]
        total = sum(shares[other] for other in here)
        if len({int(sites.numbers[other]) for other in here}) > 1 or 0 < total < 1 - _WHOLE or total > 1 + _WHOLE:
            raise DisorderError("Sites are partly occupied or shared", "Give an ordered cell")
        whole += [row] if total else []
        partly = [other for other in partly if other not in here]
    return sites.take(sorted(whole))


def _rounded(fractional: np.ndarray) -> np.ndarray:
    """Return coordinates with those next to 1/3 and 2/3 at these values."""
    thirds = fractional * 3.0
    whole = np.rint(thirds)
    near = (np.abs(thirds - whole) <= _THIRDS * whole) & (whole < 3)
    return np.where(near, whole / 3.0, fractional)
