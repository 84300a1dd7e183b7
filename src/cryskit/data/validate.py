"""Validation of crystals, whichever reader they come from: finite numbers, a cell, elements, atoms apart."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cryskit.errors import (
    CoordinatesError,
    CryskitError,
    CrystalError,
    ElementError,
    LatticeError,
    SizeError,
    UnreadableError,
    one_line,
)
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

LIMIT = 500
"""Number of atoms that a cell may have unless the caller says otherwise."""
HEAVIEST = 100
"""Atomic number of the heaviest element that has features (fermium)."""
THINNEST = 0.2
"""Angstrom: the least distance between opposite faces of a cell. Below it rounding does not find nearest images."""
NEAREST = 0.1
"""Angstrom: atoms nearer than this lie on one another; half of THINNEST, so that one image of a pair can be so near."""

_NAMED = 118  # atomic number of the heaviest element that has a name
_LOG = logging.getLogger("cryskit")
_SHOWN = 200  # characters of an error that was not foreseen
_SHIFTS = np.array([[[0.0]], [[0.5]]])
_FARTHEST = 1e15  # fractional: beyond it double precision does not tell one cell from the next
_MOST_BINS = 2.0**17  # along an axis, so that the number of a cell is exact in double precision


def make_row(name: str, source: str, make: Callable[[], Crystal], limit: int) -> Crystal | Failure:
    """Return the crystal that `make` returns once it is validated, or the failure it ends in.

    Args:
        name: Id of the row, kept by the failure.
        source: Name of the file or row, for the error message.
        make: Function that returns a crystal or raises a CrystalError.
        limit: Number of atoms that a cell may have.
    """
    return outcome(name, source, lambda: _valid(make, limit))


def _valid(make: Callable[[], Crystal], limit: int) -> Crystal:
    try:
        with np.errstate(all="ignore"):  # numbers near the end of floats overflow; what comes of them is validated
            return validate(make(), limit)
    except CrystalError:
        raise
    except CryskitError as error:
        raise UnreadableError(error.problem, error.cure) from error


def outcome(name: str, source: str, make: Callable[[], T]) -> T | Failure:
    """Return what `make` returns, or the failure it ends in, whatever it raises; one bad row never loses another.

    An error that nobody foresaw is a failure that names its class; its traceback is in the log "cryskit" at the level DEBUG.

    Args:
        name: Id of the row, kept by the failure.
        source: Name of the file or row, for the error message.
        make: Function that makes the row.

    Raises:
        CryskitError: `make` raises one that is not about a row: a whole source cannot be read.
    """
    try:
        return make()
    except CrystalError as error:
        error.source = source
        return Failure(name, error)
    except CryskitError:
        raise
    except Exception as error:  # noqa: BLE001 - what libraries raise for damaged rows is not known to the last
        _LOG.debug("%s, row %s", source, name, exc_info=error)
        problem = f"It caused an error that was not foreseen, {type(error).__name__} ({one_line(error)[:_SHOWN]})"
        cure = "Check the row; if it is sound, report this with the row and with what `cryskit --debug` prints"
        return Failure(name, UnreadableError(problem, cure, source))


def guarded(rows: Iterator[Crystal | Failure], name: str, source: str) -> Iterator[Crystal | Failure]:
    """Yield rows as a reader gives them; where that ends in an error that nobody foresaw, a failure is the last.

    Args:
        rows: Rows of a file or a table.
        name: Id of the failure.
        source: Name of the file or table, for the error message.
    """
    while (row := outcome(name, source, lambda: next(rows, None))) is not None:
        yield row


def validate_row(crystal: Crystal, source: str, limit: int) -> Crystal | Failure:
    """Return a crystal if `validate` accepts it, or the failure; the arguments are those of `make_row`."""
    return make_row(crystal.id, source, lambda: crystal, limit)


def validate(crystal: Crystal, limit: int = LIMIT) -> Crystal:
    """Validate a crystal and return it; raise if it cannot be used.

    Args:
        crystal: Crystal from any reader.
        limit: Number of atoms that a cell may have.

    Raises:
        SizeError: It has no atoms, or more than `limit`.
        LatticeError: The cell is not finite or has no volume.
        ElementError: An atomic number is not in 1 to 100.
        CoordinatesError: A coordinate is not finite, or two atoms lie on one another.
    """
    validate_size(len(crystal), limit, crystal.id)
    heights = _heights(crystal)
    present = set(crystal.numbers.tolist())
    lightest, heaviest = min(present), max(present)
    if lightest < 1 or heaviest > HEAVIEST:
        strange = lightest if lightest < 1 else heaviest
        raise ElementError(_strange(strange), "Name an element from H to Fm", crystal.id)
    if not np.abs(crystal.fractional).max() < _FARTHEST:
        raise CoordinatesError("A coordinate is no finite number", "Give three coordinates for each atom", crystal.id)
    _validate_distances(crystal, NEAREST / np.array(heights))
    return crystal


def _strange(number: int) -> str:
    """Return why there are no features of an element."""
    if HEAVIEST < number <= _NAMED:
        return f"{_symbol(number)} (atomic number {number}) is heavier than Fm, the heaviest element with features"
    return f"Atomic number {number} is that of no element"


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols  # noqa: PLC0415 - for messages only

    return str(chemical_symbols[number])


def validate_size(atoms: int, limit: int, source: str = "") -> None:
    """Raise if a cell has no atoms or too many.

    Args:
        atoms: Number of atoms in the cell, or the least number there can be.
        limit: Number of atoms that a cell may have.
        source: Name of the file or row, for the error message.

    Raises:
        SizeError: There are none, or more than `limit`.
    """
    if atoms < 1:
        raise SizeError("The cell has no atoms", "Give at least one", source)
    if atoms > limit:
        raise SizeError(
            f"The cell has {atoms} atoms or more, the limit is {limit}",
            "Give the primitive cell, or raise `limit` when reading",
            source,
        )


def _heights(crystal: Crystal) -> list[float]:
    """Return the three distances between opposite faces, angstrom."""
    a, b, c = crystal.lattice.tolist()
    faces = [_cross(b, c), _cross(c, a), _cross(a, b)]
    volume = abs(sum(x * y for x, y in zip(a, faces[0], strict=True)))
    areas = [math.hypot(*face) for face in faces]
    if not math.isfinite(volume):
        raise LatticeError("A lattice vector is no finite number", "Give three vectors in angstrom", crystal.id)
    heights = [volume / area if area > 0.0 else 0.0 for area in areas]
    if min(heights) < THINNEST:
        lengths = ", ".join(f"{math.hypot(*vector):.4g}" for vector in (a, b, c))
        raise LatticeError(
            f"The cell (lengths {lengths}, volume {volume:.3g}) is only {min(heights):.3g} angstrom thick, less than {THINNEST}",
            "Give independent lattice vectors in angstrom; if the cell is very oblique, reduce it (Niggli)",
            crystal.id,
        )
    return heights


def _cross(u: list[float], v: list[float]) -> list[float]:
    return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]


def _validate_distances(crystal: Crystal, reach: np.ndarray) -> None:
    """Raise if two atoms are nearer than NEAREST under periodic images.

    Args:
        crystal: Crystal of N atoms in a cell whose heights are at least THINNEST.
        reach: (3,) float, how far such a pair may differ in each fractional coordinate, at most one half.
    """
    if not _share_bins(crystal.fractional, reach):
        return
    first, second = np.triu_indices(len(crystal), 1)
    apart = crystal.fractional[first] - crystal.fractional[second]
    distances = np.linalg.norm((apart - np.rint(apart)) @ crystal.lattice, axis=1)
    worst = int(distances.argmin())
    if distances[worst] < NEAREST:
        i, j = int(first[worst]), int(second[worst])
        raise CoordinatesError(
            f"Atoms {i + 1} and {j + 1} ({_symbol(crystal.numbers[i])} and {_symbol(crystal.numbers[j])}) are "
            f"{distances[worst]:.3g} angstrom apart, expected at least {NEAREST}",
            "Remove the duplicate, or mend the coordinates or the symmetry operations",
            crystal.id,
        )


def _share_bins(fractional: np.ndarray, reach: np.ndarray) -> bool:
    """Return False only if no two of the points are within reach of one another along all three axes.

    Bins at least twice as wide as the reach, and the same bins shifted by half: along each axis two points within
    reach are in one bin of the first or of the second, so in one of the eight grids they share a cell.
    """
    bins = np.minimum(np.floor(0.5 / reach), _MOST_BINS)
    cells = np.floor((fractional - np.floor(fractional)) * bins + _SHIFTS)
    cells[cells == bins] = 0.0
    cells *= (1.0, bins[0], bins[0] * bins[1])
    x, y, z = cells.transpose(2, 0, 1)
    keys = (x[:, None, None] + y[:, None] + z).reshape(8, -1)
    keys.sort(axis=1)
    return bool((keys[:, 1:] == keys[:, :-1]).any())
