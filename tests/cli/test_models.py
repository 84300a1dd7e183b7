"""`cryskit models`: what cards say."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from cryskit.predict import published
from cryskit.predict.card import Card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from typer.testing import Result

    from cryskit.predict.predictor import Predictor

    Call = Callable[..., Result]


def test_show_prints_the_card(cryskit: Call, model: Path, predictor: Predictor) -> None:
    shown = cryskit("models", "show", model)
    card = Card.model_validate(json.loads(cryskit("models", "show", model, "--json").stdout))
    words = [line.split() for line in shown.stdout.splitlines()]
    assert shown.exit_code == 0
    assert card == predictor.card
    assert ["bulk_modulus", "GPa", "5", "12.50", "20.00", "0.5000", "30.00"] in words
    assert ["poisson_ratio"] in words
    assert any(line[:3] == ["encoder", "name", "cgcnn,"] for line in words)


def test_list_shows_every_published_model(
    cryskit: Call, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(model, tmp_path / "first.safetensors")
    monkeypatch.setattr(published, "models", lambda: {"first": tmp_path / "first.safetensors"})
    table = cryskit("models", "list").stdout.splitlines()
    assert table[1].split() == ["first", "cgcnn", "bulk_modulus,", "poisson_ratio"]
    assert json.loads(cryskit("models", "list", "--json").stdout)["first"]["name"] == "tiny"


def test_a_model_that_is_not_there(cryskit: Call) -> None:
    result = cryskit("models", "show", "nobody")
    assert result.exit_code == 2
    assert "There is no model called 'nobody'" in result.stderr
