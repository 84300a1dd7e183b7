"""ALIGNN has the published size, depends on angles, and is the same function on orbits and on full cells; so is iCGCNN."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from laws.cells import supercell
from torch.nn.functional import softplus

from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.encoders.alignn import ALIGNN
from cryskit.encoders.icgcnn import ICGCNN
from cryskit.errors import CryskitError, UnknownNameError
from cryskit.graphs.build import build
from cryskit.layers.gated_pairs import gated_pair
from cryskit.layers.line_graph import BondOrbits, LineGraph
from cryskit.types import Crystal, GraphSpec

EXAMPLES = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
BUNDLED = [c for c in islice(open_source("elastic_tensor"), 0, None, 40) if isinstance(c, Crystal) and len(c) <= 24]
DOUBLED = [supercell(crystal, (2, 1, 1)) for crystal in EXAMPLES.values() if len(crystal) <= 8]
SPEC = GraphSpec(undirected=True)
FULL = replace(SPEC, reduce=False)


def small(**settings: object) -> ALIGNN:
    torch.manual_seed(0)
    return ALIGNN(width=24, angular=2, layers=2, embedding=16, **settings).eval()


def test_the_published_size() -> None:
    published = 4_026_753
    head, unread = 256 + 1, 2 * 512
    assert sum(p.numel() for p in ALIGNN(readout="atoms").parameters()) == published - head - unread
    assert sum(p.numel() for p in ALIGNN().parameters()) == 4_025_984
    assert sum(p.numel() for p in ICGCNN().parameters()) == 338_240


@pytest.mark.parametrize("encoder", [small(), ICGCNN(width=16).eval()], ids=["alignn", "icgcnn"])
def test_orbits_of_atoms_and_edges_give_the_vectors_of_full_cells(encoder: torch.nn.Module) -> None:
    crystals = [*EXAMPLES.values(), *BUNDLED, *DOUBLED]
    with torch.inference_mode():
        reduced, full = (encoder(build(crystals, spec)).crystals for spec in (SPEC, FULL))
    assert float((reduced - full).norm(dim=1).max() / full.norm(dim=1).mean()) < 1e-4


def test_the_line_graph_of_orbits_is_several_times_smaller() -> None:
    crystals = list(EXAMPLES.values())
    sizes = [
        len(LineGraph(graph, BondOrbits.of(graph)).cosine) for graph in (build(crystals, spec) for spec in (SPEC, FULL))
    ]
    degree = torch.bincount(build(crystals, FULL).edges[0])
    assert sizes[1] == int(degree.square().sum())
    assert sizes[0] * 4 < sizes[1]


def test_pairs_know_the_angle_at_the_atom_they_share() -> None:
    """Around an atom of silicon: itself at 0 degrees, tetrahedral angles, and those with second neighbours."""
    graph = build([EXAMPLES["Si"]], GraphSpec(neighbours="nearest", undirected=True, reduce=False, count=4))
    line_graph = LineGraph(graph, BondOrbits.of(graph))
    assert sorted({round(c, 3) for c in line_graph.cosine.tolist()}) == [-0.333, 1.0]
    assert int((line_graph.cosine > 0.99).sum()) == len(graph.vectors), "every bond meets itself once"


def test_only_bonds_distinguish_elemental_crystals() -> None:
    graph = build([EXAMPLES["C-diamond"], EXAMPLES["C-graphite"]], SPEC)
    published, both = (small(readout=readout)(graph).crystals for readout in ("atoms", "both"))
    torch.testing.assert_close(published[0], published[1], atol=1e-4, rtol=1e-4)
    assert float((both[0] - both[1]).detach().norm()) > 0.1


def test_angles_matter() -> None:
    """Two lattices whose atoms have the same distances: their bonds differ in angles only."""
    encoder, graph = small(), build([EXAMPLES["SrTiO3"]], SPEC)
    aligned = replace(graph, vectors=graph.vectors.norm(dim=1, keepdim=True) * torch.tensor([[1.0, 0.0, 0.0]]))
    assert float((encoder(graph).crystals - encoder(aligned).crystals).detach().norm()) > 1e-3


def test_a_directed_graph_is_refused() -> None:
    with pytest.raises(CryskitError, match="undirected"):
        small()(build([EXAMPLES["Si"]], GraphSpec()))
    with pytest.raises(UnknownNameError, match="readout"):
        small(readout="bonds")


def test_three_body_terms_are_those_of_the_paper() -> None:
    """Written out bond by bond on a full cell, every other bond of the same atom in turn."""
    torch.manual_seed(0)
    encoder = ICGCNN(width=6, layers=2).double().eval()
    layer = encoder.convolutions[0]
    graph = build([EXAMPLES["TiO2-rutile"]], replace(FULL, count=4))
    bonds = BondOrbits.of(graph)
    atoms, states = encoder.inputs(graph.numbers), torch.randn(len(bonds.first), 6, dtype=torch.float64)
    expected_atoms, expected_states = torch.zeros_like(atoms), []
    for b, (i, j) in enumerate(graph.edges.T.tolist()):
        z = torch.cat([atoms[i], atoms[j], states[b]])
        message = gated_pair(layer.two(z)[None])[0]
        for c in (graph.edges[0] == i).nonzero()[:, 0].tolist():
            if c != b:
                y = torch.cat([atoms[graph.edges[1, c]], states[c]])
                message = message + gated_pair((layer.three(z) + layer.other(y))[None])[0] * graph.weight[c]
        expected_atoms[i] += message[:6] * graph.weight[b]
        expected_states.append(message[6:])
    new_atoms, new_states = layer(atoms, states, bonds, bonds.pair_messages(graph))
    torch.testing.assert_close(new_atoms, softplus(atoms + layer.atom_norm(expected_atoms)))
    torch.testing.assert_close(new_states, softplus(states + layer.bond_norm(torch.stack(expected_states))))
