"""The nouns of cryskit: what the world gives, what a network eats, what comes back.

N atoms (nodes), E directed edges, B crystals, P properties, d width. This module does not import torch: the tensors of
a Graph and an Encoding are only annotated here and made in `batching` and the encoders.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cryskit.errors import CoordinatesError, CrystalError, LatticeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Axis = Literal["atoms", "edges", "crystals"]


@dataclass(frozen=True, eq=False)
class Crystal:
    """One periodic structure.

    Attributes:
        id: Unique in its data set.
        lattice: (3, 3) float64, angstrom, **rows** are the vectors a, b, c.
        fractional: (N, 3) float64, coordinates in units of the lattice vectors.
        numbers: (N,) int64, atomic numbers.
        text: A description, or None.
        targets: Property name to value, in the unit of the property of that name; absent means unknown.
        warnings: What is doubtful about how it was read, in sentences without a full stop; empty if nothing is.

    Raises:
        LatticeError: The lattice is not (3, 3).
        CoordinatesError: Coordinates and numbers do not match.
    """

    id: str
    lattice: np.ndarray
    fractional: np.ndarray
    numbers: np.ndarray
    text: str | None = None
    targets: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lattice = np.ascontiguousarray(self.lattice, dtype=np.float64)
        fractional = np.ascontiguousarray(self.fractional, dtype=np.float64)
        numbers = np.ascontiguousarray(self.numbers, dtype=np.int64)
        if lattice.shape != (3, 3):
            raise LatticeError(
                f"The lattice has shape {lattice.shape}, expected (3, 3)",
                "Give three vectors as rows, in angstrom",
                self.id,
            )
        if numbers.ndim != 1 or fractional.shape != (len(numbers), 3):
            raise CoordinatesError(
                f"{len(numbers)} atomic numbers but fractional coordinates of shape {fractional.shape}",
                "Give one row of three fractional coordinates per atom",
                self.id,
            )
        object.__setattr__(self, "lattice", lattice)
        object.__setattr__(self, "fractional", fractional)
        object.__setattr__(self, "numbers", numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the lattice, coordinates and atomic numbers: the same content, the same graph."""
        digest = hashlib.sha256()
        for array in (self.lattice, self.fractional, self.numbers):
            digest.update(array.tobytes())
        return digest.hexdigest()


class Failure(NamedTuple):
    """A row of a source that is no usable crystal; it keeps its place among the others."""

    id: str
    error: CrystalError


@dataclass(frozen=True)
class GraphSpec:
    """Which graph an encoder or objective needs; saved with a model, hashed to name the cache.

    Attributes:
        neighbours: "nearest": the `count` nearest neighbours within `radius`; "radius": all within `radius`.
        radius: Angstrom.
        count: Neighbours per atom for "nearest".
        shells: Keep every further neighbour that is as near as the last of the `count` (within 1e-3 angstrom), so that
            the graph depends neither on the choice of cell nor on the order of atoms.
        reduce: Nodes are the orbits of the space group, weighted by their multiplicity.
        undirected: Two atoms are neighbours if either chose the other, by whole shells, and the graph says which edge is
            the reverse of which and which edges are alike: what a line graph needs.
        symmetry: Also give the space group and crystal system of each crystal.
        origins: Also say which atom of its crystal each node is.
        translations: Also give the lengths of the crystal's shortest translations.
        text: Also give what a text encoder makes of the description of each crystal: its name (see `text.embed`), "" for none.
    """

    neighbours: Literal["nearest", "radius"] = "nearest"
    radius: float = 8.0
    count: int = 12
    shells: bool = True
    reduce: bool = True
    undirected: bool = False
    symmetry: bool = False
    origins: bool = False
    translations: bool = False
    text: str = ""

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change with any field but the text, which is never built or stored."""
        built = {name: value for name, value in asdict(self).items() if name != "text"}
        return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:16]


class FieldAxis(NamedTuple):
    """Where a field of a Graph lies: its axis, the dimension of that axis, and the axis its integers point at."""

    axis: Axis
    dimension: int = 0
    points_at: Axis | None = None


def _on_axis(axis: Axis, dimension: int = 0, points_at: Axis | None = None) -> dict[str, FieldAxis]:
    return {"axis": FieldAxis(axis, dimension, points_at)}


@dataclass(frozen=True, eq=False)
class Graph:
    """What a network eats: always a batch, a single crystal being a batch of one.

    Each field declares the axis it lies on and what its integers point at; collating, taking, splitting and moving are
    generic over these declarations (see `batching`).

    Attributes:
        numbers: (N,) int64, atomic number of each node.
        multiplicity: (N,) float32, atoms of the cell that the node stands for.
        crystal_of_atom: (N,) int64, the crystal of each node, sorted.
        edges: (2, E) int64, (centre, neighbour), sorted by centre.
        vectors: (E, 3) float32, angstrom, centre to neighbour with the periodic image applied.
        lattice: (B, 3, 3) float32, angstrom, rows.
        targets: (B, P) float32, NaN where unknown; encoders never read it.
        symmetry: (B, 2) int64, space group 1..230 and crystal system 0..6, from triclinic to cubic; encoders never read it.
            Only where the spec asks for it.
        origin: (N,) int64, which atom of its crystal the node is, from 0; of an orbit the first. Only where the spec asks.
        teacher: (N, L, t) float32, what L layers of a teacher say of each atom; encoders never read it. Never stored.
        reverse: (E,) int64, the edge that each edge is when looked at from its other end, turned by a symmetry operation
            to where that end's node has its edges. Only of undirected graphs.
        orbit_of_edge: (E,) int64, the first edge of the same node that an operation turns this edge into. Only of
            undirected graphs.
        translations: (B, 6) float32, angstrom, lengths of the shortest translations; see `graphs.translations`. Only where
            the spec asks for it.
        text: (B, 2, t) float32, what a text encoder makes of the description of each crystal, of what it says of the whole and
            of what it says of the sites; NaN where there is none. Only where the spec asks for it; never stored.
    """

    numbers: Tensor = field(metadata=_on_axis("atoms"))
    multiplicity: Tensor = field(metadata=_on_axis("atoms"))
    crystal_of_atom: Tensor = field(metadata=_on_axis("atoms", points_at="crystals"))
    edges: Tensor = field(metadata=_on_axis("edges", dimension=1, points_at="atoms"))
    vectors: Tensor = field(metadata=_on_axis("edges"))
    lattice: Tensor = field(metadata=_on_axis("crystals"))
    targets: Tensor = field(metadata=_on_axis("crystals"))
    symmetry: Tensor | None = field(default=None, metadata=_on_axis("crystals"))
    origin: Tensor | None = field(default=None, metadata=_on_axis("atoms"))
    teacher: Tensor | None = field(default=None, metadata=_on_axis("atoms"))
    reverse: Tensor | None = field(default=None, metadata=_on_axis("edges", points_at="edges"))
    orbit_of_edge: Tensor | None = field(default=None, metadata=_on_axis("edges", points_at="edges"))
    translations: Tensor | None = field(default=None, metadata=_on_axis("crystals"))
    text: Tensor | None = field(default=None, metadata=_on_axis("crystals"))

    @property
    def atoms(self) -> int:
        """N, the number of nodes."""
        return int(self.numbers.shape[0])

    @property
    def crystals(self) -> int:
        """B, the number of crystals."""
        return int(self.lattice.shape[0])

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The fields that this graph has, by name."""
        return {name: getattr(self, name) for name in FIELD_AXES if getattr(self, name) is not None}


FIELD_AXES: Mapping[str, FieldAxis] = MappingProxyType({f.name: f.metadata["axis"] for f in fields(Graph)})
"""Of every field of a Graph, those that only some specs ask for included."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """What an encoder makes of a Graph.

    Attributes:
        atoms: (N, d) one vector per node.
        crystals: (B, d) one vector per crystal.
    """

    atoms: Tensor
    crystals: Tensor


@dataclass(frozen=True)
class Property:
    """A quantity that can be learned and predicted.

    Attributes:
        name: The registry name, also the column name in every table.
        symbol: As written in the literature.
        unit: The unit of targets and predictions ("" if it has none).
        kind: "scalar" is all there is so far.
        range: Values outside are reported by the audit as unphysical, in the property's unit.
        transform: What is learned: the value itself ("none") or its decimal logarithm ("log10").
        functional: The level of theory of the labels (PBE, OptB88vdW, mBJ, ...): another functional, another property.
        aliases: Column names that other tools use for it.
        description: One sentence.
    """

    name: str
    symbol: str
    unit: str
    kind: Literal["scalar"] = "scalar"
    range: tuple[float, float] = (-np.inf, np.inf)
    transform: Literal["none", "log10"] = "none"
    functional: str = ""
    aliases: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one crystal; one per input, in order.

    Attributes:
        id: Of the crystal.
        values: Property name to value in the property's unit; empty if it failed.
        deviations: Property name to standard deviation, where the model gives one.
        intervals: Property name to (lower, upper), where the model gives them.
        status: "ok", "warned" or "failed".
        reason: Why it was not ok.
    """

    id: str
    values: Mapping[str, float]
    deviations: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    status: Literal["ok", "warned", "failed"] = "ok"
    reason: str = ""
