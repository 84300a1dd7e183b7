"""Estimators keep the rules of scikit-learn where X is a list of crystals."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

import cryskit
from cryskit.errors import DataError
from cryskit.sklearn import CryskitRegressor, CrystalEmbedder

CRYSTALS = list(islice(cryskit.read("elastic_tensor"), 40))
LABELS = np.log10([crystal.targets["bulk_modulus"] for crystal in CRYSTALS])


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
