"""Build crystals into one Graph, and keep it in a content-addressed cache.

A file of the cache is named after the content it was built from (crystals, spec, builder), so it can never be stale.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cryskit.atomic_write import write_json
from cryskit.errors import CrystalError
from cryskit.graphs import store
from cryskit.graphs.neighbours import mutual, neighbours
from cryskit.graphs.orbits import orbits
from cryskit.graphs.point_group import ORDER, repeated_point_group
from cryskit.graphs.remembered import built_once
from cryskit.graphs.reverse import reverse_edges
from cryskit.graphs.translations import COUNT, shortest_translations
from cryskit.symmetry import NAMED_TOLERANCE, TOLERANCE, space_group
from cryskit.types import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryskit.types import Crystal, GraphSpec

BUILDER = f"2 symprec {TOLERANCE} {NAMED_TOLERANCE}"
"""Version of the builder, a part of every cache key; the number is raised with each change of what is built."""


def build(
    crystals: Sequence[Crystal],
    spec: GraphSpec,
    *,
    cache: Path | None = None,
    symmetry: Iterable[np.ndarray] | None = None,
) -> Graph:
    """Build crystals into one Graph without targets.

    Args:
        crystals: The crystals, in the order that they have in the graph.
        spec: The kind of graph, as an encoder or objective needs it (its `needs`).
        cache: A folder for built graphs; a graph of the same content that is there is memory-mapped instead of built, unless it is
            damaged.
        symmetry: The orbits of each crystal, if they are known already (see `graphs.orbits.orbits`).

    Returns:
        The graph of all crystals as one batch on the CPU; its targets are (B, 0).

    Raises:
        CrystalError: A crystal cannot be built.

    Example:
        The primitive cell of silicon has two atoms in one orbit, so its graph has one node of multiplicity 2. Its 4 nearest
        neighbours count fully and the 12 next ones in part, so that there are 12 by weight.

        >>> import cryskit
        >>> lattice = [[0.0, 2.715, 2.715], [2.715, 0.0, 2.715], [2.715, 2.715, 0.0]]
        >>> silicon = cryskit.Crystal("Si", lattice, [[0, 0, 0], [0.25, 0.25, 0.25]], [14, 14])
        >>> graph = cryskit.build_graphs([silicon], cryskit.GraphSpec(radius=8.0, count=12))
        >>> graph.crystals, graph.atoms, graph.multiplicity.tolist(), round(float(graph.weight.sum()), 4)
        (1, 1, [2.0], 12.0)
    """
    if cache is not None:
        path = cache / f"{key(crystals, spec)}.arrow"
        if (stored := store.find(path)) is not None:
            return stored
        graph = build(crystals, spec, symmetry=symmetry)
        store.save(graph, path)
        return graph
    known = symmetry if symmetry is not None else (_orbits(c, spec) for c in crystals)
    parts = [_build_one(c, spec, representative) for c, representative in zip(crystals, known, strict=True)]
    return _join(crystals, parts, spec)


def build_usable(
    crystals: Iterable[Crystal], spec: GraphSpec, *, cache: Path | None = None
) -> tuple[Graph, dict[int, CrystalError]]:
    """Build the crystals that can be built into one Graph, and report the others.

    Args:
        crystals: The crystals, in the order that they have in the graph.
        spec: The kind of graph.
        cache: A folder for built graphs, as for `build`; what cannot be built is remembered there, too.

    Returns:
        The graph of the crystals that can be built, and the errors of the others by their position in `crystals`.
    """
    if cache is not None:
        return _cached(list(crystals), spec, cache)
    parts, usable, errors = [], [], {}
    for position, crystal in enumerate(crystals):
        try:
            parts.append(built_once(_build_whole, crystal, spec))
            usable.append(crystal)
        except CrystalError as error:
            errors[position] = error
    return _join(usable, parts, spec), errors


def build_numbered(crystal: Crystal, spec: GraphSpec) -> tuple[Graph, np.ndarray]:
    """Build one crystal, and say which node of its graph each of its atoms is.

    Args:
        crystal: A crystal of N atoms.
        spec: Which graph to build.

    Returns:
        The graph on the CPU, and the node of each atom, (N,).

    Raises:
        CrystalError: No graph can be built of the crystal.
    """
    part = _build_whole(crystal, spec)
    return _join([crystal], [part], spec), part.node_of_atom


def _cached(crystals: Sequence[Crystal], spec: GraphSpec, cache: Path) -> tuple[Graph, dict[int, CrystalError]]:
    note = cache / f"{key(crystals, spec)}.json"
    errors = _noted(note)
    path = cache / f"{key((c for i, c in enumerate(crystals) if i not in errors), spec)}.arrow"
    if (stored := store.find(path)) is not None:
        return stored, errors
    graph, errors = build_usable(crystals, spec)
    if errors:
        noted = {position: (error.problem, error.cure, error.source) for position, error in errors.items()}
        text = json.dumps(noted)
        write_json({"errors": text, "digest": _digest(text)}, note)
    store.save(graph, cache / f"{key((c for i, c in enumerate(crystals) if i not in errors), spec)}.arrow")
    return graph, errors


def _noted(note: Path) -> dict[int, CrystalError]:
    """Return the errors that were noted, by the position of their crystal; none if the note is absent, damaged or of an old form."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        if found["digest"] != _digest(found["errors"]):
            return {}
        return {int(position): CrystalError(*arguments) for position, arguments in json.loads(found["errors"]).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def key(crystals: Iterable[Crystal], spec: GraphSpec) -> str:
    """Return the name of a graph in the cache, a hash of all that it is built from, as 32 hexadecimal digits.

    Args:
        crystals: The crystals, in the order that they have in the graph.
        spec: The kind of graph.
    """
    digest = hashlib.sha256(f"{BUILDER} {spec.hash}".encode())
    for crystal in crystals:
        digest.update(crystal.fingerprint.encode())
    return digest.hexdigest()[:32]


def _orbits(crystal: Crystal, spec: GraphSpec) -> np.ndarray:
    return orbits(crystal, spec) if spec.reduce else np.arange(len(crystal))


class _Part(NamedTuple):
    """The arrays of the graph of one crystal, whose nodes and edges count from 0; the last two are empty in directed graphs."""

    origin: np.ndarray
    node_of_atom: np.ndarray
    numbers: np.ndarray
    multiplicity: np.ndarray
    edges: np.ndarray
    vectors: np.ndarray
    weight: np.ndarray
    reverse: np.ndarray
    orbit_of_edge: np.ndarray


def _build_whole(crystal: Crystal, spec: GraphSpec) -> _Part:
    return _build_one(crystal, spec, _orbits(crystal, spec))


def _build_one(crystal: Crystal, spec: GraphSpec, representative: np.ndarray) -> _Part:
    nodes, node_of_atom, multiplicity = np.unique(representative, return_inverse=True, return_counts=True)
    chosen = neighbours(crystal, nodes, spec)
    found = mutual(crystal, chosen, nodes, node_of_atom, spec) if spec.undirected else chosen
    steps = crystal.fractional[found.neighbour] + found.image - crystal.fractional[nodes[found.centre]]
    vectors = steps @ crystal.lattice
    edges = np.stack([found.centre, node_of_atom[found.neighbour]])
    elements, no_ends = crystal.numbers[nodes], np.zeros((2, 0), np.int64)
    part = _Part(nodes, node_of_atom, elements, multiplicity, edges, vectors, found.weight, *no_ends)
    if not spec.undirected:
        return part
    back = reverse_edges(crystal, nodes, node_of_atom, found, vectors, reduce=spec.reduce)
    if back is None:
        return _build_one(crystal, replace(spec, reduce=False), np.arange(len(crystal)))
    return part._replace(reverse=back.reverse, orbit_of_edge=back.orbit_of_edge)


def _join(crystals: Sequence[Crystal], parts: Sequence[_Part], spec: GraphSpec) -> Graph:
    nodes = [len(part.numbers) for part in parts]
    first_node, first_edge = (np.cumsum([0, *sizes[:-1]]) for sizes in (nodes, [len(part.vectors) for part in parts]))

    def joined(name: str, dtype: type, shape: tuple[int, ...] = (0,), starts: np.ndarray | None = None) -> Tensor:
        arrays = [getattr(part, name) for part in parts]
        if starts is not None:
            arrays = [array + start for array, start in zip(arrays, starts, strict=False)]
        return torch.from_numpy(np.concatenate([np.zeros(shape, dtype), *arrays], axis=shape.index(0)).astype(dtype))

    return Graph(
        numbers=joined("numbers", np.int64),
        multiplicity=joined("multiplicity", np.float32),
        crystal_of_atom=torch.from_numpy(np.repeat(np.arange(len(parts)), nodes)),
        edges=joined("edges", np.int64, (2, 0), first_node),
        vectors=joined("vectors", np.float32, (0, 3)),
        lattice=torch.from_numpy(np.array([c.lattice for c in crystals], np.float32).reshape(-1, 3, 3)),
        targets=torch.zeros(len(parts), 0),
        weight=joined("weight", np.float32) if spec.neighbours == "smooth" else None,
        symmetry=torch.tensor([space_group(c) for c in crystals], dtype=torch.int64).reshape(-1, 2)
        if spec.symmetry
        else None,
        translations=torch.tensor(np.array([shortest_translations(c) for c in crystals]), dtype=torch.float32).reshape(
            -1, COUNT
        )
        if spec.translations
        else None,
        point_group=torch.tensor(np.array([repeated_point_group(c) for c in crystals]), dtype=torch.float32).reshape(
            -1, ORDER, 3, 3
        )
        if spec.point_group
        else None,
        origin=joined("origin", np.int64) if spec.origins else None,
        reverse=joined("reverse", np.int64, starts=first_edge) if spec.undirected else None,
        orbit_of_edge=joined("orbit_of_edge", np.int64, starts=first_edge) if spec.undirected else None,
    )
