"""The atoms that symmetry makes of the sites of a CIF block.

Coordinates are written with few digits, so an atom on a special position has images that lie next to one another: 0.12
angstrom apart where a mirror runs through 2x, x with two digits in a cell of 12. Images of one site are one atom, on the special
position, where they are nearer than any two atoms can be, and where the special position, rounded to the digits of the
file, is what the file writes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import gemmi
import numpy as np

from cryskit.data.validate import NEAREST, validate_size

if TYPE_CHECKING:
    from cryskit.data.readers.cif_sites import Sites
    from cryskit.data.readers.operations import Operations

_IMPOSSIBLE = 0.7
"""Angstrom: no two atoms of an element are so near; those of the hydrogen molecule are 0.74 apart."""
_DECIMALS = re.compile(r"[+-]?\d*(?:\.(\d*))?(?:\(\d+\))?", re.ASCII)
_EXACT = 1e-6  # fractional; how far from a special position a point on it may be
_MOST = 10_000  # multiplicity that a site may state


class Atoms(NamedTuple):
    """The M atoms of a cell.

    Attributes:
        fractional: (M, 3) fractional coordinates, in 0..1.
        numbers: (M,) atomic numbers.
        multiplicities: Whether each site has the multiplicity that it states; None if none states one.
    """

    fractional: np.ndarray
    numbers: np.ndarray
    multiplicities: bool | None


class _Moves(NamedTuple):
    """How far S operations move N sites, to their nearest images.

    Attributes:
        offsets: (N, S, 3) fractional.
        squares: (N, S) squares of the distances, square angstrom.
    """

    offsets: np.ndarray
    squares: np.ndarray


def expand(sites: Sites, operations: Operations, lattice: np.ndarray, limit: int) -> list[Atoms]:
    """Apply symmetry operations; images of a site that are nearer than two atoms can be are one atom.

    Args:
        sites: The N sites.
        operations: The S symmetry operations.
        lattice: (3, 3) rows are the vectors of the cell, angstrom.
        limit: Number of atoms that a cell may have.

    Returns:
        The atoms; where only the digits of the coordinates speak for a special position, also those of the general one, last.

    Raises:
        SizeError: There are more atoms than the limit.
    """
    if operations.trivial:
        alone = _integer(sites.multiplicities[0]) == 1 if len(set(sites.multiplicities)) == 1 else None
        return [Atoms(sites.fractional - np.floor(sites.fractional), sites.numbers, alone)]
    moves = _moves(sites.fractional, operations, lattice)
    fixing = moves.squares < NEAREST**2
    count = np.count_nonzero(fixing)
    places = sites.fractional if count == len(fixing) else _special(sites.fractional, moves.offsets, fixing)
    found = [(places, fixing)]
    if np.count_nonzero(moves.squares < _IMPOSSIBLE**2) > count:
        found = [*_as_rounded(sites, operations, lattice, moves, places, fixing), *found]
    return [_images(sites, place, fixing, operations, lattice, limit) for place, fixing in found]


def _moves(fractional: np.ndarray, operations: Operations, lattice: np.ndarray) -> _Moves:
    offsets = operations.images(fractional) - fractional[:, None]
    offsets -= np.rint(offsets)
    moved = offsets.reshape(-1, 3) @ lattice
    return _Moves(offsets, np.einsum("ij,ij->i", moved, moved).reshape(offsets.shape[:2]))


def _special(fractional: np.ndarray, offsets: np.ndarray, fixing: np.ndarray) -> np.ndarray:
    """Return the mean of the images that are one atom, (N, 3) fractional."""
    means = np.einsum("ns,nsi->ni", fixing, offsets) / fixing.sum(1)[:, None]
    return np.asarray(fractional + means)


def _images(
    sites: Sites, places: np.ndarray, fixing: np.ndarray, operations: Operations, lattice: np.ndarray, limit: int
) -> Atoms:
    """Return the images of places on special positions.

    Args:
        sites: The N sites.
        places: (N, 3) fractional coordinates of their special positions.
        fixing: (N, S) bool, which operation leaves which of them where it is.
        operations: The S symmetry operations.
        lattice: (3, 3) rows are the vectors of the cell, angstrom.
        limit: Number of atoms that a cell may have.
    """
    orders = fixing.sum(1).tolist()
    count = fixing.shape[1]
    validate_size(round(sum(count / order for order in orders)), limit)
    kept = operations.first_of_cosets(fixing, places, lattice)
    sizes = [len(each) for each in kept]
    validate_size(sum(sizes), limit)
    owner = np.repeat(np.arange(len(kept)), sizes)
    images = operations.images(places).reshape(-1, 3)
    if len(images) > len(owner):
        images = images[owner * count + np.concatenate(kept)]
    images -= np.floor(images)
    stated = [*map(_integer, sites.multiplicities)]
    # Programs of the nineties wrote the order of the site symmetry into the column of the multiplicity.
    agree = [one in {0, size, order} for one, size, order in zip(stated, sizes, orders, strict=False)]
    return Atoms(images, sites.numbers[owner], all(agree) if any(stated) else None)


def _as_rounded(
    sites: Sites, operations: Operations, lattice: np.ndarray, moves: _Moves, places: np.ndarray, fixing: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return places and stabilisers with those sites on special positions that are there up to the digits written; none if none are."""
    places, fixing = places.copy(), fixing.copy()
    moved = False
    for row in np.flatnonzero(((moves.squares < _IMPOSSIBLE**2) & ~fixing).any(1)):
        step = _last_digit([column[row] for column in sites.written])
        place = _on_special(sites.fractional[row], step, moves.offsets[row], moves.squares[row], operations)
        if place is not None:
            places[row], moved = place, True
            fixing[row] = _moves(place[None], operations, lattice).squares[0] < NEAREST**2
    return [(places, fixing)] if moved else []


def _on_special(
    place: np.ndarray, step: float, offsets: np.ndarray, squares: np.ndarray, operations: Operations
) -> np.ndarray | None:
    """Return the special position, as symmetric as may be, that is written as some place if it is rounded or cut off.

    Args:
        place: (3,) fractional coordinates as they are written.
        step: One in their last digit.
        offsets: (S, 3) how far the operations move them.
        squares: (S,) squares of that in square angstrom.
        operations: The S symmetry operations.

    Returns:
        (3,) fractional coordinates; None if there is none.
    """
    reach = np.abs(operations.rotations - np.eye(3)).sum(2) * step + _EXACT
    near = (squares < _IMPOSSIBLE**2) & (np.abs(offsets) <= reach).all(1)
    for farthest in sorted(set(squares[near & (squares >= NEAREST**2)].tolist()), reverse=True):
        fixing = near & (squares <= farthest)
        special = place + offsets[fixing].mean(0)
        left = operations.rotations[fixing] @ special + operations.translations[fixing] - special
        outwards = (special - place) * np.where(place < 0, -1, 1)
        if (
            (np.abs(left - np.rint(left)) < _EXACT).all()
            and (outwards >= -step / 2 - _EXACT).all()  # rounded
            and (outwards < step - _EXACT).all()  # cut off: "0.66" for 2/3
        ):
            return np.asarray(special)
    return None


def _last_digit(texts: list[str]) -> float:
    """Return one in the last digit of some coordinates, as in the one that has most; 0 if they are not plain decimals."""
    found = [_DECIMALS.fullmatch(text) for text in texts]
    digits = [len(match[1] or "") if match else 0 for match in found]
    return 10.0 ** -max(digits) if all(found) and max(digits) else 0.0


@lru_cache(maxsize=1024)
def _integer(text: str) -> int:
    value = gemmi.cif.as_number(text)
    return int(value) if value == value // 1 and 0 < value < _MOST else 0
