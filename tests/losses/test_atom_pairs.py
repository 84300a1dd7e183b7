"""Every pair of atoms of every crystal, once, and the edges counted in the right place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from cryskit import batching
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.losses.atom_pairs import pairs
from cryskit.losses.decoders import Bilinear, Displacements
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
FULL = build(CRYSTALS, GraphSpec(reduce=False))
REDUCED = build(CRYSTALS, GraphSpec())


def test_every_crystal_is_in_one_group_with_all_its_atoms() -> None:
    seen: list[int] = []
    for group in pairs(FULL):
        for atoms, real in zip(group.atoms, group.real, strict=True):
            members = atoms[real].tolist()
            crystal = int(FULL.crystal_of_atom[members[0]])
            assert members == (FULL.crystal_of_atom == crystal).nonzero()[:, 0].tolist()
            seen.append(crystal)
    assert sorted(seen) == list(range(FULL.crystals))


def test_padding_stays_below_a_factor_of_four() -> None:
    sizes = torch.bincount(FULL.crystal_of_atom).tolist()
    padded = sum(group.atoms.shape[0] * group.atoms.shape[1] ** 2 for group in pairs(FULL))
    assert len(list(pairs(FULL))) <= int(np.log2(max(sizes))) + 1
    assert padded <= 4 * sum(size**2 for size in sizes)


def test_edges_are_counted_at_their_pair() -> None:
    expected = Counter(map(tuple, FULL.edges.T.tolist()))
    found: Counter[tuple[int, int]] = Counter()
    for group in pairs(FULL):
        counts = group.count(torch.zeros(FULL.edges.shape[1], dtype=torch.int64), 1)[..., 0]
        for c, i, j in counts.nonzero().tolist():
            found[int(group.atoms[c, i]), int(group.atoms[c, j])] += int(counts[c, i, j])
    assert found == expected


def test_a_pair_of_orbits_weighs_as_many_pairs_of_atoms() -> None:
    total = dict.fromkeys(range(REDUCED.crystals), 0.0)
    for group in pairs(REDUCED):
        for atoms, weights in zip(group.atoms, group.weights(REDUCED.multiplicity), strict=True):
            total[int(REDUCED.crystal_of_atom[atoms[0]])] += float(weights.sum())
    assert list(total.values()) == [len(crystal) ** 2 for crystal in CRYSTALS]


def test_bilinear_scores_are_those_of_torch() -> None:
    torch.manual_seed(0)
    ours = Bilinear(5, 3)
    theirs = torch.nn.Bilinear(5, 5, 3)
    theirs.weight.data.copy_(ours.weight.movedim(1, 0))
    theirs.bias.data.copy_(ours.bias)
    atoms = torch.randn(FULL.atoms, 5)
    for group in pairs(FULL):
        left, right = atoms[group.atoms][:, :, None], atoms[group.atoms][:, None]
        left, right = torch.broadcast_tensors(left, right)
        expected = theirs(left.contiguous(), right.contiguous()).movedim(3, 2)
        torch.testing.assert_close(ours(atoms, group), expected, atol=1e-5, rtol=1e-4)


def test_displacements_turn_with_the_crystal() -> None:
    torch.manual_seed(0)
    decoder = Displacements(6, radius=8.0)
    graph = batching.to(FULL, "cpu")
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    atoms = torch.randn(graph.atoms, 6)
    turned = type(graph)(**{**vars(graph), "vectors": graph.vectors @ turn})
    torch.testing.assert_close(decoder(atoms, turned), decoder(atoms, graph) @ turn, atol=1e-4, rtol=1e-3)
