"""The published models say what they said when they were published, and what they say is physics."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cryskit.data.corpus import manifest_path
from cryskit.predict.card import digest, read_card
from cryskit.predict.load import load
from cryskit.predict.published import DEFAULT, models, versions

EXAMPLES = Path(__file__).parents[2] / "examples"
GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
MODELS = {f"{name}@{version}": path for name, found in versions().items() for version, path in found.items()}
PREDICTING = [name for name, path in MODELS.items() if read_card(path).properties]
PRETRAINED = sorted(MODELS.keys() - set(PREDICTING))

# Textbook values of the bulk modulus at room temperature, GPa; PBE and the model together may be off by a third.
BULK_MODULUS = {"C-diamond": 442, "Si": 98, "MgO": 163, "NaCl": 25, "GaAs": 75, "Cu": 137, "SrTiO3": 174, "Al2O3": 253}


def test_the_default_model_is_published() -> None:
    assert DEFAULT in models()


@pytest.mark.parametrize("name", MODELS)
def test_the_file_is_the_one_whose_numbers_are_known(name: str) -> None:
    assert digest(MODELS[name]) == GOLDEN[name]["sha256"]
    assert MODELS[name].stat().st_size < 6_000_000


@pytest.mark.parametrize("name", PREDICTING)
def test_predictions_are_the_known_numbers(name: str) -> None:
    table = load(name).predict(EXAMPLES).set_index("id")
    assert set(table.index) == set(GOLDEN[name]["predictions"])
    for crystal, values in GOLDEN[name]["predictions"].items():
        found = table.loc[crystal, list(values)].to_dict()
        assert found == pytest.approx(values, rel=1e-3, abs=1e-3), crystal


@pytest.mark.parametrize("name", PRETRAINED)
def test_vectors_are_the_known_numbers(name: str) -> None:
    table = load(name).embed(EXAMPLES).set_index("id")
    assert set(table.index) == set(GOLDEN[name]["vectors"])
    for crystal, numbers in GOLDEN[name]["vectors"].items():
        found = table.loc[crystal, "vector"][: len(numbers)]
        assert list(found) == pytest.approx(numbers, rel=1e-3, abs=1e-3), crystal


@pytest.mark.parametrize("name", MODELS)
def test_the_card_tells_where_it_comes_from(name: str) -> None:
    card = read_card(MODELS[name])
    assert card.full_name == name
    assert card.description
    assert card.licence
    assert card.citation
    assert len(card.data["manifest"]) == 64
    assert card.metrics


@pytest.mark.parametrize("name", PREDICTING)
def test_the_card_tells_how_good_it_is(name: str) -> None:
    card = read_card(MODELS[name])
    assert len(card.split["hash"]) == 64
    assert set(card.metrics) >= {p.name for p in card.properties}


@pytest.mark.parametrize("name", PRETRAINED)
def test_beside_a_pretrained_model_lies_what_it_has_seen(name: str) -> None:
    card = read_card(MODELS[name])
    path = manifest_path(MODELS[name])
    assert digest(path) == card.data["manifest"]
    parts = pq.read_table(path)["part"].to_pylist()
    assert (parts.count("train"), parts.count("validation")) == (card.rows["training"], card.rows["validation"])


def test_bulk_moduli_are_near_the_textbook() -> None:
    table = load(DEFAULT).predict([EXAMPLES / f"{name}.cif" for name in BULK_MODULUS], ["bulk_modulus"]).set_index("id")
    for name, measured in BULK_MODULUS.items():
        assert table.loc[name, "bulk_modulus"] == pytest.approx(measured, rel=1 / 3), name


def test_metals_have_no_gap_and_salts_a_wide_one() -> None:
    gaps = load(DEFAULT).predict(EXAMPLES, ["band_gap"]).set_index("id")["band_gap"]
    assert gaps[["Cu", "Fe"]].max() < 0.3
    assert gaps[["NaCl", "CaF2", "MgO", "CsCl"]].min() > 3.0
