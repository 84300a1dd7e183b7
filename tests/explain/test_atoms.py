"""Contributions add up to the prediction, for every input layer, whatever the description of the crystal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from laws.cells import permuted, supercell

from cryskit import elements
from cryskit.data.read import read, read_one
from cryskit.errors import ModelError, UnknownNameError
from cryskit.explain.atoms import Explainer, Explanation
from cryskit.explain.gradients import TOLERANCE
from cryskit.explain.parts import LEARNED, baseline_of, feature_names, parts_of, strengths_of
from cryskit.graphs import build as building
from cryskit.graphs.build import build
from cryskit.predict.card import Card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.registry import ENCODERS
from cryskit.types import Crystal, Failure, GraphSpec

EXAMPLES = Path(__file__).parents[2] / "examples"
INPUTS = ["features", "embedding", "both"]
MODELS = [("cgcnn", inputs) for inputs in INPUTS] + [("steinhardt", inputs) for inputs in INPUTS]

BAER2F8 = Crystal(  # mp-12803
    "BaEr2F8",
    np.array([[6.306731, 0.0, 0.55512], [-2.518125, 5.782206, 0.55512], [0.0, 0.0, 4.292295]]),
    np.array(
        [
            [0.0, 0.0, 0.0],
            [0.32428, 0.67572, 0.5],
            [0.67572, 0.32428, 0.5],
            [0.737864, 0.262136, 0.0],
            [0.262136, 0.737864, 0.0],
            [0.606423, 0.606423, 0.228466],
            [0.045704, 0.328772, 0.4383],
            [0.671228, 0.954296, 0.5617],
            [0.954296, 0.671228, 0.5617],
            [0.328772, 0.045704, 0.4383],
            [0.393577, 0.393577, 0.771534],
        ]
    ),
    np.array([56, 68, 68, 9, 9, 9, 9, 9, 9, 9, 9]),
)


def small(encoder: str = "steinhardt", inputs: str = "both", *, reduce: bool = True) -> Predictor:
    torch.manual_seed(3)
    card = Card(
        name="small",
        encoder={"name": encoder, "width": 16, "layers": 2, "inputs": inputs},
        spec=GraphSpec(reduce=reduce),
        properties=[get("formation_energy_per_atom"), get("bulk_modulus")],
        elements=[1, 8, 14, 22, 26, 38, 56],
    )
    predictor = Predictor.from_card(card)
    predictor.heads.mean[:], predictor.heads.deviation[:] = torch.tensor([-1.5, 2.0]), torch.tensor([1.1, 0.3])
    return predictor


@pytest.fixture(scope="module")
def titanate() -> Crystal:
    return read_one(EXAMPLES / "SrTiO3.cif")


@pytest.mark.parametrize(("encoder", "inputs"), MODELS)
def test_base_and_contributions_add_up_to_what_predict_says(encoder: str, inputs: str, titanate: Crystal) -> None:
    predictor = small(encoder, inputs)
    found = Explainer(predictor, "bulk_modulus").explain(titanate)
    said = predictor.predict(titanate)["bulk_modulus"][0]
    assert 10**found.learned == pytest.approx(said, rel=1e-4)
    assert found.prediction.values["bulk_modulus"] == pytest.approx(said, rel=1e-6)
    assert abs(found.residual) <= TOLERANCE * found.scale
    assert found.contributions.sum() + found.residual == pytest.approx(found.learned, abs=1e-5)
    for parts in (found.blocks, found.elements):
        assert found.base + sum(parts.values()) + found.residual == pytest.approx(found.learned, abs=1e-5)
    assert np.abs(found.atoms).max() > 1e-3


@pytest.mark.parametrize("inputs", INPUTS)
def test_only_what_the_input_layer_has_is_attributed_anything(inputs: str, titanate: Crystal) -> None:
    blocks = Explainer(small("cgcnn", inputs)).explain(titanate).blocks
    learned = abs(blocks.pop(LEARNED))
    assert (learned > 1e-3) == (inputs != "features")
    assert any(abs(value) > 1e-3 for value in blocks.values()) == (inputs != "embedding")


def test_symmetry_reduction_changes_no_contribution(titanate: Crystal) -> None:
    reduced, whole = (Explainer(small(reduce=reduce)).explain(titanate) for reduce in (True, False))
    assert len(set(reduced.orbit)) == 3
    assert len(set(whole.orbit)) == 5
    np.testing.assert_allclose(reduced.contributions, whole.contributions, atol=2e-4)


def test_a_supercell_has_as_much_to_say_and_spreads_it(titanate: Crystal) -> None:
    explainer = Explainer(small())
    one, two = explainer.explain(titanate), explainer.explain(supercell(titanate, (1, 1, 2)))
    assert two.elements == pytest.approx(one.elements, abs=1e-3)
    np.testing.assert_allclose(two.contributions, np.tile(one.contributions, 2) / 2, atol=1e-3)


def test_contributions_follow_the_order_of_atoms(titanate: Crystal) -> None:
    shuffled = permuted(titanate, np.random.default_rng(0))
    explainer = Explainer(small())
    found = [explainer.explain(crystal) for crystal in (titanate, shuffled)]
    for number in set(titanate.numbers.tolist()):
        alike = [explanation.contributions[explanation.crystal.numbers == number] for explanation in found]
        np.testing.assert_allclose(*alike, atol=1e-4)


def test_the_parts_of_every_element_make_its_input_vector() -> None:
    predictor = small()
    parts = parts_of(predictor.encoder)
    numbers = torch.arange(1, 101)
    torch.testing.assert_close(parts.vectors[numbers], predictor.encoder.inputs(numbers))
    torch.testing.assert_close(parts.features @ parts.directions + parts.learned, parts.vectors)
    torch.testing.assert_close(parts.directions.T, predictor.encoder.inputs.features.linear.weight)
    bias = predictor.encoder.inputs.features.linear.bias
    torch.testing.assert_close(parts.learned, predictor.encoder.inputs.embedding.weight + bias)


def test_the_baseline_is_the_mean_of_the_elements_of_the_card() -> None:
    predictor = small()
    baseline = baseline_of(parts_of(predictor.encoder), predictor.card.elements)
    mean = predictor.encoder.inputs(torch.tensor(predictor.card.elements)).mean(0)
    torch.testing.assert_close(baseline.vector, mean)
    group = baseline.features[elements.BLOCKS["group"]]
    assert group.sum() == pytest.approx(1)
    assert group[2] == pytest.approx(2 / 7), "strontium and barium"


def test_a_crystal_of_the_baseline_alone_is_attributed_nothing() -> None:
    predictor = small()
    predictor.card.elements = [14]
    found = Explainer(predictor).explain(read_one(EXAMPLES / "Si.cif"))
    assert found.learned == pytest.approx(found.base, abs=1e-6)
    assert np.abs(found.features).max() < 1e-6


def test_a_linear_model_is_explained_exactly() -> None:
    """Without convolutions and with a linear head, the attribution of a bit is its weight times its excess."""
    predictor = small("cgcnn", "features")
    predictor.encoder.convolutions = torch.nn.ModuleList()
    direction = torch.linspace(-1, 1, 16)
    predictor.heads.forward = lambda crystals: (crystals @ direction)[:, None].expand(-1, 2)
    explainer = Explainer(predictor)
    found = explainer.explain(read_one(EXAMPLES / "MgO.cif"))
    weight = (direction @ predictor.encoder.inputs.linear.weight).detach() * predictor.heads.deviation[0]
    excess = torch.from_numpy(elements.features()[[12, 8]]) - explainer.baseline.features
    magnesium, oxygen = (found.crystal.numbers == number for number in (12, 8))
    for atoms, expected in ((magnesium, excess[0] * weight), (oxygen, excess[1] * weight)):
        got = found.features[atoms, :-1].sum(0)
        np.testing.assert_allclose(got, expected.numpy() / 2, atol=1e-6)


def test_the_encoder_is_left_as_it_was(titanate: Crystal) -> None:
    predictor = small()
    before = predictor.predict(titanate)
    Explainer(predictor).explain(titanate)
    assert predictor.predict(titanate).equals(before)
    assert not predictor.encoder.inputs._forward_hooks
    assert all(parameter.grad is None for parameter in predictor.parameters())


def test_failed_rows_stand_in_their_place() -> None:
    needle = Crystal("needle", np.diag([1e-3, 1e-3, 1e6]), np.zeros((1, 3)), np.array([26]))
    items = [*read(EXAMPLES / "Si.cif"), needle, *read([EXAMPLES / "nothing.cif"]), *read(EXAMPLES / "Fe.cif")]
    found = list(Explainer(small()).stream(items))
    assert [isinstance(each, Explanation) for each in found] == [True, False, False, True]
    assert isinstance(items[2], Failure)
    assert found[1].reason
    assert "nothing.cif" in found[2].reason


def test_an_unknown_element_is_warned_of_and_explained() -> None:
    found = Explainer(small()).explain(read_one(EXAMPLES / "GaAs.cif"))
    assert found.prediction.status == "warned"
    assert "Ga" in found.prediction.reason


def test_wrong_calls_say_what_to_do() -> None:
    with pytest.raises(UnknownNameError, match="small"):
        Explainer(small(), "band_gap")
    assert Explainer(small(), "K_VRH").wanted.name == "bulk_modulus"
    predictor = small()
    predictor.encoder = torch.nn.Linear(1, 1)
    with pytest.raises(ModelError, match="inputs"):
        Explainer(predictor)


def test_a_selector_is_asked_for_its_strengths() -> None:
    predictor = small()
    assert strengths_of(predictor.encoder) is None
    predictor.encoder.inputs.strengths = lambda: torch.arange(92.0)
    assert strengths_of(predictor.encoder).tolist() == list(range(92))


def test_gates_on_the_bits_are_part_of_the_directions() -> None:
    """An input layer that scales its bits on the way needs no code of its own."""
    predictor = small("cgcnn", "features")
    plain = parts_of(predictor.encoder)
    with torch.no_grad():
        predictor.encoder.inputs.linear.weight.mul_(torch.arange(92) % 2)
    gated = parts_of(predictor.encoder)
    assert not gated.directions[::2].any()
    torch.testing.assert_close(gated.directions[1::2], plain.directions[1::2])


def test_the_papers_example_is_labelled_rightly() -> None:
    """The published figure has Ba in group 3, period 7, Er in group 1, period 7 and F in group 18, period 3."""
    explainer = Explainer(load("cryskit-mp"), "formation_energy_per_atom")
    found = explainer.explain(BAER2F8)
    has = {
        z: {elements.feature_name(b) for b in np.flatnonzero(found.has[BAER2F8.numbers == z][0])} for z in (56, 68, 9)
    }
    assert {"group 2", "period 6", "block s"} <= has[56]
    assert {"group none", "period 6", "block f"} <= has[68]
    assert {"group 17", "period 2", "block p", "electronegativity 3.65 to 4"} <= has[9]
    assert len(feature_names()) == len(set(feature_names())) == 93
    assert [int((found.orbit == orbit).sum()) for orbit in np.unique(found.orbit)] == [1, 2, 2, 2, 4]
    assert found.learned == pytest.approx(-4.4415, abs=0.03), "label -4.4415 eV/atom"
    assert found.contributions.sum() == pytest.approx(found.learned, abs=0.01 * abs(found.learned - found.base))
    assert max(found.elements[name] for name in ("F", "Er", "Ba")) < 0
    block = elements.BLOCKS["group"]
    fluorine = found.features[BAER2F8.numbers == 9].sum(0)[block]
    assert np.argmax(np.abs(fluorine)) == 17, "of the groups, fluorine's own matters most at fluorine"


def test_atoms_of_a_crystal_whose_orbits_are_given_up_keep_their_own_nodes(
    titanate: Crystal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the reverse of an edge is not found the full cell is built, whose nodes are the atoms."""
    torch.manual_seed(3)
    encoder = {"name": "alignn", "width": 16, "angular": 1, "layers": 1, "points": 64}
    spec = ENCODERS.build(encoder).needs
    explainer = Explainer(Predictor.from_card(Card(name="a", encoder=encoder, spec=spec, properties=[get("band_gap")])))
    reduced = explainer.explain(titanate)
    genuine = building.reverse_edges

    def found_in_full_cells(*given: Any, reduce: bool) -> Any:
        return None if reduce else genuine(*given, reduce=reduce)

    monkeypatch.setattr(building, "reverse_edges", found_in_full_cells)
    whole = explainer.explain(titanate)
    assert len(set(reduced.orbit)) == 3
    assert whole.orbit.tolist() == list(range(5))
    np.testing.assert_allclose(whole.contributions, reduced.contributions, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_explains_the_same(titanate: Crystal) -> None:
    here = Explainer(small())
    there = Explainer(small().cuda(), edges=100)
    graph = here.model_input(titanate).graph
    on_cpu, on_gpu = here.path(graph), there.path(graph)
    assert on_gpu.value == pytest.approx(on_cpu.value, abs=1e-3)
    np.testing.assert_allclose(there.attributed(graph, on_gpu), here.attributed(graph, on_cpu), atol=1e-3)


def test_the_size_of_a_batch_changes_no_explanation(titanate: Crystal) -> None:
    one, other = (Explainer(small(), edges=edges).explain(titanate) for edges in (1, 20_000))
    np.testing.assert_allclose(one.features, other.features, atol=1e-5)


def test_one_atom_and_a_lonely_one_are_explained() -> None:
    lonely = Crystal("lonely", np.eye(3) * 40, np.zeros((1, 3)), np.array([26]))
    found = Explainer(small()).explain(lonely)
    assert found.contributions.shape == (1,)
    assert found.contributions[0] + found.residual == pytest.approx(found.learned, abs=1e-5)
    assert build([lonely], GraphSpec()).edges.shape[1] == 0
