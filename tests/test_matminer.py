"""The featurizer keeps the rules of matminer and gives the vectors of the scikit-learn transformer."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

import cryskit
from cryskit.errors import DataError
from cryskit.sklearn import CrystalEmbedder

pytest.importorskip("matminer")

from cryskit.matminer import CrystalVectors

CRYSTALS = list(islice(cryskit.read("elastic_tensor"), 12))
STRUCTURES = [crystal.to_pymatgen() for crystal in CRYSTALS]


def test_features_are_the_vectors_of_the_transformer() -> None:
    featurizer = CrystalVectors("crysgnn")
    expected = CrystalEmbedder("crysgnn").fit([]).transform(STRUCTURES)
    assert np.array_equal(np.float32(featurizer.featurize_many(STRUCTURES, pbar=False)), expected)
    assert np.allclose(featurizer.featurize(STRUCTURES[0]), expected[0], atol=1e-5)
    assert len(featurizer.feature_labels()) == expected.shape[1]


def test_data_frames_get_a_column_for_each_feature() -> None:
    frame = pd.DataFrame({"name": ["a", "b", "c"], "structure": STRUCTURES[:3]}, index=[5, 6, 7])
    found = CrystalVectors().featurize_dataframe(frame, "structure", pbar=False)
    assert found.index.tolist() == [5, 6, 7]
    assert found.columns[:3].tolist() == ["name", "structure", "crysae_0"]
    assert found.iloc[:, 2:].notna().all(axis=None)
    two = CrystalVectors().featurize_dataframe(frame, "structure", multiindex=True, pbar=False)
    assert ("CrystalVectors", "crysae_0") in two.columns


def test_rows_that_are_no_crystals_are_errors_or_missing() -> None:
    frame = pd.DataFrame({"structure": [STRUCTURES[0], bulk("Cu"), "not there.cif", None]})
    with pytest.raises(DataError, match="Entry 2 cannot be used: There is no"):
        CrystalVectors().featurize_dataframe(frame, "structure", pbar=False)
    found = CrystalVectors().featurize_dataframe(frame, "structure", ignore_errors=True, return_errors=True, pbar=False)
    assert found["crysae_0"].isna().tolist() == [False, False, True, True]
    assert "not there.cif" in found["CrystalVectors Exceptions"][2]
    assert found["CrystalVectors Exceptions"][:2].isna().all()
    with pytest.raises(DataError, match="not there"):
        CrystalVectors().featurize("not there.cif")


def test_it_clones_and_takes_part_in_pipelines() -> None:
    featurizer = clone(CrystalVectors("crysgnn", limit=100))
    assert featurizer.get_params() == {"encoder": "crysgnn", "limit": 100}
    model = make_pipeline(featurizer, Ridge(100.0)).fit(STRUCTURES, np.arange(12.0))
    assert model.predict(STRUCTURES[:2]).shape == (2,)
    table = featurizer.set_output(transform="pandas").transform(STRUCTURES[:2])
    assert table.columns[0] == "crysgnn_0"


def test_it_says_what_to_cite_and_who_wrote_it() -> None:
    assert all(text.startswith("@") for text in CrystalVectors().citations())
    assert CrystalVectors().implementors() == ["The cryskit developers"]


def test_without_matminer_there_is_an_error_that_says_what_to_install() -> None:
    code = "import sys; sys.modules['matminer'] = None\nimport cryskit\ntry:\n    import cryskit.matminer\nexcept cryskit.ModelError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'cryskit[baselines]'" in done.stdout
