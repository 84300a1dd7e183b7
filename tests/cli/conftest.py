"""A small model with random weights, and real structure files, for the tests of the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from typer.testing import CliRunner

from cryskit.cli import (
    app,
    benchmark,
    embed,
    evaluate,
    explain,
    predict,
    pretrain,
    screen,
    search,
    suggest,
    train,
    tune,
)
from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.types import Crystal, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("bulk_modulus", "poisson_ratio")


@pytest.fixture(autouse=True)
def _the_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for verb in (predict, explain, embed, evaluate, train, pretrain, benchmark, search, suggest, tune, screen):
        monkeypatch.setattr(verb, "keep_pages", lambda: True)


@pytest.fixture
def cryskit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    torch.manual_seed(0)
    card = Card(
        name="tiny",
        encoder={"name": "cgcnn", "width": 8, "layers": 1},
        spec=GraphSpec(),
        properties=[get(name) for name in NAMES],
        metrics={"bulk_modulus": {"n": 5, "mae": 12.5, "rmse": 20.0, "r2": 0.5, "mad": 30.0}},
    )
    return Predictor.from_card(card)


@pytest.fixture(scope="session")
def model(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    predictor.save(path)
    return path


@pytest.fixture
def cifs(tmp_path: Path) -> list[Path]:
    """Five real crystals, not in the order of their names."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    return [Path(shutil.copy(EXAMPLES / f"{name}.cif", folder)) for name in ("Si", "NaCl", "MgO", "GaAs", "Fe")]


@pytest.fixture(scope="session")
def crystals() -> list[Crystal]:
    """Crystals of the bundled elastic set, small ones first, every third without a Poisson ratio."""
    found = sorted((item for item in open_source("elastic_tensor") if isinstance(item, Crystal)), key=len)[:60]
    every = []
    for i, crystal in enumerate(found):
        targets = {name: crystal.targets[name] for name in NAMES if name == "bulk_modulus" or i % 3}
        every.append(Crystal(crystal.id, crystal.lattice, crystal.fractional, crystal.numbers, None, targets))
    return every


@pytest.fixture(scope="session")
def data(crystals: list[Crystal], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "elastic.parquet"
    write(path, crystals)
    return path
