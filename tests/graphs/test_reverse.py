"""Edges lead back, also where nodes stand for orbits and where inequivalent edges are equally long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from laws.cells import supercell

from cryskit.batching import Batcher
from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.errors import CoordinatesError
from cryskit.graphs import build as building
from cryskit.graphs import store
from cryskit.graphs.build import build
from cryskit.types import Crystal, Graph, GraphSpec

SPEC = GraphSpec(undirected=True)
FULL = replace(SPEC, reduce=False)
EXAMPLES = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
BUNDLED = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 20][::25]
SUPERCELLS = [supercell(EXAMPLES["NaCl"], (2, 1, 1)), supercell(EXAMPLES["TiO2-rutile"], (1, 2, 1))]
CRYSTALS = [*EXAMPLES.values(), *BUNDLED, *SUPERCELLS]


def angles(graph: Graph, edge: int) -> torch.Tensor:
    """The cosines between an edge and all edges of its centre, each with the element and the length it leads to."""
    mine = graph.edges[0] == graph.edges[0, edge]
    along = torch.nn.functional.normalize(graph.vectors.double(), dim=1)
    rows = [along[mine] @ along[edge], graph.vectors[mine].norm(dim=1), graph.numbers[graph.edges[1, mine]]]
    table = torch.stack([row.double() for row in rows], dim=1).mul(1e3).round()
    return torch.from_numpy(table.numpy()[np.lexsort(table.numpy().T)])


def test_full_cells_lead_back_along_the_same_line() -> None:
    graph = build(CRYSTALS, FULL)
    assert torch.equal(graph.edges[:, graph.reverse], graph.edges.flip(0))
    torch.testing.assert_close(graph.vectors[graph.reverse], -graph.vectors, atol=1e-5, rtol=0)
    assert torch.equal(graph.reverse[graph.reverse], torch.arange(len(graph.vectors)))


def test_whole_shells_chosen_from_either_end() -> None:
    directed = build(CRYSTALS, GraphSpec(neighbours="nearest", reduce=False))
    graph = build(CRYSTALS, replace(FULL, neighbours="nearest"))

    def edges(of: Graph, sign: int = 1) -> set[tuple[float, ...]]:
        ends = of.edges if sign > 0 else of.edges.flip(0)
        return set(map(tuple, torch.cat([ends.T, (sign * of.vectors).mul(1e3).round()], dim=1).tolist()))

    assert edges(directed) | edges(directed, -1) <= edges(graph)
    lengths, longest = graph.vectors.norm(dim=1), torch.zeros(graph.atoms)
    longest.scatter_reduce_(0, directed.edges[0], directed.vectors.norm(dim=1), "amax")
    reach = torch.maximum(longest[graph.edges[0]], longest[graph.edges[1]])
    assert bool((lengths <= reach + 2e-3).all()), "nothing is a neighbour that neither end chose"


@pytest.mark.parametrize("name", ["Al2O3", "LiFePO4", "SiO2-quartz", "TiO2-rutile", "NaCl"])
def test_reduced_edges_see_the_angles_of_the_full_cell(name: str) -> None:
    """Rutile, corundum and quartz have inequivalent edges of equal length: only the right one has the right angles."""
    reduced, full = (build([EXAMPLES[name]], spec) for spec in (SPEC, FULL))
    assert reduced.atoms < full.atoms
    expected = {str(angles(full, int(full.reverse[e])).tolist()) for e in range(len(full.vectors))}
    for edge in range(len(reduced.vectors)):
        back, first = int(reduced.reverse[edge]), int(reduced.orbit_of_edge[edge])
        assert int(reduced.edges[0, back]) == int(reduced.edges[1, edge])
        torch.testing.assert_close(angles(reduced, edge), angles(reduced, first), atol=2, rtol=0)
        assert str(angles(reduced, back).tolist()) in expected


def test_orbits_of_edges_are_closed_and_reversed_as_a_whole() -> None:
    graph = build(CRYSTALS, SPEC)
    orbit, back = graph.orbit_of_edge, graph.orbit_of_edge[graph.reverse]
    assert len(orbit.unique()) < len(orbit)
    assert torch.equal(orbit[orbit], orbit)
    assert torch.equal(back, back[orbit])
    assert torch.equal(orbit[graph.reverse[back]], orbit)
    assert torch.equal(graph.edges[0, orbit], graph.edges[0])


def test_where_operations_do_not_match_the_full_cell_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    olivine = EXAMPLES["LiFePO4"]
    full = build([olivine], FULL)
    monkeypatch.setattr("cryskit.graphs.reverse.MATCH", 1e-30)
    with pytest.raises(CoordinatesError, match="LiFePO4: Not every neighbour"):
        build([olivine], SPEC)
    monkeypatch.undo()
    real = building.reverse_edges
    monkeypatch.setattr(building, "reverse_edges", lambda *a, reduce: None if reduce else real(*a, reduce=False))
    built = build([olivine], SPEC)
    assert built.tensors.keys() == full.tensors.keys()
    assert all(torch.equal(tensor, full.tensors[name]) for name, tensor in built.tensors.items())


def test_lonely_atoms_and_no_crystals_have_no_edges_to_reverse() -> None:
    far = Crystal("far", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))
    assert build([far], SPEC).reverse.shape == (0,)
    assert build([], SPEC).orbit_of_edge.shape == (0,)


def test_the_radius_is_the_same_from_either_end() -> None:
    """Neighbours exactly at the radius are chosen by both ends or by none."""
    cube = Crystal("cube", np.eye(3) * 8.0, np.array([[0, 0, 0], [0.31, 0.17, 0.45]]), np.array([26, 26]))
    graph = build([cube], replace(SPEC, neighbours="nearest"))
    assert int((graph.vectors.norm(dim=1) - 8).abs().lt(1e-3).sum()) == 6 * graph.atoms


def test_the_store_and_batches_keep_the_reverse_edges(tmp_path: Path) -> None:
    graph = build(CRYSTALS[:5], SPEC)
    store.save(graph, tmp_path / "graph.arrow")
    assert torch.equal(store.load(tmp_path / "graph.arrow").reverse, graph.reverse)
    taken, built = Batcher(graph).take(np.array([3, 1])), build([CRYSTALS[3], CRYSTALS[1]], SPEC)
    assert torch.equal(taken.reverse, built.reverse)
    assert torch.equal(taken.orbit_of_edge, built.orbit_of_edge)
