"""Cards of older and newer formats: what is read, what is kept, what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cryskit.errors import ModelError
from cryskit.predict.card import CARD, FIRST_FORMAT, FORMAT, Card, read_card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.registry import ENCODERS
from cryskit.types import GraphSpec

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder = {"name": "cgcnn", "width": 8, "layers": 1}
    card = Card(name="tiny", encoder=encoder, spec=GraphSpec(), properties=[get("band_gap")])
    path = tmp_path / "tiny.safetensors"
    Predictor.from_card(card).save(path)
    return path


def card_in(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()[CARD])
    return found


def rewrite(path: Path, **changes: Any) -> None:
    """Change entries of the card in a model file; None takes one away."""
    fields = {name: value for name, value in (card_in(path) | changes).items() if changes.get(name, "") is not None}
    save_file(load_file(path), path, {CARD: json.dumps(fields)})


def test_a_file_says_in_which_format_its_card_is(model: Path) -> None:
    assert card_in(model)["format"] == FORMAT
    assert read_card(model).format == FORMAT


def test_a_card_without_a_number_is_of_the_first_format_and_saved_in_the_newest(model: Path) -> None:
    rewrite(model, format=None, version=None, spec=card_in(model)["spec"] | {"neighbours": "nearest"})
    assert read_card(model).format == FIRST_FORMAT
    load(model).save(model)
    assert card_in(model)["format"] == FORMAT


def test_what_a_newer_minor_format_adds_is_tolerated_and_kept(model: Path, tmp_path: Path) -> None:
    rewrite(model, format="2.99", carbon_footprint={"kg": 0.5})
    again = tmp_path / "again.safetensors"
    load(model).save(again)
    assert card_in(again) == card_in(model)
    assert card_in(again)["carbon_footprint"] == {"kg": 0.5}
    assert card_in(again)["format"] == "2.99"


@pytest.mark.parametrize(
    "changes",
    [{"format": "3.0"}, {"format": "3.0", "encoder": None}, {"format": "2.99", "spec": {"cells": "big"}}],
    ids=["major", "major that lacks what ours has", "minor whose graph is unknown"],
)
def test_a_format_that_cannot_be_read_asks_for_a_newer_cryskit(model: Path, changes: dict[str, Any]) -> None:
    rewrite(model, **changes)
    with pytest.raises(ModelError, match=rf"format {changes['format']}, .* up to {FORMAT}.*Upgrade cryskit") as raised:
        load(model)
    assert "no model file" not in str(raised.value)


@pytest.mark.parametrize(
    "changes", [{"colour": "red"}, {"spec": {"cells": "big"}}, {"format": "one"}, {"format": 7}, {"format": "1"}]
)
def test_a_damaged_card_is_no_model_file(model: Path, changes: dict[str, Any]) -> None:
    rewrite(model, **changes)
    with pytest.raises(ModelError, match="no model file of cryskit"):
        load(model)


@pytest.mark.parametrize(
    ("old", "kind", "count"),
    [({"neighbours": 9}, "nearest", 9), ({}, "nearest", 12), ({"name": "megnet"}, "radius", 12)],
)
def test_models_of_the_first_formats_keep_their_neighbourhoods(
    model: Path, old: dict[str, Any], kind: str, count: int
) -> None:
    encoder = {"name": "cgcnn", "width": 8, **old}
    for given in (encoder, {"name": "fused", "graph": encoder}):
        rewrite(model, format="1.1", encoder=given)
        found = read_card(model).encoder
        needs = ENCODERS.needs(found.get("graph", found))
        assert (needs.neighbours, needs.count) == (kind, count)


def test_a_card_made_here_has_no_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="no field colour"):
        Card.model_validate({"name": "x", "encoder": {}, "spec": {}, "properties": [], "colour": "red"})


def test_a_model_is_named_with_its_version_if_it_has_one() -> None:
    card = Card(name="mine", encoder={}, spec=GraphSpec(), properties=[])
    assert card.full_name == "mine"
    assert card.model_copy(update={"version": "2026.12"}).full_name == "mine@2026.12"
