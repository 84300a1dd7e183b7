"""The data types of cryskit: crystals, graphs as the input of a network, encodings, properties and predictions.

N atoms (nodes), E directed edges, B crystals, P properties, d width. This module does not import torch: the tensors of
a Graph and an Encoding are only annotated here and made in `batching` and the encoders.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from cryskit.conversions import Conversions
from cryskit.errors import CoordinatesError, CrystalError, LatticeError, UnknownNameError
from cryskit.property import Property as Property  # noqa: PLC0414 - it is one of the types that others import from here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Axis = Literal["atoms", "edges", "crystals"]
NeighbourKind = Literal["smooth", "nearest", "radius"]


@dataclass(frozen=True, eq=False, repr=False)
class Crystal(Conversions):
    """A crystal structure: a unit cell and its atoms, with a description and known properties if there are any.

    Attributes:
        id: A name that is unique in its data set.
        lattice: (3, 3) float64, the lattice vectors a, b, c as **rows**, in angstrom.
        fractional: (N, 3) float64, the coordinates of the atoms in units of the lattice vectors.
        numbers: (N,) int64, the atomic numbers of the atoms.
        text: A description in words, or None.
        targets: Property name to known value, in the unit of that property, or number of its class; without those that are unknown.
        warnings: What is doubtful about how it was read, in sentences without the last full stop; empty if nothing is.
        path: Path of the file that it was read from, as it was given; "" if it was not read from a file.
        labels: Property name to a label in words ("metal", "true"), as a column of text or of truth values has it;
            `data.classes` makes targets of them.
        tensors: Property name to a known tensor: its matrix in Voigt's notation (`tensors.kinds`), in the unit of that property and in
            the frame of `lattice`.

    Raises:
        LatticeError: The lattice is not (3, 3).
        CoordinatesError: Coordinates and numbers do not match.

    Example:
        >>> from cryskit import Crystal
        >>> salt = Crystal("CsCl", [[4.12, 0, 0], [0, 4.12, 0], [0, 0, 4.12]], [[0, 0, 0], [0.5, 0.5, 0.5]], [55, 17])
        >>> len(salt), salt.lattice.shape, salt.targets
        (2, (3, 3), mappingproxy({}))
    """

    id: str
    lattice: np.ndarray
    fractional: np.ndarray
    numbers: np.ndarray
    text: str | None = None
    targets: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()
    path: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tensors: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

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

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields as another process can be sent them: mappings that cannot be written to are none of these."""
        return {
            name: dict(value) if isinstance(value, MappingProxyType) else value for name, value in vars(self).items()
        }

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        lengths = " x ".join(f"{length:.2f}" for length in np.linalg.norm(self.lattice, axis=1))
        known = "".join(f", {name} {value:.4g}" for name, value in list(self.targets.items())[:3])
        more = f", {len(self.targets) - 3} more" if len(self.targets) > 3 else ""
        return f"Crystal({self.id!r}, {self.formula}, {len(self)} atoms, {lengths} angstrom{known}{more})"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the lattice, coordinates and atomic numbers: the same content, the same graph."""
        digest = hashlib.sha256()
        for array in (self.lattice, self.fractional, self.numbers):
            digest.update(array.tobytes())
        return digest.hexdigest()


class Failure(NamedTuple):
    """A row of a data source that is no usable crystal; it keeps its place among the crystals.

    Attributes:
        id: The id of the row, or its file and number.
        error: The reason why it cannot be used, and what to do about it.
        path: Path of the file that it was read from, as it was given; "" if it was not read from a file.

    Example:
        >>> from cryskit import CrystalError, Failure
        >>> failure = Failure("row 7", CrystalError("The cell has no atoms", "Give at least one atom"))
        >>> print(f"{failure.id}: {failure.error}")
        row 7: The cell has no atoms. Give at least one atom.
    """

    id: str
    error: CrystalError
    path: str = ""


@dataclass(frozen=True)
class GraphSpec:
    """The kind of graph that an encoder or objective needs; it is saved with a model and names the cache of graphs.

    Attributes:
        neighbours: "smooth" for neighbours whose weights fall smoothly to zero and add up to `count` (`graphs.smooth`), so that
            networks are continuous functions of the crystal; "nearest" for the `count` nearest neighbours within `radius`;
            "radius" for all within `radius`.
        radius: Largest distance of a neighbour, in angstrom.
        count: Number of neighbours of an atom, for "smooth" (the sum of their weights) and "nearest".
        shells: For "nearest": whether every further neighbour is kept that is as near as the last of the `count` (within 1e-3
            angstrom), so that the graph depends neither on the choice of cell nor on the order of atoms.
        reduce: Whether nodes stand for orbits of the space group, weighted with their multiplicity, instead of for atoms.
        undirected: Whether two atoms are neighbours if one of them is a neighbour of the other, by whole shells. The
            graph then has `reverse` and `orbit_of_edge`, which a line graph needs.
        symmetry: Whether the graph has the space group and crystal system of each crystal.
        origins: Whether the graph has, for each node, the atom of the crystal for which it stands.
        translations: Whether the graph has the lengths of the shortest translations of each crystal.
        text: Name of the text encoder whose vectors of the descriptions the graph has (see `text.embed`), "" for none.
        point_group: Whether the graph has the rotations of the point group of each crystal.

    Example:
        >>> from cryskit import GraphSpec
        >>> GraphSpec(radius=6.0, count=8).hash == GraphSpec(radius=6.0, count=8).hash
        True
        >>> GraphSpec(radius=6.0).hash == GraphSpec(radius=8.0).hash
        False

    Raises:
        UnknownNameError: There is no such kind of neighbours.
    """

    neighbours: NeighbourKind = "smooth"
    radius: float = 8.0
    count: int = 12
    shells: bool = True
    reduce: bool = True
    undirected: bool = False
    symmetry: bool = False
    origins: bool = False
    translations: bool = False
    text: str = ""
    point_group: bool = False

    def __post_init__(self) -> None:
        if self.neighbours not in get_args(NeighbourKind):
            raise UnknownNameError("kind of neighbours", str(self.neighbours), get_args(NeighbourKind))

    @property
    def hash(self) -> str:
        """A hash of every field but `text`, which is never built or stored, as sixteen hexadecimal digits."""
        built = {name: value for name, value in asdict(self).items() if name != "text"}
        if not self.point_group:
            del built["point_group"]  # so that graphs keep the name they had before there were tensors
        return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:16]


class FieldAxis(NamedTuple):
    """The axis along which a field of a Graph is collated.

    Attributes:
        axis: The axis of the graph: atoms, edges or crystals.
        dimension: The dimension of the tensor that is this axis.
        points_at: The axis of which the integers of the field are positions, or None if they are not.
    """

    axis: Axis
    dimension: int = 0
    points_at: Axis | None = None


def _on_axis(axis: Axis, dimension: int = 0, points_at: Axis | None = None) -> dict[str, FieldAxis]:
    return {"axis": FieldAxis(axis, dimension, points_at)}


@dataclass(frozen=True, eq=False)
class Graph:
    """The input of a network: the graphs of a batch of crystals, a single crystal being a batch of one.

    Each field declares its axis and what its integers point at; collating, taking, splitting and moving are generic over
    these declarations (see `batching`).

    Attributes:
        numbers: (N,) int64, the atomic number of each node.
        multiplicity: (N,) float32, the number of atoms of the cell for which each node stands.
        crystal_of_atom: (N,) int64, the crystal of each node, sorted.
        edges: (2, E) int64, the centre and the neighbour of each edge, sorted by centre.
        vectors: (E, 3) float32, the vector from centre to neighbour, with its periodic image, in angstrom.
        weight: (E,) float32, the weight of each edge in every sum over edges, above 0 and at most 1. None, which stands for 1,
            unless `GraphSpec.neighbours` is "smooth".
        lattice: (B, 3, 3) float32, the lattice vectors of each crystal as rows, in angstrom.
        targets: (B, P) float32, the known values of P properties in their units, of tensors a column for each component; NaN where
            unknown; encoders never read it.
        symmetry: (B, 2) int64, the space group, 1..230, and the crystal system, 0 (triclinic) to 6 (cubic), of each crystal;
            encoders never read it. None unless `GraphSpec.symmetry`.
        origin: (N,) int64, the position in its crystal of the atom, or of the first atom of the orbit, for which each node
            stands. None unless `GraphSpec.origins`.
        teacher: (N, L, t) float32, the hidden states of L layers of a teacher at each node; encoders never read it. Never
            stored.
        reverse: (E,) int64, the edge that each edge is when looked at from its other end, mapped by a symmetry operation onto
            an edge of the node that stands for that end. None unless `GraphSpec.undirected`.
        orbit_of_edge: (E,) int64, the first edge of the same node onto which a symmetry operation maps each edge. None unless
            `GraphSpec.undirected`.
        translations: (B, 6) float32, the lengths of the shortest translations of each crystal in angstrom; see
            `graphs.translations`. None unless `GraphSpec.translations`.
        text: (B, 2, t) float32, the vectors that a text encoder makes of the two parts of the description of each crystal, on
            the whole crystal and on its sites; NaN where a part is missing. None unless `GraphSpec.text`; never stored.
        outside: (B, w) float32, a vector of each crystal that another program has made. None unless a table of them was read; never stored.
        point_group: (B, 48, 3, 3) float32, the rotations of the point group of each crystal for Cartesian column vectors, improper
            ones included, each as often as makes 48; see `graphs.point_group`. None unless `GraphSpec.point_group`.

    Example:
        Cesium chloride in a graph of its eight nearest neighbours, all of the other element:

        >>> import cryskit
        >>> cell, sites = [[4.12, 0, 0], [0, 4.12, 0], [0, 0, 4.12]], [[0, 0, 0], [0.5, 0.5, 0.5]]
        >>> salt = cryskit.Crystal("CsCl", cell, sites, [55, 17])
        >>> graph = cryskit.build_graphs([salt], cryskit.GraphSpec(neighbours="nearest", count=8))
        >>> graph.numbers.tolist(), graph.numbers[graph.edges[1]].tolist()
        ([55, 17], [17, 17, 17, 17, 17, 17, 17, 17, 55, 55, 55, 55, 55, 55, 55, 55])
        >>> round(float(graph.vectors.norm(dim=1).max()), 3)
        3.568
    """

    numbers: Tensor = field(metadata=_on_axis("atoms"))
    multiplicity: Tensor = field(metadata=_on_axis("atoms"))
    crystal_of_atom: Tensor = field(metadata=_on_axis("atoms", points_at="crystals"))
    edges: Tensor = field(metadata=_on_axis("edges", dimension=1, points_at="atoms"))
    vectors: Tensor = field(metadata=_on_axis("edges"))
    lattice: Tensor = field(metadata=_on_axis("crystals"))
    targets: Tensor = field(metadata=_on_axis("crystals"))
    weight: Tensor | None = field(default=None, metadata=_on_axis("edges"))
    symmetry: Tensor | None = field(default=None, metadata=_on_axis("crystals"))
    origin: Tensor | None = field(default=None, metadata=_on_axis("atoms"))
    teacher: Tensor | None = field(default=None, metadata=_on_axis("atoms"))
    reverse: Tensor | None = field(default=None, metadata=_on_axis("edges", points_at="edges"))
    orbit_of_edge: Tensor | None = field(default=None, metadata=_on_axis("edges", points_at="edges"))
    translations: Tensor | None = field(default=None, metadata=_on_axis("crystals"))
    text: Tensor | None = field(default=None, metadata=_on_axis("crystals"))
    point_group: Tensor | None = field(default=None, metadata=_on_axis("crystals"))
    outside: Tensor | None = field(default=None, metadata=_on_axis("crystals"))

    @property
    def atoms(self) -> int:
        """The number of nodes, N."""
        return int(self.numbers.shape[0])

    @property
    def crystals(self) -> int:
        """The number of crystals, B."""
        return int(self.lattice.shape[0])

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The fields that this graph has, by name."""
        return {name: getattr(self, name) for name in FIELD_AXES if getattr(self, name) is not None}


FIELD_AXES: Mapping[str, FieldAxis] = MappingProxyType({f.name: f.metadata["axis"] for f in fields(Graph)})
"""Name of every field of a Graph, the optional ones included, to its axis."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """The output of an encoder: a vector for each atom and for each crystal of a batch.

    Attributes:
        atoms: (N, d) the vector of each node.
        crystals: (B, d) the vector of each crystal.

    Example:
        >>> import torch
        >>> from cryskit import Encoding
        >>> encoding = Encoding(atoms=torch.zeros(5, 64), crystals=torch.zeros(2, 64))
        >>> len(encoding.crystals)
        2
    """

    atoms: Tensor
    crystals: Tensor


class ClassPrediction(NamedTuple):
    """The class that a model predicts, and how sure it is.

    Attributes:
        name: Name of the most probable class.
        probability: Its calibrated probability.
        probabilities: Calibrated probability of every class, in the order of `Property.classes`; they add up to 1.
        members: Names of the classes in the prediction set, which has the true class as often as its level says.

    Example:
        >>> from cryskit import ClassPrediction
        >>> found = ClassPrediction("metal", 0.97, (0.03, 0.97), ("metal",))
        >>> found.name, found.members
        ('metal', ('metal',))
    """

    name: str
    probability: float
    probabilities: tuple[float, ...]
    members: tuple[str, ...]


class TensorPrediction(NamedTuple):
    """The tensor that a model predicts of a crystal, and what follows from it.

    Attributes:
        matrix: (6, 6), (3, 3) or (3, 6), its matrix in Voigt's notation, in the frame of the crystal's lattice.
        rotation: (3, 3) the rotation from that frame to the IEEE standard frame of the crystal, whose axes are its rows.
        derived: Name of a quantity to its value, for all that follows from the tensor (`tensors.derived`).
        error: Largest error that is expected at the level of the intervals, as a share of the norm of the tensor: at that level the
            Frobenius norm of the difference from the true tensor is at most `error` times that of the matrix. NaN where the
            model gives none.
    """

    matrix: np.ndarray
    rotation: np.ndarray
    derived: Mapping[str, float | str | bool] = MappingProxyType({})
    error: float = float("nan")


@dataclass(frozen=True)
class Prediction:
    """The prediction of a model for one input; there is one for every input, in order.

    Attributes:
        id: Id of the crystal.
        values: Property name to predicted value, in the unit of that property, but for classes; empty if the prediction failed.
        deviations: Property name to standard deviation, in the same unit, where the model gives one.
        intervals: Property name to lower and upper bound, in the same unit, where the model gives them.
        status: Outcome: "ok", "warned" or "failed".
        reason: Why the status is not "ok" or the domain not "in"; "" otherwise.
        domain: Whether the crystal is of the kind that the model was trained for: "in", at the "edge", "out"; "" where the model
            does not say.
        path: Path of the file that the crystal was read from; "" if it was not read from a file.
        formula: Reduced formula of the crystal, "TiO2"; "" if it could not be read.
        classes: Property name to predicted class, for properties that are classes.
        tensors: Property name to predicted tensor, for properties that are tensors.

    Example:
        >>> from cryskit import Prediction
        >>> prediction = Prediction("Si", {"band_gap": 0.61})
        >>> prediction.status, prediction.values["band_gap"]
        ('ok', 0.61)
    """

    id: str
    values: Mapping[str, float]
    deviations: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    status: Literal["ok", "warned", "failed"] = "ok"
    reason: str = ""
    domain: Literal["in", "edge", "out", ""] = ""
    path: str = ""
    formula: str = ""
    classes: Mapping[str, ClassPrediction] = field(default_factory=lambda: MappingProxyType({}))
    tensors: Mapping[str, TensorPrediction] = field(default_factory=lambda: MappingProxyType({}))
