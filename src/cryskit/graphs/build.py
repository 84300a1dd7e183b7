"""Build crystals into one Graph, and keep it in a content-addressed cache.

The cache file is named after the content it was built from (crystals, spec, builder), so it can never be stale.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryskit.data.atomic import replacing
from cryskit.errors import CrystalError
from cryskit.graphs import store
from cryskit.graphs.neighbours import neighbours
from cryskit.graphs.symmetry import NAMED_TOLERANCE, TOLERANCE, orbits, space_group
from cryskit.types import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryskit.types import Crystal, GraphSpec

BUILDER = f"1 symprec {TOLERANCE} {NAMED_TOLERANCE}"
"""Part of every cache key; the number is raised with each change of what is built."""


def build(
    crystals: Sequence[Crystal],
    spec: GraphSpec,
    *,
    cache: Path | None = None,
    symmetry: Iterable[np.ndarray] | None = None,
) -> Graph:
    """Build crystals into one Graph without targets.

    Args:
        crystals: In the order of the graph.
        spec: Which graph.
        cache: A folder; if a graph of the same content lies there it is memory-mapped instead of built.
        symmetry: The orbits of each crystal, if they are known already (see `symmetry.orbits`).

    Returns:
        The graph on the CPU; targets are (B, 0).
    """
    if cache is not None:
        path = cache / f"{key(crystals, spec)}.arrow"
        if path.exists():
            return store.load(path)
        graph = build(crystals, spec, symmetry=symmetry)
        store.save(graph, path)
        return graph
    known = symmetry if symmetry is not None else (_orbits(c, spec) for c in crystals)
    parts = [_build_one(c, spec, representative) for c, representative in zip(crystals, known, strict=True)]
    return _join(crystals, parts, spec)


def build_usable(
    crystals: Sequence[Crystal], spec: GraphSpec, *, cache: Path | None = None
) -> tuple[Graph, dict[int, CrystalError]]:
    """Build the crystals that can be built; the others are reported by position and left out.

    Args:
        crystals: In the order of the graph.
        spec: Which graph.
        cache: A folder, as for `build`; what cannot be built is remembered there, too.
    """
    if cache is not None:
        return _cached(crystals, spec, cache)
    parts, usable, errors = [], [], {}
    for position, crystal in enumerate(crystals):
        try:
            parts.append(_build_one(crystal, spec, _orbits(crystal, spec)))
            usable.append(crystal)
        except CrystalError as error:
            errors[position] = error
    return _join(usable, parts, spec), errors


def _cached(crystals: Sequence[Crystal], spec: GraphSpec, cache: Path) -> tuple[Graph, dict[int, CrystalError]]:
    note = cache / f"{key(crystals, spec)}.json"
    told = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    errors = {int(position): CrystalError(*words) for position, words in told.items()}
    path = cache / f"{key((c for i, c in enumerate(crystals) if i not in errors), spec)}.arrow"
    if path.exists():
        return store.load(path), errors
    graph, errors = build_usable(crystals, spec)
    if errors:
        with replacing(note) as temporary:
            told = {position: (error.problem, error.cure, error.source) for position, error in errors.items()}
            temporary.write_text(json.dumps(told), encoding="utf-8")
    store.save(graph, cache / f"{key((c for i, c in enumerate(crystals) if i not in errors), spec)}.arrow")
    return graph, errors


def key(crystals: Iterable[Crystal], spec: GraphSpec) -> str:
    """Return the name of a graph in the cache: a hash of all that it is built from."""
    digest = hashlib.sha256(f"{BUILDER} {spec.hash}".encode())
    for crystal in crystals:
        digest.update(crystal.fingerprint.encode())
    return digest.hexdigest()[:32]


def _orbits(crystal: Crystal, spec: GraphSpec) -> np.ndarray:
    return orbits(crystal, spec) if spec.reduce else np.arange(len(crystal))


def _build_one(crystal: Crystal, spec: GraphSpec, representative: np.ndarray) -> tuple[np.ndarray, ...]:
    nodes, node_of_atom, multiplicity = np.unique(representative, return_inverse=True, return_counts=True)
    found = neighbours(crystal, nodes, spec)
    steps = crystal.fractional[found.neighbour] + found.image - crystal.fractional[nodes[found.centre]]
    edges = np.stack([found.centre, node_of_atom[found.neighbour]])
    return crystal.numbers[nodes], multiplicity, edges, steps @ crystal.lattice


def _join(crystals: Sequence[Crystal], parts: Sequence[tuple[np.ndarray, ...]], spec: GraphSpec) -> Graph:
    starts = np.cumsum([0, *(len(numbers) for numbers, *_ in parts)])
    numbers, multiplicity, edges, vectors = zip(*parts, strict=True) if parts else ([], [], [], [])
    return Graph(
        numbers=torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *numbers])),
        multiplicity=torch.from_numpy(np.concatenate([np.zeros(0), *multiplicity]).astype(np.float32)),
        crystal_of_atom=torch.from_numpy(np.repeat(np.arange(len(parts)), np.diff(starts))),
        edges=torch.from_numpy(
            np.concatenate([np.zeros((2, 0), np.int64), *(e + s for e, s in zip(edges, starts, strict=False))], axis=1)
        ),
        vectors=torch.from_numpy(np.concatenate([np.zeros((0, 3)), *vectors]).astype(np.float32)),
        lattice=torch.from_numpy(np.stack([c.lattice for c in crystals]).astype(np.float32))
        if crystals
        else torch.zeros(0, 3, 3),
        targets=torch.zeros(len(parts), 0),
        symmetry=torch.tensor([space_group(c) for c in crystals], dtype=torch.int64).reshape(-1, 2)
        if spec.symmetry
        else None,
    )
