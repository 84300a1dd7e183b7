"""Structure prototypes: the space group of a crystal and the Wyckoff positions of its atoms, without the elements."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from cryskit.symmetry import NAMED_TOLERANCE, detect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moyopy import MoyoDataset

    from cryskit.types import Crystal

_Sites = tuple[tuple[int, tuple[tuple[str, int], ...]], ...]


def prototype(crystal: Crystal) -> str | None:
    """Return the prototype of one crystal, for example "225 a b"; None where its symmetry cannot be found.

    Args:
        crystal: The crystal; see `Prototypes.of`.
    """
    return Prototypes().of(crystal)


class Prototypes:
    """Finds the prototypes of many crystals; every arrangement of Wyckoff positions is worked out once."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, _Sites], str] = {}

    def of(self, crystal: Crystal) -> str | None:
        """Return the prototype of a crystal: the space group and, for each element, the Wyckoff positions of its atoms.

        Rock salt is "225 a b", rutile "136 a f", whatever the elements, cell, origin and orientation: of the equivalent ways
        to letter the positions (under the Euclidean normaliser of the space group) the first in order is taken. Free
        coordinates and axial ratios are not compared, so two structures of one prototype may look different.

        Args:
            crystal: The crystal.

        Returns:
            The prototype; None where the symmetry cannot be found.
        """
        found = detect(crystal, NAMED_TOLERANCE)
        if found is None:
            return None
        arrangement = found.hall_number, _sites(crystal.numbers.tolist(), found.wyckoffs)
        if arrangement not in self._names:
            self._names[arrangement] = _canonical(found)
        return self._names[arrangement]


def _canonical(found: MoyoDataset) -> str:
    """Return the prototype with, of all equivalent ways to letter the Wyckoff positions, the first in order."""
    numbers = found.std_cell.numbers
    ways = found.normalizer_wyckoff_positions().coset_representatives
    multiplicity = {position.letter: position.multiplicity for _, positions in ways for position in positions}
    sites = min(_sites(numbers, [position.letter for position in positions]) for _, positions in ways)
    words = ("".join(_orbits(letter, count // multiplicity[letter]) for letter, count in site) for _, site in sites)
    return " ".join([str(found.number), *words])


def _sites(numbers: Sequence[int], letters: Sequence[str]) -> _Sites:
    """Return for each element its number of atoms and their number on each Wyckoff position, the rarest element first."""
    atoms: dict[int, Counter[str]] = defaultdict(Counter)
    for number, letter in zip(numbers, letters, strict=True):
        atoms[number][letter] += 1
    return tuple(sorted((counts.total(), tuple(sorted(counts.items()))) for counts in atoms.values()))


def _orbits(letter: str, count: int) -> str:
    return letter if count == 1 else f"{letter}{count}"
