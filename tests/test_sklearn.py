"""Estimators keep the rules of scikit-learn where X is a list of crystals."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

import cryskit
from cryskit.errors import DataError
from cryskit.graphs.build import build_usable
from cryskit.sklearn import CryskitClassifier, CryskitRegressor, CrystalEmbedder
from cryskit.small_data.regressors import Space
from cryskit.small_data.sources import source_of, vectors_of
from cryskit.small_data.table import SPEC

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = list(islice(cryskit.read("elastic_tensor"), 40))
LABELS = np.log10([crystal.targets["bulk_modulus"] for crystal in CRYSTALS])
STIFF = np.array(["soft", "middle", "stiff"])[np.digitize(LABELS, np.quantile(LABELS, [1 / 3, 2 / 3]))]


def test_vectors_take_part_in_pipelines_and_searches() -> None:
    pipeline = Pipeline([("vectors", CrystalEmbedder()), ("ridge", Ridge(100.0))])
    assert cross_val_score(pipeline, CRYSTALS, LABELS, cv=2, error_score="raise").mean() > 0.3
    search = GridSearchCV(pipeline, {"ridge__alpha": [10.0, 1e6]}, cv=2, error_score="raise").fit(CRYSTALS, LABELS)
    assert search.best_params_ == {"ridge__alpha": 10.0}


def test_clones_and_frames() -> None:
    embedder = clone(CrystalEmbedder("crysgnn", limit=100))
    assert embedder.get_params() == {"encoder": "crysgnn", "limit": 100}
    frame = embedder.set_output(transform="pandas").fit(CRYSTALS).transform(CRYSTALS[:3])
    assert frame.shape == (3, embedder.n_features_out_)
    assert frame.columns[0] == "crysgnn_0"


def test_a_regressor_learns_and_its_model_can_be_saved(tmp_path: object) -> None:
    model = clone(CryskitRegressor(seconds=0)).fit(CRYSTALS[:30], LABELS[:30])
    assert model.score(CRYSTALS[:30], LABELS[:30]) > 0.9
    model.model_.save(f"{tmp_path}/m.safetensors")
    again = cryskit.load(f"{tmp_path}/m.safetensors").predict(CRYSTALS[30:])["y"]
    assert np.allclose(again, model.predict(CRYSTALS[30:]), rtol=1e-5)


def test_what_cannot_be_used_is_named() -> None:
    with pytest.raises(DataError, match="Item 1 cannot be used"):
        CrystalEmbedder().fit([]).transform([CRYSTALS[0], {"lattice": 3}])


def test_a_classifier_learns_gives_probabilities_and_its_model_can_be_saved(tmp_path: Path) -> None:
    model = clone(CryskitClassifier()).fit(CRYSTALS[:30], STIFF[:30])
    assert model.classes_.tolist() == ["middle", "soft", "stiff"]
    probabilities = model.predict_proba(CRYSTALS)
    assert probabilities.shape == (40, 3)
    assert np.allclose(probabilities.sum(1), 1)
    assert (model.classes_[probabilities.argmax(1)] == model.predict(CRYSTALS)).all()
    assert model.score(CRYSTALS[30:], STIFF[30:]) > np.unique(STIFF, return_counts=True)[1].max() / 40
    model.model_.save(tmp_path / "m.safetensors")
    again = cryskit.load(tmp_path / "m.safetensors").predict(CRYSTALS)
    assert again["y"].tolist() == model.predict(CRYSTALS).tolist()
    assert np.allclose(again["y_p"], probabilities.max(1), rtol=1e-9)


def test_the_logits_of_a_classifier_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[LogisticRegression] = []
    plain = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, *data: fitted.append(self) or plain(self, *data))
    model = CryskitClassifier().fit(CRYSTALS, np.median(LABELS) < LABELS)
    assert model.classes_.tolist() == [False, True]
    graph, _ = build_usable(CRYSTALS, SPEC)
    vectors = vectors_of(graph, source_of("crysae"))
    expected = fitted[-1].decision_function(Space.of(vectors)(vectors))
    assert np.allclose(model.model_.values(graph)[:, 0], expected, atol=1e-5)


def test_a_classifier_takes_part_in_pipelines_and_searches() -> None:
    labels = (np.median(LABELS) < LABELS).astype(int)
    pipeline = Pipeline([("model", CryskitClassifier())])
    scores = cross_val_score(pipeline, CRYSTALS, labels, cv=2, scoring="roc_auc", error_score="raise")
    assert scores.mean() > 0.7
    search = GridSearchCV(pipeline, {"model__encoders": [["crysae"], ["crysgnn"]]}, cv=2, error_score="raise")
    assert search.fit(CRYSTALS, labels).predict(CRYSTALS[:3]).dtype == labels.dtype
    assert is_classifier(CryskitClassifier())


def test_a_regressor_takes_part_in_pipelines_and_searches() -> None:
    pipeline = Pipeline([("model", CryskitRegressor(seconds=0))])
    assert cross_val_score(pipeline, CRYSTALS, LABELS, cv=2, error_score="raise").mean() > 0.3
    search = GridSearchCV(pipeline, {"model__seed": [0, 1]}, cv=2, error_score="raise").fit(CRYSTALS, LABELS)
    assert search.predict(CRYSTALS[:3]).shape == (3,)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["a"] * 40, DataError, "1 different label"),
        (LABELS, ValueError, "Unknown label type"),
        (["a", "b"], ValueError, "inconsistent numbers of samples"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels: list[object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CryskitClassifier().fit(CRYSTALS, labels)


def test_few_crystals_are_refused() -> None:
    with pytest.raises(DataError, match="5 crystals are too few"):
        CryskitClassifier().fit(CRYSTALS[:5], [0, 1, 0, 1, 0])


def test_rare_classes_and_one_formula_do_not_stop_a_classifier() -> None:
    labels = ["odd", *["even"] * 39]
    assert CryskitClassifier().fit(CRYSTALS, labels).predict_proba(CRYSTALS[:1]).shape == (1, 2)
    scaled = [replace(CRYSTALS[0], lattice=CRYSTALS[0].lattice * scale) for scale in np.linspace(0.9, 1.1, 12)]
    polymorphs = CryskitClassifier().fit(scaled, [0] * 6 + [1] * 6)
    assert polymorphs.score(scaled, [0] * 6 + [1] * 6) > 0.9
    with pytest.raises(DataError, match="All crystals are the same"):
        CryskitClassifier().fit([CRYSTALS[0]] * 12, [0, 1] * 6)
