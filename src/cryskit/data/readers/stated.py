"""What JSON and tables state of a crystal in addition to its sites: their number, the number of elements, the formula.

Each is another witness of the crystal that is meant, as in a CIF file (`cif_content`): a composition that contradicts them is refused,
another number of sites is a warning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryskit.data.readers.cif_content import Content, formula_of, refuse_other_composition, witness_of
from cryskit.data.targets import is_number
from cryskit.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryskit.types import Crystal

SITES = ("nsites", "natoms")
"""Names of the number of sites: that of pymatgen, the Materials Project and OPTIMADE, and that of ASE."""
ELEMENTS = "nelements"
"""Name of the number of different elements."""
FORMULAS = ("chemical_formula_reduced", "formula_pretty")
"""Names of the reduced formula: that of OPTIMADE, and that of the Materials Project."""
_WITHIN = ("attributes", "properties", "info")  # parts of an entry that state something, too


def compared(crystal: Crystal, entry: Mapping[str, Any]) -> Crystal:
    """Return the crystal, with a warning if an entry states another number of sites.

    Args:
        crystal: The crystal as it was read.
        entry: Dictionary or row that the crystal was read from. What it states in another type than expected counts for nothing.

    Raises:
        UnreadableError: The entry states another formula, or another number of elements.
    """
    warned = list(crystal.warnings)
    for facts in _facts(entry):
        _refuse_other_elements(crystal, facts)
        stated = {name: facts[name] for name in SITES if is_number(facts.get(name))}
        warned += [
            f"The cell has {len(crystal)} atoms, but {count:g} by {name} of the file"
            for name, count in stated.items()
            if count != len(crystal)
        ]
    return replace(crystal, warnings=tuple(dict.fromkeys(warned))) if warned else crystal


def _facts(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield entry
    yield from (part for name in _WITHIN if isinstance(part := entry.get(name), dict))


def _refuse_other_elements(crystal: Crystal, facts: Mapping[str, Any]) -> None:
    """Refuse a crystal of other elements or amounts than a formula or a number of elements says."""
    stated, found = facts.get(ELEMENTS), len(set(crystal.numbers.tolist()))
    if is_number(stated) and stated != found:
        raise UnreadableError(
            f"The cell holds {found} elements, but {stated:g} by {ELEMENTS} of the file",
            f"Mend the sites, or {ELEMENTS}, if that is wrong",
        )
    formulas = [facts[name] for name in FORMULAS if isinstance(facts.get(name), str)]
    for formula in formulas:
        content = Content(formula_of(formula), None, None, None, hydrogens=False)
        refuse_other_composition(crystal, content, witness_of(crystal, content, multiplicities=None))
