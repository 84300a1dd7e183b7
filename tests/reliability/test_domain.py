"""The domain of a model: what cannot be is out, what is like held-out crystals is in, and the words say why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from contracts.settings import SMALL
from laws.cells import permuted, rotated, sheared, supercell

from cryskit.data.read import read
from cryskit.encoders.cgcnn import CGCNN
from cryskit.errors import DataError
from cryskit.graphs.build import build
from cryskit.graphs.plausible import doubts_of
from cryskit.predict.card import Card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.reliability.domain import Domain
from cryskit.training.corrupted_crystals import KINDS, corrupted, scaled
from cryskit.training.fit_domain import fit_domain
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.reliability.domain import Verdict

CRYSTALS = [row for row in read("dielectric_constant") if isinstance(row, Crystal) and len(row) <= 16]
TRAINING, HELD_OUT, OTHERS = CRYSTALS[:240], CRYSTALS[240:400], CRYSTALS[400:520]
SMALLEST = [crystal for crystal in CRYSTALS if len(crystal) <= 4]
DIAMOND = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.715
SITES = [[0, 0, 0], [0.25, 0.25, 0.25]]


def silicon(scale: float) -> Crystal:
    return Crystal("Si", DIAMOND * scale, SITES, [14, 14])


def verdicts(domain: Domain, predictor: Predictor, crystals: Sequence[Crystal]) -> list[Verdict]:
    graph = build(crystals, replace(predictor.card.spec, text=""))
    with torch.inference_mode():
        table = domain.read_out(graph, predictor.encoder(graph).atoms)
    return domain.judge(crystals, table, doubts_of(crystals, graph))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load("crysxpp")


@pytest.fixture(scope="module")
def domain(predictor: Predictor) -> Domain:
    return fit_domain(predictor, TRAINING, HELD_OUT)


def boxes(numbers: list[int], edge: float, count: int = 10) -> list[Crystal]:
    rng = np.random.default_rng(0)
    return [Crystal(str(i), np.eye(3) * edge, rng.random((len(numbers), 3)), numbers) for i in range(count)]


@pytest.mark.parametrize(
    ("crystals", "words"),
    [
        ([silicon(0.8)], "density is too high"),
        ([silicon(0.8)], "Neighbours are too near: Si and Si are 1.88 angstrom apart"),
        ([silicon(1.3)], "density is too low"),
        ([silicon(0.1)], "nanometre"),
        ([silicon(100)], "picometre"),
        ([Crystal("lone", np.eye(3) * 20, [[0, 0, 0]], [11])], "no neighbour"),
        (boxes([8] * 6, 5.0), "O and O are"),
        (boxes([11, 11, 17, 17, 8, 8], 5.5), "too near"),
    ],
)
def test_what_cannot_be_is_out_and_the_reason_says_why(
    domain: Domain, predictor: Predictor, crystals: list[Crystal], words: str
) -> None:
    found = verdicts(domain, predictor, crystals)
    assert {verdict.domain for verdict in found} == {"out"}
    assert any(words in verdict.reason for verdict in found)


def test_real_crystals_are_mostly_in_and_their_reason_names_the_nearest(domain: Domain, predictor: Predictor) -> None:
    known = {number for crystal in TRAINING for number in crystal.numbers.tolist()}
    others = [crystal for crystal in OTHERS if known.issuperset(crystal.numbers.tolist())]
    assert np.mean([verdict.domain != "out" for verdict in verdicts(domain, predictor, others)]) > 0.9
    found = verdicts(domain, predictor, TRAINING[:60])
    inside = [verdict for verdict in found if verdict.domain == "in"]
    ids = {crystal.id for crystal in TRAINING}
    named = [verdict.reason.partition("training crystals: ")[2].split(" at ")[0] for verdict in inside]
    assert len(inside) > 0.8 * len(found)
    assert ids.issuperset(named)


def test_real_crystals_have_higher_scores_than_corrupted_ones(domain: Domain, predictor: Predictor) -> None:
    made = [scaled(crystal, 0.7) for crystal in OTHERS]
    real, unreal = ([v.score for v in verdicts(domain, predictor, some)] for some in (OTHERS, made))
    assert np.mean(np.array(real) > np.array(unreal)) > 0.95
    assert np.mean(np.array(real)[:, None] > np.array(unreal)) > 0.9


def test_a_kept_crystal_is_the_nearest_to_itself(domain: Domain, predictor: Predictor) -> None:
    kept = {domain.references.name(row) for row in range(len(domain.references.places))}
    crystal = next(crystal for crystal in TRAINING if crystal.id in kept)
    (verdict,) = verdicts(domain, predictor, [crystal])
    named, distance = verdict.reason.partition("training crystals: ")[2].split(", ")[0].split(" at ")
    assert named == crystal.id
    assert float(distance) < 0.01


def test_unseen_elements_are_out_and_unseen_pairs_at_most_at_the_edge(domain: Domain, predictor: Predictor) -> None:
    known = {number for crystal in TRAINING for number in crystal.numbers.tolist()}
    strange = next(number for number in range(1, 95) if number not in known)
    (verdict,) = verdicts(domain, predictor, [replace(silicon(1), numbers=np.array([14, strange]))])
    assert verdict.domain == "out"
    assert "The training data has no " in verdict.reason
    together = {(a, b) for c in TRAINING for a in c.numbers.tolist() for b in c.numbers.tolist()}
    apart = [
        crystal
        for crystal in OTHERS
        if known.issuperset(numbers := crystal.numbers.tolist())
        and any((a, b) not in together for a in numbers for b in numbers)
    ]
    found = verdicts(domain, predictor, apart)
    assert {verdict.domain for verdict in found} <= {"edge", "out"}
    assert all("No training crystal has both" in verdict.reason for verdict in found)


def test_neither_the_choice_of_cell_nor_the_order_of_atoms_matters(domain: Domain, predictor: Predictor) -> None:
    crystals = [*OTHERS[:8], silicon(0.8)]
    rng = np.random.default_rng(0)
    others = [sheared(permuted(rotated(supercell(c, (1, 2, 1)), rng), rng), rng) for c in crystals]
    found = verdicts(domain, predictor, crystals), verdicts(domain, predictor, others)
    for one, other in zip(*found, strict=True):
        assert one.domain == other.domain
        assert one.score == pytest.approx(other.score, abs=0.02)


def test_a_domain_comes_back_from_its_tensors_alone(domain: Domain, predictor: Predictor) -> None:
    again = Domain(**domain.sizes)
    again.load_state_dict(domain.state_dict())
    assert not list(domain.parameters())
    assert verdicts(again, predictor, OTHERS[:20]) == verdicts(domain, predictor, OTHERS[:20])


def test_the_same_seed_gives_the_same_domain_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    predictor = small()
    state = torch.get_rng_state()
    first, second = (fit_domain(predictor, TRAINING[:12], seed=1).state_dict() for _ in range(2))
    assert not torch.equal(before, state)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)


def small() -> Predictor:
    torch.manual_seed(0)
    encoder = CGCNN(width=8, layers=1)
    card = Card(name="small", encoder=ENCODERS.config_of(encoder), spec=encoder.needs, properties=[])
    return Predictor(encoder, None, card)


def test_a_tiny_model_without_heads_has_a_domain() -> None:
    predictor = small()
    domain = fit_domain(predictor, TRAINING[:12])
    found = verdicts(domain, predictor, [*TRAINING[:12], silicon(0.1)])
    assert {verdict.domain for verdict in found[:12]} >= {"in"}
    assert found[-1].domain == "out"
    assert all(np.isfinite(verdict.score) for verdict in found)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_without_heads_has_a_domain(name: str) -> None:
    torch.manual_seed(0)
    encoder = ENCODERS.build({"name": name, **SMALL[name]})
    card = Card(name="small", encoder=ENCODERS.config_of(encoder), spec=replace(encoder.needs, text=""), properties=[])
    predictor = Predictor(encoder, None, card)
    domain = fit_domain(predictor, SMALLEST[:10])
    found = verdicts(domain, predictor, [*SMALLEST[:10], silicon(0.5)])
    assert found[-1].domain == "out"
    assert all(np.isfinite(verdict.score) for verdict in found)


@pytest.mark.parametrize("size", [1e-4, 1e-3])
def test_small_displacements_change_the_score_little(size: float) -> None:
    predictor = small()
    domain = fit_domain(predictor, TRAINING[:40])
    rng = np.random.default_rng(0)
    moved = [
        replace(c, fractional=c.fractional + size * rng.standard_normal((len(c), 3)) @ np.linalg.inv(c.lattice))
        for c in OTHERS[:20]
    ]
    found = verdicts(domain, predictor, OTHERS[:20]), verdicts(domain, predictor, moved)
    changes = [abs(one.score - other.score) for one, other in zip(*found, strict=True)]
    assert max(changes) < 200 * size


def test_a_model_that_reads_descriptions_is_judged_by_its_graph_network() -> None:
    predictor = load("crysmmnet")
    domain = fit_domain(predictor, TRAINING[:30])
    assert verdicts(domain, predictor, [silicon(0.1)])[0].domain == "out"


def test_too_few_crystals_are_refused() -> None:
    with pytest.raises(DataError, match="needs 8 training crystals, there are 3"):
        fit_domain(small(), TRAINING[:3])


def test_a_domain_of_full_size_is_small() -> None:
    domain = Domain(width=128, components=48, axes=16, kept=2000, letters=10, hidden=32)
    assert sum(tensor.numel() * tensor.element_size() for tensor in domain.buffers()) < 250_000


@pytest.mark.parametrize("kind", KINDS)
def test_each_corruption_leaves_something_as_it_was(kind: str) -> None:
    elements, crystal = np.arange(1, 90), next(c for c in CRYSTALS if len(set(c.numbers.tolist())) == 3)
    one, other = (corrupted(crystal, kind, elements, np.random.default_rng(seed)) for seed in (0, 0))
    assert one is not None
    assert other is not None
    assert one.fingerprint == other.fingerprint != crystal.fingerprint
    same_atoms = sorted(one.numbers) == sorted(crystal.numbers)
    same_sites = np.array_equal(one.fractional, crystal.fractional)
    same_cell = np.array_equal(one.lattice, crystal.lattice)
    kept = {"swapped": (False, True, True), "squeezed": (True, True, False), "stretched": (True, True, False)}
    moved = {"displaced": (True, False, True), "scattered": (True, False, True), "boxed": (False, False, False)}
    assert (same_atoms, same_sites, same_cell) == (kept | moved).get(kind, (True, True, True))


def test_a_crystal_of_one_element_cannot_be_shuffled() -> None:
    assert corrupted(silicon(1), "shuffled", np.arange(1, 90), np.random.default_rng(0)) is None
