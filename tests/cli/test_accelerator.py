"""The options --accelerator and --batch-edges of the verbs that compute with a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from cryskit.predict.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]


@pytest.mark.parametrize("verb", ["predict", "embed", "evaluate", "search"])
def test_a_verb_that_computes_has_both_options(cryskit: Call, verb: str) -> None:
    words = cryskit(verb, "--help").stdout
    assert "--accelerator" in words
    assert "--batch-edges" in words


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The devices that predictors are moved to, and their edges in a batch; nothing is moved."""
    seen: list[tuple[str, int]] = []

    def to(predictor: Predictor, device: torch.device) -> Predictor:
        seen.append((device.type, predictor.batch_edges))
        return predictor

    monkeypatch.setattr(Predictor, "to", to)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return seen


def test_they_reach_the_predictor(
    cryskit: Call, model: Path, cifs: list[Path], data: Path, moves: list[tuple[str, int]]
) -> None:
    common = ("--model", model, "--batch-edges", 77)
    calls = [
        ("predict", *cifs, *common, "--accelerator", "gpu"),
        ("predict", *cifs, *common, "--accelerator", "auto"),
        ("embed", *cifs, *common, "--accelerator", "gpu", "--out", "out.json"),
        ("evaluate", "--data", data, *common, "--accelerator", "cpu"),
    ]
    for call in calls:
        done = cryskit(*call)
        assert done.exit_code == 0, done.stderr
    assert moves == [("cuda", 77), ("cuda", 77), ("cuda", 77), ("cpu", 77)]


def test_hardware_that_is_not_there_is_a_wrong_call(
    cryskit: Call, model: Path, cifs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = cryskit("predict", *cifs, "--model", model, "--accelerator", "gpu")
    assert result.exit_code == 2
    assert "PyTorch finds no hardware of the kind gpu" in result.stderr
    assert cryskit("predict", *cifs, "--model", model, "--accelerator", "tpu").exit_code == 2


def test_small_batches_give_the_same_numbers(cryskit: Call, model: Path, cifs: list[Path]) -> None:
    call = ("predict", *cifs, "--model", model, "--json", "--accelerator", "cpu")
    whole, small = (json.loads(cryskit(*call, *more).stdout)["rows"] for more in ((), ("--batch-edges", 1)))
    for one, other in zip(whole, small, strict=True):
        assert one["bulk_modulus"] == pytest.approx(other["bulk_modulus"], rel=1e-5)
