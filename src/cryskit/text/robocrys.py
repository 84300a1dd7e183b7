"""Robocrystallographer (Ganose and Jain 2019, doi 10.1557/mrc.2019.94) with shared neighbour search and fewer prototype matches.

The words are the same, many times sooner. This is the only file that imports it. What is saved, each by an extension of its own
classes:

- Only those of its 180 prototypes are matched that can match (see `prototype_filter`), each reduced once, when a crystal has its stoichiometry, and not for every crystal.
- The neighbours of an atom and its fingerprint are found once and not three and two times, for mineral, bonds and sites alike.
- Atoms bonded to an atom, and the atoms next to these, are remembered while a crystal is described.
- The table of molecule names is not read. It is of use with Open Babel only, and then version 0.2.13 fails on the names that it
  knows and asks PubChem for the others; nothing is ever asked for over the network here, so molecules go by their formula.
"""

from __future__ import annotations

import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.errors import CryskitError, DescriptionError
from cryskit.text.prototype_filter import PrototypeFilter, reduced
from cryskit.text.quick_import import without_needless_work
from cryskit.text.short import kind_and_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal

try:
    with warnings.catch_warnings(), without_needless_work():
        warnings.simplefilter("ignore")
        from matminer.featurizers.site import CrystalNNFingerprint
        from matminer.featurizers.structure import SiteStatsFingerprint
        from networkx import NetworkXException
        from pymatgen.analysis.dimensionality import get_structure_components
        from pymatgen.analysis.graphs import StructureGraph
        from pymatgen.analysis.local_env import CrystalNN
        from pymatgen.core import Structure
        from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
        from robocrys import StructureCondenser, StructureDescriber
        from robocrys.condense.component import (
            get_component_formula,
            get_structure_inequiv_components,
        )
        from robocrys.condense.mineral import MineralMatcher, ReducedAflowPrototypeMatcher
        from robocrys.condense.site import SiteAnalyzer
        from spglib import SpglibError
except ImportError as missing:
    raise CryskitError(
        f"Describing crystals needs Robocrystallographer, which cannot be imported ({missing})",
        "pip install 'cryskit[describe]'",
    ) from missing

_ERRORS = (  # what it and what it builds on may raise on crystals that they cannot describe; they declare nothing
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NetworkXException,
    RuntimeError,
    SpglibError,
    TypeError,
    ValueError,
)
_NUMPY = re.compile(r"np\.\w+\(([^()]*)\)")
_AND = r"(?:, and |, | and )"
_LISTS = (
    (re.compile(rf"\([^()]*\)(?:{_AND}\([^()]*\))+(?= directions)"), re.compile(r"\([^()]*\)")),
    (re.compile(rf"(?:(?:corner|edge|face){_AND})+\w+(?=-sharing )"), re.compile(r"corner|edge|face")),
)
"""Lists that come in any order, and what stands in them."""


class Parts(NamedTuple):
    """The two parts of a description.

    Attributes:
        overall: Mineral, space group, dimensionality and what the crystal is made up of.
        local: Sites, bond lengths and angles.
    """

    overall: str
    local: str


def clean(text: str) -> str:
    """Return a description without what the program, and not the crystal, put into it.

    Numbers that numpy wrote as `np.int64(0)` become plain. Directions, and what polyhedra share ("corner and edge-sharing"),
    come in an order that changes from one start of Python to the next; they are sorted.

    Args:
        text: Description by Robocrystallographer.
    """
    text = _NUMPY.sub(r"\1", text)
    for listed, item in _LISTS:
        text = listed.sub(partial(_in_order, item), text)
    return text


def _in_order(item: re.Pattern[str], listed: re.Match[str]) -> str:
    items = iter(sorted(item.findall(listed[0])))
    return item.sub(lambda _: next(items), listed[0])


class Robocrys:
    """Describes crystals, one after another, all with Robocrystallographer's default settings."""

    def __init__(self) -> None:
        self._condenser = _Condenser()
        self._describer = StructureDescriber(return_parts=True)

    def describe(self, crystal: Crystal) -> Parts:
        """Describe a crystal.

        Args:
            crystal: The crystal to describe.

        Raises:
            DescriptionError: Robocrystallographer cannot describe it.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                structure = Structure(crystal.lattice, crystal.numbers.tolist(), crystal.fractional)
                parts = self._describer.describe(self._condenser.condense_structure(structure))
        except _ERRORS as error:
            raise DescriptionError(f"Robocrystallographer: {kind_and_text(error)}", "Check the crystal") from error
        overall = " ".join(part for part in (parts["mineral"], parts["component_makeup"]) if part)
        return Parts(clean(overall), clean(parts["components"]))


class _Bonds(StructureGraph):
    """Bonds that remember what was asked of them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._asked: dict[tuple[int, tuple[int, ...]], list[Any]] = {}

    def get_connected_sites(self, n: int, jimage: tuple[int, int, int] = (0, 0, 0)) -> list[Any]:
        """Return the sites bonded to a site."""
        if (n, jimage) not in self._asked:
            self._asked[n, jimage] = super().get_connected_sites(n, jimage)
        return self._asked[n, jimage]


class _Neighbours(CrystalNN):
    """CrystalNN, as it comes, that remembers what it found in the structure it was last asked about."""

    def __init__(self) -> None:
        super().__init__()
        self._structure: Any = None
        self._found: dict[int, Any] = {}

    def get_nn_data(self, structure: Any, n: int, length: int | None = None) -> Any:
        """Return the neighbours of a site by coordination number."""
        if structure is not self._structure:
            self._structure, self._found = structure, {}
        if n not in self._found:
            self._found[n] = super().get_nn_data(structure, n, length)
        return self._found[n]

    def get_bonded_structure(self, structure: Any, *_: Any, **__: Any) -> _Bonds:
        """Return the bonds of an ordered structure."""
        bonds: _Bonds = _Bonds.from_local_env_strategy(structure, self, weights=True)
        bonds.set_node_attributes()
        return bonds


class _Fingerprints:
    """Order parameters of the sites of the structure that was last asked about; in the place of a site featurizer.

    Sites that symmetry makes equal, and whose neighbours CrystalNN weighs the same to the last digit, share those of the first.
    """

    def __init__(self, neighbours: _Neighbours) -> None:
        self._featurizer = CrystalNNFingerprint.from_preset("ops", cation_anion=False)
        self._featurizer.cnn = self._neighbours = neighbours
        self._labels: list[str] = list(self._featurizer.feature_labels())
        self._structure: Any = None
        self._rows: dict[int, list[float]] = {}

    def feature_labels(self) -> list[str]:
        """Return the names of the order parameters."""
        return self._labels

    def featurize(self, structure: Any, site: int) -> list[float]:
        """Return the order parameters of a site."""
        if structure is not self._structure:
            self._structure, self._rows = structure, {}
        if site not in self._rows:
            self._rows[site] = self._featurizer.featurize(structure, site)
        return self._rows[site]

    def of_sites(self, structure: Any, equal: Sequence[int]) -> list[dict[str, float]]:
        """Return the order parameters of all sites by name.

        Args:
            structure: The structure.
            equal: For each site the first that symmetry makes equal to it.
        """
        for site, first in enumerate(equal):
            of_first = self.featurize(structure, first)
            weights, others = (self._neighbours.get_nn_data(structure, i).cn_weights for i in (site, first))
            if weights == others:
                self._rows[site] = of_first
        rows = np.array([self.featurize(structure, site) for site in range(len(structure))])
        return [dict(zip(self._labels, row, strict=True)) for row in rows]

    def of_structure(self, structure: Any) -> np.ndarray:
        """Return mean and standard deviation of the order parameters."""
        return np.array(SiteStatsFingerprint(self, stats=("mean", "std_dev")).featurize(structure))


class _Candidates(ReducedAflowPrototypeMatcher):
    """Matches the prototypes that can match, in the order given."""

    def __init__(self, minerals: _Minerals, ranked: Any, prototypes: PrototypeFilter) -> None:
        tolerances = (minerals.initial_ltol, minerals.initial_stol, minerals.initial_angle_tol)
        super().__init__(*tolerances, mineral_db=ranked)
        self._prototypes = prototypes

    @staticmethod
    def _preprocess_structure(structure: Any) -> Any:
        return reduced(reduced(structure))  # the library's matcher reduces again what it is given

    def _match_prototype(self, structure_matcher: Any, s: Any) -> list[dict[str, Any]]:
        return [
            {"type": row["mineral"], "distance": row["distance"], "structure": row["structure"]}
            for label, cell in self._prototypes.possible(s, self._mineral_db.index)
            if structure_matcher.fit_anonymous(cell, s, skip_structure_reduction=True)
            for row in (self._mineral_db.loc[label],)
        ]


class _Minerals(MineralMatcher):
    """Finds the name of a mineral."""

    def __init__(self, fingerprints: _Fingerprints) -> None:
        super().__init__()
        self.mineral_db: Any = self.mineral_db.reset_index(drop=True)  # several rows have one label
        self._fingerprints = fingerprints
        self._prints = [np.array(row) for row in self.mineral_db["fingerprint"]]
        self._prototypes = PrototypeFilter(dict(self.mineral_db["structure"].items()))
        self._ranked: Any = None
        self._structure: Any = None

    def forget(self) -> None:
        """Begin with another crystal, whose name is not to depend on the one before, however alike."""
        self._structure = None

    def get_aflow_matches(self, structure: Any) -> list[dict[str, Any]] | None:
        """Return the minerals whose structure it is, the most alike first."""
        self._set_distance_matrix(structure)
        matches: list[dict[str, Any]] | None = _Candidates(self, self._ranked, self._prototypes).get_prototypes(
            structure
        )
        return matches

    def _set_distance_matrix(self, structure: Any) -> None:
        if structure is self._structure:
            return
        if structure != self._structure:
            mine = self._fingerprints.of_structure(structure)
            distances = [np.linalg.norm(other - mine) for other in self._prints]
            self._ranked = self.mineral_db.assign(distance=distances).sort_values(by="distance")
            self._mineral_db = self._ranked[self._ranked["distance"] < self.fingerprint_distance_cutoff]
        self._structure = structure


class _Sites(SiteAnalyzer):
    """Finds what surrounds each site."""

    def __init__(self, bonds: _Bonds, fingerprints: _Fingerprints, symmetry: Any) -> None:
        self.bonded_structure = bonds
        self.use_iupac_formula = True
        self.minimum_geometry_op = 0.4
        self._next: dict[tuple[int, bool], list[dict[str, Any]]] = {}
        equal = symmetry.get_symmetry_dataset().equivalent_atoms.tolist()
        self.site_fingerprints = fingerprints.of_sites(bonds.structure, equal)
        self.equivalent_sites = self._calculate_equivalent_sites()
        self.symmetry_labels = self._calculate_symmetry_labels(equal)

    def get_next_nearest_neighbors(
        self,
        site_index: int,
        inc_inequivalent_site_index: bool = True,  # noqa: FBT001, FBT002 - as the library has it
    ) -> list[dict[str, Any]]:
        """Return the next nearest neighbours of a site."""
        asked = site_index, inc_inequivalent_site_index
        if asked not in self._next:
            self._next[asked] = super().get_next_nearest_neighbors(*asked)
        return self._next[asked]


class _Condenser(StructureCondenser):
    """Finds all that a description says of a structure, in the library's own form."""

    def __init__(self) -> None:
        neighbours = _Neighbours()
        self._fingerprints = _Fingerprints(neighbours)
        super().__init__(near_neighbors=neighbours, mineral_matcher=_Minerals(self._fingerprints))

    def condense_structure(self, structure: Any) -> dict[str, Any]:
        """Return what a description says of a structure."""
        self.mineral_matcher.forget()
        given = structure.get_sorted_structure()
        given.translate_sites(range(len(given)), [1, 1, 1])  # into the cell
        symmetry = SpacegroupAnalyzer(given, symprec=self.symprec)
        cell = symmetry.get_conventional_standard_structure()
        bonds = self.near_neighbors.get_bonded_structure(cell)
        components = get_structure_components(bonds, inc_orientation=True, inc_site_ids=True, inc_molecule_graph=True)
        sites = _Sites(bonds, self._fingerprints, SpacegroupAnalyzer(cell, symprec=self.symprec))
        kinds = get_structure_inequiv_components(components)
        return {
            "formula": self._condense_formula(cell, components),
            "spg_symbol": symmetry.get_space_group_symbol(),
            "crystal_system": symmetry.get_crystal_system(),
            "mineral": self._condense_mineral(cell, components),
            "dimensionality": max(component["dimensionality"] for component in components),
            "sites": sites.get_all_site_summaries(),
            "distances": sites.get_all_bond_distance_summaries(),
            "angles": sites.get_all_connectivity_angle_summaries(),
            "nnn_distances": sites.get_all_nnn_distance_summaries(),
            "components": {i: self._component(kind, sites) for i, kind in enumerate(kinds)},
            "component_makeup": [i for i, kind in enumerate(kinds) for _ in range(kind["count"])],
            "vdw_heterostructure_info": None,  # which no sentence mentions
        }

    @staticmethod
    def _component(component: dict[str, Any], sites: _Sites) -> dict[str, Any]:
        return {
            "formula": get_component_formula(component),
            "dimensionality": component["dimensionality"],
            "orientation": component["orientation"],
            "molecule_name": None,
            "sites": sites.get_inequivalent_site_indices(component["site_ids"]),
        }
