"""The networks have the properties that their papers state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from laws.cells import sheared, supercell

from cryskit.batching import split
from cryskit.data.read import read
from cryskit.encoders.cgat import CGAT, others, shell_ranks, soft_ranks
from cryskit.encoders.cogn import CoGN
from cryskit.encoders.gatgnn import GATGNN
from cryskit.encoders.matformer import Matformer
from cryskit.encoders.megnet import MEGNet, Set2Set
from cryskit.graphs.build import build
from cryskit.graphs.translations import obtuse, shortest_translations
from cryskit.layers.attention import Segments, attend, softmax
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.norm import BatchNorm
from cryskit.types import Crystal, GraphSpec

CRYSTALS = {crystal.id: crystal for crystal in read(Path(__file__).parents[2] / "examples")}
GRAPH = build([*CRYSTALS.values(), Crystal("far", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))], GraphSpec())
NEIGHBOURHOODS = Neighbourhoods(GRAPH, 8.0, 4096, Edges.distinct(GRAPH))
SEGMENTS = {
    "edges of atoms": Segments.of_atoms(NEIGHBOURHOODS),
    "atoms of crystals": Segments.of_crystals(GRAPH),
    "edges of crystals": Segments.edges_of_crystals(GRAPH, NEIGHBOURHOODS),
}


@pytest.mark.parametrize(
    ("encoder", "count"),
    [(GATGNN, 114_232), (MEGNet, 186_928), (CoGN, 688_256), (CGAT, 6_943_107), (Matformer, 2_765_568)],
)
def test_parameters_are_as_many_as_the_docstring_says(encoder: type[torch.nn.Module], count: int) -> None:
    assert sum(parameter.numel() for parameter in encoder().parameters()) == count


def test_equal_edges_are_merged_and_counted() -> None:
    salt = build([CRYSTALS["NaCl"]], GraphSpec(neighbours="nearest", count=6))
    distinct = Edges.distinct(salt)
    assert salt.edges.shape[1] == 12
    assert distinct.multiplicity is not None
    assert distinct.multiplicity.tolist() == [6, 6]
    torch.testing.assert_close(distinct.length, salt.vectors.norm(dim=1)[[0, 6]])
    torch.testing.assert_close(SEGMENTS["edges of atoms"].weight.sum(), GRAPH.weight.sum())


def test_merged_edges_carry_the_same_sums() -> None:
    plain = Neighbourhoods(GRAPH, 8.0, 4096)
    centre, neighbour, radial = torch.randn(GRAPH.atoms, 3), torch.randn(GRAPH.atoms, 3), torch.randn(4096, 3).cumsum(0)
    sums = [
        neighbourhoods.sum_to_atoms(neighbourhoods.to_edges(centre, neighbour, radial / 4096))
        for neighbourhoods in (plain, NEIGHBOURHOODS)
    ]
    torch.testing.assert_close(sums[0], sums[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(plain.neighbour_count, NEIGHBOURHOODS.neighbour_count)


def test_ends_pairs_and_interpolation_are_what_to_edges_adds() -> None:
    atoms, radial = torch.randn(GRAPH.atoms, 3), torch.randn(4096, 3)
    nothing = torch.zeros_like(atoms)
    own, other = NEIGHBOURHOODS.ends(atoms, radial)
    torch.testing.assert_close(own, NEIGHBOURHOODS.to_edges(atoms, nothing, radial))
    torch.testing.assert_close(other, NEIGHBOURHOODS.to_edges(nothing, atoms, radial))
    torch.testing.assert_close(
        NEIGHBOURHOODS.to_edges(atoms, atoms) + 2 * NEIGHBOURHOODS.interpolate(radial), own + other
    )


@pytest.mark.parametrize("name", SEGMENTS)
def test_shares_add_up_to_one_in_every_segment(name: str) -> None:
    segments = SEGMENTS[name]
    shares = softmax(torch.randn(len(segments.segment), 3) * 500, segments)
    total = attend(shares, torch.ones(len(shares), 3), segments) / 3
    assert shares.isfinite().all()
    torch.testing.assert_close(total[:, 0], (segments.counts > 0).float())


def test_attention_has_the_right_gradients() -> None:
    index, counts = torch.tensor([0, 0, 0, 2, 2]), torch.tensor([3, 0, 2])
    segments = Segments(index, counts, torch.tensor([1.0, 2, 1, 3, 1], dtype=torch.float64))
    scores, values = (torch.randn(5, n, dtype=torch.float64, requires_grad=True) for n in (2, 6))
    assert torch.autograd.gradcheck(lambda s, v: attend(softmax(s, segments), v, segments), (scores, values))


def test_a_set_is_read_whatever_its_order_and_an_orbit_counts_as_its_atoms() -> None:
    reader, members = Set2Set(4, 3), torch.randn(3, 4)
    once = reader(members, Segments(torch.zeros(3, dtype=torch.int64), torch.tensor([3]), torch.tensor([2.0, 1, 1])))
    four = members[[2, 0, 1, 0]]
    again = reader(four, Segments(torch.zeros(4, dtype=torch.int64), torch.tensor([4]), None))
    torch.testing.assert_close(once, again)


def test_the_state_of_megnet_depends_on_every_atom() -> None:
    encoder = MEGNet(width=16).eval()
    graph = build([CRYSTALS["LiFePO4"]], encoder.needs)
    vectors = torch.randn(graph.atoms, 8, requires_grad=True)
    encoder.inputs.register_forward_hook(lambda *_: vectors)
    states = []
    encoder.blocks[0].register_forward_hook(lambda *found: states.append(found[2][2]))
    encoder(graph)
    (gradient,) = torch.autograd.grad(states[0].sum(), vectors)
    assert (gradient.abs().sum(1) > 0).all()


def test_ranks_count_shells() -> None:
    salt = build([CRYSTALS["NaCl"]], GraphSpec(neighbours="nearest", count=26))
    ranks = shell_ranks(Edges.of(salt), 10).length.reshape(2, 26)
    assert ranks.tolist() == [[0] * 6 + [1] * 12 + [2] * 8] * 2


def test_soft_ranks_count_nearer_neighbours_and_those_at_the_same_distance_half() -> None:
    """Rock salt: 6 neighbours, 12 at 1.41 times their distance; 1 and 1.41 are further apart than 5 %."""
    salt = Edges.of(build([CRYSTALS["NaCl"]], GraphSpec(neighbours="nearest", count=18)))
    ranks = soft_ranks(salt, 30).length.reshape(2, 18)
    assert ranks.tolist() == [[3.0] * 6 + [12.0] * 12] * 2
    weighted = soft_ranks(salt._replace(multiplicity=torch.full_like(salt.length, 0.5)), 30).length
    torch.testing.assert_close(weighted.reshape(2, 18), ranks / 2)


def test_cgat_is_independent_of_distances() -> None:
    encoder = CGAT(width=16, layers=2, heads=2).eval()
    strained = [Crystal(c.id, c.lattice * 1.05, c.fractional, c.numbers) for c in CRYSTALS.values()]
    found, expected = (encoder(build(crystals, encoder.needs)).crystals for crystals in (strained, CRYSTALS.values()))
    torch.testing.assert_close(found, expected)


def test_elements_are_paired_with_the_others() -> None:
    centre, other = others(torch.tensor([0, 0, 0, 1]), torch.tensor([3, 1]))
    assert list(zip(centre.tolist(), other.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 2),
        (2, 0),
        (2, 1),
        (3, 3),
    ]


def test_the_shortest_translations_of_known_lattices() -> None:
    a = 4.0
    cubic = Crystal("cubic", np.eye(3) * a, np.zeros((1, 3)), np.array([84]))
    np.testing.assert_allclose(shortest_translations(cubic), a * np.sqrt([1, 1, 1, 2, 2, 2]))
    lattice = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    face_centred = Crystal("copper", lattice, np.zeros((1, 3)), np.array([29]))
    np.testing.assert_allclose(shortest_translations(face_centred), a * np.sqrt([0.5] * 6))


@pytest.mark.parametrize("name", CRYSTALS)
def test_translations_are_those_of_the_crystal_and_not_of_the_cell(name: str) -> None:
    crystal, rng = CRYSTALS[name], np.random.default_rng(0)
    for other in (sheared(crystal, rng), supercell(crystal, (2, 1, 1)), supercell(crystal, (1, 2, 2))):
        np.testing.assert_allclose(shortest_translations(other), shortest_translations(crystal), atol=1e-4)


def test_an_obtuse_basis_spans_the_same_lattice() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        lattice = rng.normal(size=(3, 3)) * 4
        vectors = obtuse(lattice)
        np.testing.assert_allclose(vectors.sum(0), 0, atol=1e-9)
        steps = vectors[:3] @ np.linalg.inv(lattice)
        np.testing.assert_allclose(steps, steps.round(), atol=1e-8)
        assert abs(np.linalg.det(steps)) == pytest.approx(1)


def test_translations_travel_with_the_batch() -> None:
    encoder = Matformer(width=16, layers=1, heads=2)
    graph = build(list(CRYSTALS.values()), encoder.needs)
    assert graph.translations is not None
    for part, crystal in zip(split(graph), CRYSTALS.values(), strict=True):
        np.testing.assert_allclose(part.translations[0].numpy(), shortest_translations(crystal), rtol=1e-6)


def test_a_single_row_is_normed_as_in_evaluation() -> None:
    norm = BatchNorm(3)
    norm(torch.randn(8, 3))
    row = torch.randn(1, 3)
    torch.testing.assert_close(norm.train()(row), norm.eval()(row))
