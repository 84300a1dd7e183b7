"""A filter that finds the prototypes that a crystal can match at all, without matching them.

A match of two structures without regard to elements compares their primitive cells. It needs as many atoms in one as in the
other, and a way to pair the elements so that each has as many atoms as its partner. So two structures whose primitive cells
have different counts of atoms per element (sorted, elements forgotten) never match, whatever the tolerances: leaving them out
cannot change an answer. This says more than the anonymous formula and the number of sites together. Space groups are not
compared, for a match may be off by tens of per cent in lengths and by degrees in angles: structures of different space groups
do match.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping


class Prototype(NamedTuple):
    """A prototype, as it comes or made ready for matching.

    Attributes:
        counts: Numbers of atoms of each element in the cell, ascending.
        cell: The cell, a pymatgen structure; what is matched is primitive and Niggli-reduced.
    """

    counts: tuple[int, ...]
    cell: Any


def reduced(structure: Any) -> Any:
    """Return the primitive cell of the Niggli-reduced cell of a pymatgen structure, as pymatgen's matcher makes it."""
    return structure.get_reduced_structure(reduction_algo="niggli").get_primitive_structure()


def counts(cell: Any) -> tuple[int, ...]:
    """Return how many atoms of each element a pymatgen structure has, ascending, the elements forgotten."""
    return tuple(sorted(Counter(cell.species).values()))


def repeats(many: tuple[int, ...], few: tuple[int, ...]) -> bool:
    """Return whether counts can be those of a cell that holds a primitive one several times, or once.

    Args:
        many: Counts of atoms per element of any cell.
        few: Those of the primitive cell.
    """
    times = sum(many) // sum(few)
    return many == tuple(times * count for count in few)


class PrototypeFilter:
    """Prototypes, found by their counts of atoms; each is reduced once, when a crystal first has its stoichiometry.

    Args:
        structures: Label of each prototype to its ordered pymatgen structure.
    """

    def __init__(self, structures: Mapping[Hashable, Any]) -> None:
        self._given = {label: Prototype(counts(structure), structure) for label, structure in structures.items()}
        self._known: dict[Hashable, Prototype] = {}

    def possible(self, cell: Any, labels: Iterable[Hashable]) -> list[tuple[Hashable, Any]]:
        """Return the prototypes that a crystal can match.

        Args:
            cell: The reduced primitive cell of the crystal.
            labels: Labels of the prototypes to consider, in the order in which they are wanted.

        Returns:
            Label and reduced primitive cell of each.
        """
        wanted = counts(cell)
        alike = [(label, self._reduced(label)) for label in labels if repeats(self._given[label].counts, wanted)]
        return [(label, known.cell) for label, known in alike if known.counts == wanted]

    def _reduced(self, label: Hashable) -> Prototype:
        if label not in self._known:
            cell = reduced(self._given[label].cell)
            self._known[label] = Prototype(counts(cell), cell)
        return self._known[label]
