"""Crystals from and to the structures of other libraries, which are imported only when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cryskit.errors import DisorderError, ElementError, LatticeError
from cryskit.html import facts_html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms
    from pymatgen.core import Structure

_FLAT = 1e-6  # cubic angstrom


class Conversions:
    """What a crystal can be made of and turned into; `types.Crystal` has these methods.

    Attributes:
        id: Id of the crystal.
        lattice: (3, 3) float64, the lattice vectors as rows, in angstrom.
        fractional: (N, 3) float64, the fractional coordinates.
        numbers: (N,) int64, the atomic numbers.
        targets: Property name to known value.
        warnings: What is doubtful about how it was read.
        path: Path of the file that it was read from.
        labels: Property name to a label in words.
    """

    id: str
    lattice: np.ndarray
    fractional: np.ndarray
    numbers: np.ndarray
    targets: Mapping[str, float]
    warnings: tuple[str, ...]
    path: str
    labels: Mapping[str, str]

    @property
    def formula(self) -> str:
        """The reduced formula, electronegative elements last, for example "SrTiO3"."""
        from cryskit.elements import formula  # noqa: PLC0415 - here and below: only who needs a library waits for it

        return formula(self.numbers)

    @classmethod
    def from_pymatgen(cls, structure: Structure, id: str = "") -> Self:  # noqa: A002 - it is the name of the attribute
        """Return a pymatgen structure as a crystal; `cryskit.read` also takes labels from its properties.

        Args:
            structure: Ordered structure, periodic in three directions.
            id: Id of the crystal; its formula by default.

        Raises:
            DisorderError: A site is partly occupied or shared.
            ElementError: A species is no element.
            LatticeError: It is not periodic in all directions.
        """
        from pymatgen.core import DummySpecies  # noqa: PLC0415

        if not all(structure.lattice.pbc):
            raise LatticeError(
                f"The structure is periodic along {structure.lattice.pbc} only",
                "Give a cell that repeats in three directions",
            )
        for i, site in enumerate(structure):
            if not site.is_ordered:
                raise DisorderError(f"Site {i + 1} is {site.species_string}", "Give an ordered cell")
            if isinstance(site.specie, DummySpecies):
                raise ElementError(
                    f"Site {i + 1} is {site.specie}, no element", "Name an element of the periodic table"
                )
        fractional = np.array(structure.frac_coords).reshape(-1, 3)
        numbers = np.array([site.specie.Z for site in structure], dtype=np.int64)
        return cls._named(id, np.array(structure.lattice.matrix), fractional, numbers)

    @classmethod
    def from_ase(cls, atoms: Atoms, id: str = "") -> Self:  # noqa: A002
        """Return ASE atoms as a crystal; `cryskit.read` also takes labels from their `info`.

        Args:
            atoms: Atoms with a cell that is periodic in three directions.
            id: Id of the crystal; its formula by default.

        Raises:
            DisorderError: `info` or the arrays name an occupancy other than one.
            LatticeError: There is no full periodic cell.
        """
        cell = np.array(atoms.cell, dtype=np.float64)
        volume = abs(np.linalg.det(cell)) if np.isfinite(cell).all() else 0.0
        if not atoms.pbc.all() or volume < _FLAT:
            raise LatticeError(
                f"The atoms have no full periodic cell (pbc {atoms.pbc.tolist()}, volume {volume:.3g})",
                'Set `atoms.cell` and `atoms.pbc = True`, or write Lattice="..." and pbc="T T T" into the XYZ file',
            )
        _require_order(atoms)
        fractional = np.linalg.solve(cell.T, atoms.positions.T).T.reshape(-1, 3)
        return cls._named(id, cell, fractional, np.array(atoms.numbers, dtype=np.int64))

    def to_pymatgen(self) -> Structure:
        """Return it as a pymatgen structure."""
        from pymatgen.core import Structure  # noqa: PLC0415

        return Structure(self.lattice, self.numbers.tolist(), self.fractional)

    def to_ase(self) -> Atoms:
        """Return it as ASE atoms, periodic in three directions."""
        from ase import Atoms  # noqa: PLC0415

        return Atoms(numbers=self.numbers, scaled_positions=self.fractional, cell=self.lattice, pbc=True)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: formula, cell, labels and doubts, as a table."""
        lengths = np.linalg.norm(self.lattice, axis=1)
        facts = {
            "formula": self.formula,
            "atoms": len(self.numbers),
            "a, b, c (angstrom)": ", ".join(f"{length:.3f}" for length in lengths),
            "volume (cubic angstrom)": f"{abs(np.linalg.det(self.lattice)):.2f}",
            **{name: f"{value:.4g}" for name, value in self.targets.items()},
            **self.labels,
            "warnings": ". ".join(self.warnings),
            "path": self.path,
        }
        return facts_html(self.id, facts)

    @classmethod
    def _named(cls, name: str, lattice: np.ndarray, fractional: np.ndarray, numbers: np.ndarray) -> Self:
        from cryskit.elements import formula  # noqa: PLC0415

        construct: Any = cls
        made: Self = construct(name or (formula(numbers) if len(numbers) else ""), lattice, fractional, numbers)
        return made


def _require_order(atoms: Atoms) -> None:
    """Raise for an occupancy other than one: by kind in `info` as ASE's CIF reader leaves it, or by atom as an array."""
    shares: list[Any] = []
    kinds = atoms.info.get("occupancy")
    if isinstance(kinds, dict):
        shares += [share for kind in kinds.values() for share in kind.values()]
    for array in ("occupancy", "occupancies"):
        shares += list(atoms.arrays.get(array, ()))
    if any(share != 1 for share in shares):
        raise DisorderError("A site is partly occupied or shared", "Give an ordered cell")
