"""An explanation of any model explains what the model predicts: its parts add up to what `predict` says, text included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from contracts.settings import SMALL, WORDS

from cryskit.data.read import read_one
from cryskit.explain.atoms import Explainer, Explanation
from cryskit.explain.document import document, row
from cryskit.explain.gradients import TOLERANCE
from cryskit.graphs import build as building
from cryskit.predict import descriptions
from cryskit.predict.card import Card, read_card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.predict.published import models
from cryskit.properties import get
from cryskit.registry import ENCODERS

if TYPE_CHECKING:
    from cryskit.types import Crystal, Property

EXAMPLES = Path(__file__).parents[2] / "examples"
DESCRIBED = {  # as `cryskit describe` has them
    "TiO2-rutile": (
        "TiO2 is Rutile structured and crystallizes in the tetragonal P4_2/mnm space group.\n"
        "Ti(1) is bonded to six equivalent O(1) atoms to form a mixture of corner and edge-sharing TiO6 octahedra. The "
        "corner-sharing octahedral tilt angles are 49 degrees. There are four shorter (1.95 A) and two longer (1.98 A) "
        "Ti(1)-O(1) bond lengths. O(1) is bonded in a trigonal planar geometry to three equivalent Ti(1) atoms."
    ),
    "SrTiO3": (
        "SrTiO3 is (Cubic) Perovskite structured and crystallizes in the cubic Pm-3m space group.\n"
        "Sr(1) is bonded to twelve equivalent O(1) atoms to form SrO12 cuboctahedra. All Sr(1)-O(1) bond lengths are 2.76 A. "
        "Ti(1) is bonded to six equivalent O(1) atoms to form TiO6 octahedra."
    ),
}
CRYSTALS = [replace(read_one(EXAMPLES / f"{name}.cif"), text=text) for name, text in DESCRIBED.items()]


class Words:
    """A text encoder that gives each text random numbers of its own."""

    name, hash, width = "words", "0" * 64, WORDS

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.stack([np.random.default_rng(len(text)).normal(size=WORDS) for text in texts]).astype(np.float32)


@pytest.fixture(params=list(ENCODERS))
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """A small model of each encoder, not trained."""
    monkeypatch.setattr(descriptions, "embedder", lambda _: Words())
    torch.manual_seed(0)
    encoder = {"name": request.param, **SMALL.get(request.param, {})}
    needs = ENCODERS.build(encoder).needs
    card = Card(
        name="small",
        encoder=encoder,
        spec=needs,
        properties=[get("formation_energy_per_atom"), get("bulk_modulus")],
        elements=[1, 8, 14, 22, 26, 38, 56],
    )
    predictor = Predictor.from_card(card)
    with torch.no_grad():  # random weights, but predictions of the size of labels
        size = (
            predictor.heads(predictor.encoder(Explainer(predictor).model_input(CRYSTALS[0]).graph).crystals).abs().max()
        )
    predictor.heads.mean[:], predictor.heads.deviation[:] = torch.tensor([-1.5, 2.0]), torch.tensor([1.1, 0.3]) / size
    return predictor


def in_space(wanted: Property, value: float) -> float:
    """Return a value in the space where its property is learned."""
    return float(np.log10(value)) if wanted.transform == "log10" else value


def check(predictor: Predictor, crystals: list[Crystal], name: str) -> list[Explanation]:
    """Explain crystals and hold the explanations, and the document made of them, against what `predict` says."""
    explainer = Explainer(predictor, name)
    found = list(explainer.stream(crystals))
    said = predictor.predict(crystals)[name].tolist()
    written: dict[str, Any] = document(explainer, [row(each) for each in found])
    for explanation, line, value in zip(found, written["rows"], said, strict=True):
        assert isinstance(explanation, Explanation)
        learned = in_space(explainer.wanted, value)
        close = {"rel": 1e-5, "abs": 1e-5 * explanation.scale}
        assert line["value"] == pytest.approx(value, rel=1e-5), "the document says what `predict` says"
        assert line["prediction"] == pytest.approx(learned, **close), "and explains that"
        assert abs(line["completeness_error"]) <= TOLERANCE * explanation.scale
        for parts in (line["blocks"], line["elements"], line["features"]):
            total = line["base"] + sum(parts.values()) + line["completeness_error"]
            assert total == pytest.approx(learned, **close)
        total = sum(line["atoms"]["contribution"]) + line["completeness_error"]
        assert total == pytest.approx(learned, **close)
    return found


@pytest.mark.parametrize("name", ["formation_energy_per_atom", "bulk_modulus"])
def test_the_parts_add_up_to_what_predict_says_for_every_encoder(small: Predictor, name: str) -> None:
    found = check(small, CRYSTALS, name)
    assert all(np.abs(explanation.atoms).max() > 1e-5 for explanation in found)
    assert all((explanation.undescribed is not None) == bool(small.card.spec.text) for explanation in found)


EXPLAINED = [name for name, path in models().items() if name != "cryskit-tensors" and read_card(path).properties]


@pytest.mark.parametrize("model", EXPLAINED)
def test_the_parts_add_up_to_what_predict_says_for_published_models(model: str) -> None:
    predictor = load(model)
    for name in {predictor.properties[0], "band_gap"} & set(predictor.properties):
        found = check(predictor, CRYSTALS, name)
        assert all((explanation.undescribed is not None) == bool(predictor.card.spec.text) for explanation in found)


def test_what_a_description_changes_is_what_predict_says_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = load("crysmmnet@2026.11")
    monkeypatch.setattr(descriptions, "_made", lambda _: (None, "Predicted without a description (nobody could)"))
    silent = replace(CRYSTALS[0], text=None)
    found, undescribed = check(predictor, [CRYSTALS[0], silent], "band_gap")
    assert found.undescribed == pytest.approx(undescribed.learned, abs=1e-5)
    assert abs(found.learned - undescribed.learned) > 0.01
    assert undescribed.undescribed is None
    assert undescribed.prediction.reason == "Predicted without a description (nobody could)"
    (use,) = document(Explainer(predictor, "band_gap"), [row(found), row(undescribed)])["use"]["description"]
    assert use["mean"] == pytest.approx(found.learned - undescribed.learned, abs=1e-5)


def test_the_graph_of_the_prediction_is_the_one_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    genuine = building._build_one
    monkeypatch.setattr(building, "_build_one", lambda c, *rest: built.append(c.id) or genuine(c, *rest))
    assert len(list(Explainer(load("cryskit-mp")).stream(CRYSTALS))) == 2
    assert built == [crystal.id for crystal in CRYSTALS], "each is built once"
