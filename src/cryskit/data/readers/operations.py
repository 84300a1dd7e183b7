"""Symmetry operations x' = W x + w, from the triplets that CIF files write ("-y, x-y, z+1/3").

A triplet is read by a grammar that consumes all of it, or it is refused: a part that is passed over in silence makes
another crystal. Translations that are written as decimals of few digits ("0.333") are moved to the multiple of 1/24
they stand for, since no space group has others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cryskit.data.validate import NEAREST
from cryskit.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 1536
"""Operations in a list: 192 of a cubic group with F centring, and room for a supercell of eight."""
STEPS = 24
"""Every translation of a space group is a multiple of 1/24."""
_LONGEST = 80  # characters of a triplet
_TERM = re.compile(r"([+-]?)(?:([12]?)\*?([xyz])|(\d{1,3})/(\d{1,3})|(\d{0,3}\.\d{1,12}|\d{1,3}\.?))", re.ASCII)
_PLACE = re.compile(r"^\s*\d{1,4}\s+(?=[-+xyzXYZ\d.])", re.ASCII)  # "12 x, y, z": its number in the list
_LARGEST = 2  # entry of a rotation; 1 in the axes of International Tables, 2 in those of primitive cells
_DIGITS = 2e-3  # how far a decimal of three digits may be from the fraction it stands for
_SAME = 5e-3  # fractional; translations that differ by less are equal


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations of a crystal.

    Attributes:
        rotations: (S, 3, 3) float64, W in fractional coordinates.
        translations: (S, 3) float64, w in 0..1.
    """

    rotations: np.ndarray
    translations: np.ndarray

    @classmethod
    def of(cls, rotations: np.ndarray, translations: np.ndarray) -> Operations:
        """Return the operations of rotations and translations, the latter brought into 0..1."""
        shifts = translations - np.floor(translations + _SAME / 2)  # what is next to 1 is 0
        return cls(rotations, shifts)

    @property
    def trivial(self) -> bool:
        """Whether there is but the identity."""
        return len(self.rotations) == 1

    @cached_property
    def key(self) -> frozenset[bytes]:
        """A value that two lists share if they hold the same operations in any order."""
        return frozenset(_codes(self.rotations, self.translations))

    @cached_property
    def distinct(self) -> np.ndarray:
        """(P, 3, 3) the rotations without repetitions: those of the point group."""
        return np.unique(self.rotations, axis=0)

    @cached_property
    def point_group(self) -> tuple[tuple[int, int], ...]:
        """Trace and determinant of every rotation, which the axes and the origin leave as they are."""
        traces = np.rint(np.trace(self.distinct, axis1=1, axis2=2)).astype(int).tolist()
        return tuple(sorted(zip(traces, np.rint(np.linalg.det(self.distinct)).astype(int).tolist(), strict=True)))

    @cached_property
    def _columns(self) -> np.ndarray:
        """(3, 3 S) float64, the transposed rotations next to one another."""
        return np.ascontiguousarray(self.rotations.transpose(2, 0, 1).reshape(3, -1))

    @cached_property
    def _metric_changes(self) -> tuple[np.ndarray, np.ndarray]:
        """(9, R) what rotations change of a metric tensor, without repetitions, and (R,) which of its nine components that is."""
        columns = self.distinct.transpose(0, 2, 1)
        changes = np.einsum("pik,pjl->pijkl", columns, columns).reshape(-1, 9, 9) - np.eye(9)
        components = np.tile(np.arange(9.0), len(changes))[:, None]
        rows = np.unique(np.concatenate([components, changes.reshape(-1, 9)], axis=1), axis=0)
        return np.ascontiguousarray(rows[:, 1:].T), rows[:, 0].astype(int)

    @cached_property
    def _cosets(self) -> dict[bytes, np.ndarray]:
        """What `_firsts` returned, by the stabiliser: a group has few."""
        return {}

    def images(self, fractional: np.ndarray) -> np.ndarray:
        """Return where every operation brings some places, W x + w.

        Args:
            fractional: (N, 3) fractional coordinates.

        Returns:
            (N, S, 3) fractional.
        """
        images: np.ndarray = (fractional @ self._columns).reshape(len(fractional), -1, 3) + self.translations
        return images

    def first_of_cosets(self, fixing: np.ndarray, places: np.ndarray, lattice: np.ndarray) -> list[np.ndarray]:
        """Return which operations give the images of some atoms, one for each image.

        Args:
            fixing: (N, S) bool, which operations leave which atom where it is: its stabiliser.
            places: (N, 3) fractional coordinates of the atoms.
            lattice: (3, 3) rows are the vectors of the cell, angstrom.

        Returns:
            For each atom (M,) int64, ascending. Images that are nearer than NEAREST are one.
        """
        joined, count = fixing.tobytes(), fixing.shape[1]
        keys = [joined[start : start + count] for start in range(0, len(joined), count)]
        return [
            self._firsts(key, place, lattice) if (found := self._cosets.get(key)) is None else found
            for key, place in zip(keys, places, strict=True)
        ]

    def _firsts(self, stabiliser: bytes, place: np.ndarray, lattice: np.ndarray) -> np.ndarray:
        images = self.rotations @ place + self.translations
        order, kept = sum(stabiliser), []
        left = np.arange(len(images))
        while len(left) and order > 1:
            kept.append(int(left[0]))
            apart = images[left] - images[left[0]]
            left = left[np.linalg.norm((apart - np.rint(apart)) @ lattice, axis=1) >= NEAREST]
        found = np.array(kept) if order > 1 else left
        if len(found) * order == len(images):  # else it is no subgroup, and the images depend on the place
            self._cosets[stabiliser] = found
        return found

    def with_translations(self, translations: np.ndarray) -> Operations:
        """Return the operations followed by each of some translations, those of a centring.

        Args:
            translations: (C, 3) fractional, the zero among them.
        """
        shifts = self.translations + translations[:, None]
        return Operations.of(np.tile(self.rotations, (len(translations), 1, 1)), shifts.reshape(-1, 3))

    def keep_metric(self, lattice: np.ndarray, tolerance: float = 0.02) -> bool:
        """Return whether every rotation leaves lengths and angles of a cell as they are.

        Args:
            lattice: (3, 3) rows are the vectors of the cell, angstrom.
            tolerance: Relative difference of the metric tensor that counts as none.
        """
        changes, components = self._metric_changes
        metric = lattice @ lattice.T
        lengths = np.sqrt(metric.diagonal())
        scale = tolerance * (lengths[:, None] * lengths).ravel()
        return bool((np.abs(metric.ravel() @ changes) <= scale[components]).all())


IDENTITY = Operations.of(np.eye(3)[None], np.zeros((1, 3)))
"""The operation that leaves a crystal as it is: the space group P1."""


@lru_cache(maxsize=512)
def parse_operations(triplets: tuple[str, ...]) -> Operations:
    """Return the operations of a list of triplets, the identity first whether it is listed or not, repetitions left out.

    Args:
        triplets: Each such as "x, -y, z+1/2".

    Raises:
        UnreadableError: A triplet is no symmetry operation, or the list is no group.
    """
    if len(triplets) > MOST:
        raise UnreadableError(
            f"There are {len(triplets)} symmetry operations, more than any space group has", "Give each once"
        )
    parsed = [_operation(triplet) for triplet in ("x,y,z", *triplets)]
    rotations = np.array([rotation for rotation, _ in parsed], dtype=np.float64)
    translations = np.array([translation for _, translation in parsed], dtype=np.float64)
    translations -= np.floor(translations + _SAME / 2)
    rows = np.concatenate([rotations.reshape(-1, 9), np.rint(translations / _SAME) % round(1 / _SAME)], axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    first.sort()
    operations = Operations.of(rotations[first], translations[first])
    _refuse_no_group(operations)
    return operations


def from_integers(rotations: Sequence[Sequence[Sequence[int]]], translations: Sequence[Sequence[int]]) -> Operations:
    """Return operations from integers in units of 1/24, as gemmi gives them.

    Args:
        rotations: (S, 3, 3) in 24ths.
        translations: (S, 3) in 24ths.
    """
    return Operations.of(
        np.array(rotations, dtype=np.float64) / STEPS, np.array(translations, dtype=np.float64) / STEPS
    )


def _operation(triplet: str) -> tuple[list[list[int]], list[float]]:
    parts = _PLACE.sub("", triplet).split(",") if len(triplet) <= _LONGEST else []
    if len(parts) != 3:
        raise _no_operation(triplet)
    rows = [_row(part, triplet) for part in parts]
    rotation = [row for row, _ in rows]
    if abs(round(np.linalg.det(np.array(rotation)))) != 1:
        raise _no_operation(triplet)
    return rotation, [shift for _, shift in rows]


def _row(part: str, triplet: str) -> tuple[list[int], float]:
    """Return one row of W and one component of w from the sum of terms that a part is."""
    text = part.replace(" ", "").replace("\t", "").lower()
    axes, shift, end = [0, 0, 0], 0.0, 0
    while end < len(text):
        term = _TERM.match(text, end)
        if term is None or (end and not term[1]):
            raise _no_operation(triplet)
        sign, end = -1 if term[1] == "-" else 1, term.end()
        if term[3]:
            axes["xyz".index(term[3])] += sign * int(term[2] or 1)
        else:
            shift += sign * _number(term, triplet)
    if not any(axes) or any(abs(axis) > _LARGEST for axis in axes):
        raise _no_operation(triplet)
    return axes, shift


def _number(term: re.Match[str], triplet: str) -> float:
    if term[4] is None:
        value = float(term[6])
        nearest = round(value * STEPS) / STEPS
        return nearest if abs(value - nearest) < _DIGITS else value
    if int(term[5]) == 0:
        raise _no_operation(triplet)
    return float(Fraction(int(term[4]), int(term[5])))


def _no_operation(triplet: str) -> UnreadableError:
    return UnreadableError(
        f"{triplet[:_LONGEST]!r} is no symmetry operation", "Write it in ASCII, such as 'x, -y, z+1/2'"
    )


def _refuse_no_group(operations: Operations) -> None:
    """Refuse a list that lacks the product of two of its operations."""
    rotations, translations = operations.rotations, operations.translations
    count = len(rotations)
    known = _codes(rotations, translations)
    found = (
        _codes(rotations[i] @ rotations, (rotations[i] @ translations.T).T + translations[i]) for i in range(count)
    )
    if not all(products <= known for products in found):
        raise UnreadableError(
            f"The {count} symmetry operations are no group: the product of two of them is missing",
            "Give all operations of the space group, those of its centring included, or only its name",
        )


def _codes(rotations: np.ndarray, translations: np.ndarray) -> set[bytes]:
    """Return a value for each operation, equal where operations are: translations differ by less than a hundredth."""
    rows = np.concatenate([np.rint(rotations).reshape(-1, 9), np.rint(translations * STEPS) % STEPS], axis=1)
    return {row.tobytes() for row in rows.astype(np.int8)}
