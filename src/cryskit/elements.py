"""Element features: 92 binary numbers that describe an element, in named blocks, computed from pymatgen and ASE.

    BLOCKS: Mapping[str, slice]      name of the block -> its columns, in order, from 0 to 92 without gaps
    FEATURE_COUNT: int               92
    ELEMENTS: int                    100, the heaviest element that has features (fermium)
    features() -> np.ndarray         (101, 92) float32, read-only: row Z describes element Z, row 0 is zero
    feature_name(feature) -> str     "group 2", "electronegativity 1.2 to 1.55", "block f"
    block_of(feature) -> str         "group", "electronegativity", "block"
    formula(numbers) -> str          "TiO2", the reduced formula of a list of atomic numbers
    chemical_system(numbers) -> str  "O-Ti", its elements

The layout is that of CGCNN (Xie and Grossman 2018, doi 10.1103/PhysRevLett.120.145301) as measured on its table: in every
block one feature of an element is 1, or none where the value is unknown. The first of the nineteen features of the group
stands for "no group" (the f block), so that feature g is group g. The values are those of maintained libraries and so differ
in places from the table's: covalent radii are Cordero's (ASE; the table has Pyykkoe's), electronegativities and molar volumes
are as pymatgen lists them, and an element whose anion is not bound has no electron affinity. Elements that share all features
(some lanthanides and actinides) cannot be distinguished by them.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from math import exp, gcd, inf, log
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ELEMENTS = 100
"""Atomic number of the heaviest element that has features."""


class _Categories(NamedTuple):
    """A block of features with one feature per value."""

    values: tuple[int | str, ...]
    of: Callable[[Element], int | str]

    def feature(self, element: Element) -> int | None:
        return self.values.index(self.of(element))

    def labels(self) -> list[str]:
        return [str(value) for value in self.values]


class _Bins(NamedTuple):
    """A block of ten features, bins of equal width between `low` and `high`, of the logarithm if `logarithmic`.

    A bin contains its lower edge. Values beyond the ends fall into the first or last bin.
    """

    low: float
    high: float
    unit: str
    logarithmic: bool
    of: Callable[[Element], float | None]
    size: int = 10

    def edges(self) -> np.ndarray:
        return np.round(np.linspace(self.low, self.high, self.size + 1), 9)

    def feature(self, element: Element) -> int | None:
        value = self.of(element)
        if value is None:
            return None
        scaled = log(value) if self.logarithmic else value
        return int(np.digitize(scaled, self.edges()[1:-1]))

    def labels(self) -> list[str]:
        edges = [exp(edge) if self.logarithmic else edge for edge in self.edges()]
        texts = [f"{edge:.{3 if self.logarithmic else 4}g}" for edge in edges]
        return [f"{low} to {high} {self.unit}".rstrip() for low, high in pairwise(texts)]


def _block(element: Element) -> str:
    # pymatgen goes by the group and so calls helium a p element
    return "s" if element.Z <= 2 else str(element.block)


def _group(element: Element) -> int | str:
    return "none" if _block(element) == "f" else int(element.group)


def _valence_electrons(element: Element) -> int:
    """Electrons in the outermost s and p shells, with the d shell below for d elements; 10 for palladium (4d10 5s0)."""
    shells = element.full_electronic_structure
    outermost = int(element.row)
    outer = sum(count for n, kind, count in shells if n == outermost and kind in "sp")
    inner = sum(count for n, kind, count in shells if n == outermost - 1 and kind == "d")
    return int(outer + inner if _block(element) == "d" else outer)


def _listed(name: str) -> Callable[[Element], float | None]:
    def value(element: Element) -> float | None:
        number = element.data.get(name)
        return None if number is None else float(number)

    return value


def _electron_affinity(element: Element) -> float | None:
    affinity = _listed("Electron affinity")(element)
    return affinity if affinity is not None and affinity > 0 else None


def _blocks() -> dict[str, _Categories | _Bins]:
    return {
        "group": _Categories(("none", *range(1, 19)), _group),
        "period": _Categories(tuple(range(1, 8)), lambda e: int(e.row)),
        "electronegativity": _Bins(0.5, 4.0, "", logarithmic=False, of=_listed("X")),
        "covalent_radius": _Bins(25, 250, "pm", logarithmic=False, of=lambda e: 100 * float(covalent_radii[e.Z])),
        "valence_electrons": _Categories(tuple(range(1, 13)), _valence_electrons),
        "ionisation_energy": _Bins(
            1.3, 3.3, "eV", logarithmic=True, of=lambda e: float(e.data["Ionization energies"][0])
        ),
        "electron_affinity": _Bins(-3, 3.7, "eV", logarithmic=False, of=_electron_affinity),
        "block": _Categories(("s", "p", "d", "f"), _block),
        "atomic_volume": _Bins(1.5, 4.3, "cm3/mol", logarithmic=True, of=_listed("Molar volume")),
    }


_DEFINITIONS = MappingProxyType(_blocks())
_LABELS = MappingProxyType({name: tuple(block.labels()) for name, block in _DEFINITIONS.items()})


def _slices() -> Iterator[tuple[str, slice]]:
    start = 0
    for name, labels in _LABELS.items():
        yield name, slice(start, start + len(labels))
        start += len(labels)


BLOCKS: Mapping[str, slice] = MappingProxyType(dict(_slices()))
"""Name of each block of features to its columns, in order."""

FEATURE_COUNT = sum(len(labels) for labels in _LABELS.values())
"""Number of features of an element, 92."""


@cache
def features() -> np.ndarray:
    """Return the features of all elements.

    Returns:
        (101, 92) float32 of zeros and ones, read-only (`torch.tensor(features())` copies it): row Z describes the
        element of atomic number Z; row 0 is zero.
    """
    table = np.zeros((ELEMENTS + 1, FEATURE_COUNT), dtype=np.float32)
    for number in range(1, ELEMENTS + 1):
        element = Element.from_Z(number)
        for name, block in _DEFINITIONS.items():
            feature = block.feature(element)
            if feature is not None:
                table[number, BLOCKS[name].start + feature] = 1
    table.setflags(write=False)
    return table


QUANTITIES = (
    "group",
    "period",
    *(name for name, block in _DEFINITIONS.items() if isinstance(block, _Bins)),
    "valence_electrons",
)
"""Names of the quantities of `quantities`: the blocks of features that are numbers."""


@cache
def quantities() -> np.ndarray:
    """Return the quantities behind the element features, standardised.

    Returns:
        (101, 8) float32, read-only: row Z describes the element of atomic number Z in the order of `QUANTITIES`. Each quantity
        (its logarithm if its bins are logarithmic) has mean 0 and deviation 1 over the elements for which it is known; it is 0
        where it is unknown.
    """
    known = np.full((ELEMENTS + 1, len(QUANTITIES)), np.nan)
    for number in range(1, ELEMENTS + 1):
        element = Element.from_Z(number)
        for column, name in enumerate(QUANTITIES):
            block = _DEFINITIONS[name]
            value = block.of(element)
            if value is not None and value != "none":
                logarithmic = isinstance(block, _Bins) and block.logarithmic
                known[number, column] = log(float(value)) if logarithmic else float(value)
    scaled = (known - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0)
    table: np.ndarray = np.nan_to_num(scaled).astype(np.float32)
    table.setflags(write=False)
    return table


def block_of(feature: int) -> str:
    """Return the name of the block of a feature.

    Args:
        feature: The column of the feature, 0..91.

    Raises:
        IndexError: There is no such feature.
    """
    for name, columns in BLOCKS.items():
        if columns.start <= feature < columns.stop:
            return name
    raise IndexError(f"There is no element feature {feature}; they run from 0 to {FEATURE_COUNT - 1}")


def feature_name(feature: int) -> str:
    """Return the name of a feature, in words and units.

    Args:
        feature: The column of the feature, 0..91.

    Returns:
        The block and the value or the interval (lower edge included), for example "covalent radius 160 to 182.5 pm".

    Raises:
        IndexError: There is no such feature.
    """
    block = block_of(feature)
    return f"{block.replace('_', ' ')} {_LABELS[block][feature - BLOCKS[block].start]}"


@cache
def _order(number: int) -> tuple[float, str]:
    electronegativity = _listed("X")(Element.from_Z(number))
    return (inf if electronegativity is None else electronegativity), symbol(number)


@cache
def symbol(number: int) -> str:
    """Return the symbol of an element.

    Args:
        number: The atomic number, 1..118.

    Raises:
        ValueError: There is no such element.
    """
    return str(Element.from_Z(number).symbol)


def formula(numbers: Iterable[int]) -> str:
    """Return the reduced formula of a unit cell, electronegative elements last, for example "SrTiO3".

    Args:
        numbers: The atomic number of each atom of the cell.

    Raises:
        ValueError: There is no element of one of these numbers.
    """
    counts = Counter(int(number) for number in numbers)
    divisor = gcd(*counts.values())
    parts = sorted((*_order(number), count // divisor) for number, count in counts.items())
    return "".join(f"{name}{count if count > 1 else ''}" for _, name, count in parts)


def chemical_system(numbers: Iterable[int]) -> str:
    """Return the elements of a unit cell in alphabetical order, for example "O-Sr-Ti".

    Args:
        numbers: The atomic number of each atom of the cell.

    Raises:
        ValueError: There is no element of one of these numbers.
    """
    return "-".join(sorted({symbol(int(number)) for number in numbers}))
