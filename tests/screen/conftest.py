"""A small model with random weights that gives intervals, crystals to screen with it, and processes that start at once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch

from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.parallel import Pool
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.service.processes import PRELOADED
from cryskit.types import Crystal, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", autouse=True)
def _processes_are_copies() -> Iterator[None]:
    """Start the processes of the local engine as copies of one that has loaded what each of them would load in seconds."""
    copied = partial(Pool, preload=(*PRELOADED, "cryskit.screen.prepare"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cryskit.screen.local.Pool", copied)
        yield


def tiny(*names: str, seed: int = 0) -> Predictor:
    torch.manual_seed(seed)
    card = Card(
        name=f"tiny-{seed}",
        encoder={"name": "cgcnn", "width": 8, "layers": 1},
        spec=GraphSpec(),
        properties=[get(name) for name in names],
    )
    return Predictor.from_card(card)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny("bulk_modulus", "band_gap").save(path)
    return path


@pytest.fixture(scope="session")
def crystals() -> list[Crystal]:
    found = (item for item in open_source("elastic_tensor") if isinstance(item, Crystal) and len(item) < 7)
    return [replace(next(found), targets={}) for _ in range(300)]


@pytest.fixture(scope="session")
def data(crystals: list[Crystal], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "set.parquet"
    write(path, crystals)
    return path
