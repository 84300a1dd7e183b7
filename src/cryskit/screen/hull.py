"""Energy above the convex hull of formation energies, by pymatgen's phase diagrams of the chemical systems.

The hull is made of the screened crystals, of known ones with a formation energy, and of the elements, whose formation energy is 0.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymatgen.analysis.phase_diagram import PhaseDiagram

HULL = "energy_above_hull"
"""Column of the energy above the hull, eV/atom."""

_DIGITS = 9  # of an energy in eV/atom: what is behind them is rounding
_KEPT = 256  # phase diagrams: crystals of one system are computed with one
_MOST_ELEMENTS = 10  # of a crystal: its chemical system has 2^n - 1 subsystems


class Hull:
    """The lowest formation energy of every reduced formula, by chemical system."""

    def __init__(self) -> None:
        self._lowest: dict[str, dict[str, float]] = defaultdict(dict)
        self._diagrams: dict[str, PhaseDiagram] = {}

    def add(self, systems: Iterable[str | None], formulas: Iterable[str | None], energies: Iterable[float]) -> None:
        """Add crystals; those without an energy are left out.

        Args:
            systems: Elements of each in alphabetical order, "O-Ti".
            formulas: Reduced formula of each.
            energies: Formation energy of each, eV/atom.
        """
        for system, formula, energy in zip(systems, formulas, energies, strict=True):
            if system and formula and np.isfinite(energy):
                known = self._lowest[system]
                known[formula] = min(energy, known.get(formula, np.inf))

    def above(self, system: str | None, formula: str | None, energy: float) -> float:
        """Return the energy of a crystal above the hull, eV/atom, 0 on it; NaN where it has none.

        Args:
            system: Its elements in alphabetical order.
            formula: Its reduced formula.
            energy: Its formation energy, eV/atom.
        """
        if not system or not formula or not np.isfinite(energy) or system.count("-") >= _MOST_ELEMENTS:
            return float("nan")
        from pymatgen.core import Composition  # noqa: PLC0415 - who asks for a hull waits for it

        composition = Composition(formula)
        on_hull = self._diagram(system).get_hull_energy_per_atom(composition)
        return max(0.0, round(energy - float(on_hull), _DIGITS))

    def _diagram(self, system: str) -> PhaseDiagram:
        """Return the phase diagram of a chemical system, kept for the next crystal of it."""
        if system not in self._diagrams:
            from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram  # noqa: PLC0415
            from pymatgen.core import Composition  # noqa: PLC0415

            elements = system.split("-")
            entries = [PDEntry(Composition(element), 0.0) for element in elements]
            parts = chain.from_iterable(combinations(elements, size) for size in range(1, len(elements) + 1))
            for part in parts:
                for formula, energy in self._lowest.get("-".join(part), {}).items():
                    composition = Composition(formula)
                    entries.append(PDEntry(composition, energy * composition.num_atoms))
            if len(self._diagrams) >= _KEPT:
                self._diagrams.clear()
            self._diagrams[system] = PhaseDiagram(entries)
        return self._diagrams[system]
