"""Explanations are held against what is known of the model: planted features, deletions, other seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import pairs, planted

from cryskit.explain.atoms import Explainer
from cryskit.explain.checks import Deletions, deletions
from cryskit.explain.usage import blocks_used, elements_used, features_used

PLANTED = ("period 4", "covalent radius 137.5 to 160 pm")
OTHER = ("period 5", "electron affinity 0.35 to 1.02 eV")
SEEDS = (0, 1, 2)


def agreement(strengths: list[list[float]]) -> float:
    """Return the mean rank correlation (Spearman's) between all pairs of models, each a row."""
    correlations = pd.DataFrame(np.asarray(strengths).T).corr("spearman").to_numpy()
    return float(correlations[np.triu_indices(len(correlations), 1)].mean())


def advantage(found: Deletions) -> np.ndarray:
    """Return how much further the prediction moves for the strongest than for random ones, over its standard error, (K,)."""
    top, random = found.top - found.value[:, None], found.random - found.value[:, None, None]
    further = np.abs(top) - np.abs(random).mean(2)
    return further.mean(0) / (further.std(0) / np.sqrt(len(further)))


def features(names: tuple[str, str], seed: int) -> list[np.ndarray]:
    explainer = Explainer(planted(names, seed))
    return [explainer.explain(crystal).features.sum(0) for crystal in pairs()[:40]]


@pytest.mark.parametrize(("names", "seed"), [(PLANTED, 0), (PLANTED, 1), (OTHER, 0)])
def test_the_two_features_that_the_target_depends_on_come_first(names: tuple[str, str], seed: int) -> None:
    used = features_used(features(names, seed))
    assert {use.name for use in used[:2]} == set(names)
    assert used[1].mean_absolute > 1.2 * used[2].mean_absolute
    assert {use.name for use in blocks_used(features(names, seed))[:2]} == {
        "_".join(name.split()[: 1 if name.startswith("period") else 2]) for name in names
    }


def test_having_a_planted_feature_moves_the_prediction_its_way() -> None:
    explainer = Explainer(planted(PLANTED, 0))
    calcium, aluminium = 20, 13  # one has the first feature, the other the second
    found = explainer.explain(next(c for c in pairs() if calcium in c.numbers and aluminium not in c.numbers))
    assert found.features[found.crystal.numbers == calcium, 22].sum() > 0.1


def test_models_of_other_seeds_agree_on_the_blocks() -> None:
    order = ("group", "period", "electronegativity", "covalent_radius", "block", "atomic_volume")
    uses = [{use.name: use.mean_absolute for use in blocks_used(features(PLANTED, seed))} for seed in SEEDS]
    assert agreement([[use[name] for name in order] for use in uses]) > 0.6


def test_replacing_what_is_attributed_most_matters_more_than_random() -> None:
    explainer = Explainer(planted(PLANTED, 0))
    found = deletions(explainer, pairs()[:40], sizes=(1, 2, 4, 100), draws=5)
    assert (advantage(found["features"])[:3] > 2).all()
    assert np.isnan(found["features"].top[:, 3]).all(), "no crystal has a hundred features"
    assert advantage(found["atoms"])[0] > 2


def test_a_wrong_explanation_has_no_advantage(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    right = Explainer.attributed

    def shuffled(self: Explainer, *arguments: object) -> np.ndarray:
        return rng.permuted(np.ones_like(right(self, *arguments)) * rng.normal(size=93), axis=1)

    monkeypatch.setattr(Explainer, "attributed", shuffled)
    found = deletions(Explainer(planted(PLANTED, 0)), pairs()[:40], sizes=(1, 2), draws=5)
    assert (advantage(found["features"]) < 2).all()


def test_deletions_are_what_the_model_says_of_the_changed_crystal() -> None:
    explainer = Explainer(planted(PLANTED, 0))
    crystal = next(c for c in pairs() if c.numbers[0] != c.numbers[1])
    found = deletions(explainer, [crystal], sizes=(1,), draws=1)["atoms"]
    graph = explainer.model_input(crystal).graph
    strongest = int(np.argmax(np.abs(explainer.explain(crystal).atoms)))
    vectors = explainer.parts.vectors[graph.numbers].clone()
    vectors[strongest] = explainer.baseline.vector
    layer = explainer.predictor.encoder.inputs
    hook = layer.register_forward_hook(lambda *_: vectors)
    said = explainer.predictor(graph).item()
    hook.remove()
    assert found.top[0, 0] == pytest.approx(said, abs=1e-5)
    assert found.value[0] == pytest.approx(explainer.predictor(graph).item(), abs=1e-5)


def test_use_is_the_mean_over_crystals_most_used_first() -> None:
    one, other = np.zeros(93), np.zeros(93)
    one[20], one[92], other[20] = 1.0, -4.0, -2.0
    blocks = blocks_used([one, other])
    assert [(use.name, use.mean_absolute, use.mean) for use in blocks] == [
        ("learned", 2.0, -2.0),
        ("period", 1.5, -0.5),
    ]
    assert sum(use.share for use in blocks) == pytest.approx(1)
    assert [use.name for use in features_used([one, other])] == ["learned", "period 2"]
    assert [(use.name, use.mean) for use in elements_used([{"O": -2.0}, {"O": -1.0, "H": 0.5}])] == [
        ("O", -1.5),
        ("H", 0.5),
    ]
    assert blocks_used([]) == []
