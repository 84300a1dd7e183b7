"""A predictor computes where its weights are, in batches of the size it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from cryskit.data.read import read
from cryskit.errors import PlanError, UnknownNameError
from cryskit.predict.card import Card
from cryskit.predict.device import device_of
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.types import Crystal, Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Graph

CRYSTALS = [item for item in read(Path(__file__).parents[2] / "examples") if isinstance(item, Crystal)]


class Recorder(nn.Module):
    """An encoder that notes on which devices and with how many edges its batches come, and answers on the CPU."""

    width = 3

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.devices: set[str] = set()
        self.fields: set[str] = set()
        self.edges: list[int] = []

    def forward(self, graph: Graph) -> Encoding:
        self.devices |= {tensor.device.type for tensor in graph.tensors.values()}
        self.fields |= set(graph.tensors)
        self.edges.append(int(graph.edges.shape[1]))
        return Encoding(torch.zeros(graph.atoms, self.width), torch.zeros(graph.crystals, self.width))


class Words:
    """A text input that gives every crystal the same vectors, on the CPU."""

    @staticmethod
    def attach_or_describe(graph: Graph, crystals: Sequence[Crystal]) -> tuple[Graph, list[str]]:
        return replace(graph, text=torch.zeros(len(crystals), 2, 4)), [""] * len(crystals)


def recording(**sizes: int) -> tuple[Recorder, Predictor]:
    encoder = Recorder()
    card = Card(name="recorder", encoder={}, spec=GraphSpec(), properties=[])
    return encoder, Predictor(encoder, None, card, **sizes)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_batches_come_to_the_device_of_the_weights(device: str) -> None:
    encoder, predictor = recording()
    predictor.to(device)
    assert predictor.device.type == device
    assert predictor.embed(CRYSTALS)["status"].eq("ok").all()
    assert predictor.embed_atoms(CRYSTALS)["status"].eq("ok").all()
    assert encoder.devices == {device}


def test_vectors_of_descriptions_come_to_the_device_too() -> None:
    encoder, predictor = recording()
    predictor.card.spec = GraphSpec(text="minilm")
    predictor.text_input = Words()  # type: ignore[assignment]
    predictor.to("meta").embed(CRYSTALS)
    assert "text" in encoder.fields
    assert encoder.devices == {"meta"}


def test_batches_have_about_as_many_edges_as_asked_for() -> None:
    encoder, predictor = recording(batch_edges=300)
    predictor.embed(CRYSTALS)
    small, encoder.edges = encoder.edges, []
    predictor.batch_edges = 10**6
    predictor.embed(CRYSTALS)
    assert len(small) > len(encoder.edges) == 1
    assert sum(small) == encoder.edges[0]


def test_crystals_are_built_in_chunks_of_the_size_asked_for() -> None:
    encoder, predictor = recording(chunk=4)
    predictor.embed(CRYSTALS)
    assert len(encoder.edges) == -(-len(CRYSTALS) // 4)


def test_neither_size_changes_a_prediction() -> None:
    whole = load("crysxpp")
    small = Predictor(whole.encoder, whole.heads, whole.card, chunk=3, batch_edges=50)
    expected, found = (each.predict(CRYSTALS)[whole.properties].to_numpy() for each in (whole, small))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_accelerators_are_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [device_of(name).type for name in ("auto", "cpu", "gpu", "mps")] == ["cuda", "cpu", "cuda", "mps"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto").type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("gpu", "mps"):
        with pytest.raises(PlanError, match=f"no hardware of the kind {name}"):
            device_of(name)
    with pytest.raises(UnknownNameError, match="no accelerator called 'tpu'"):
        device_of("tpu")
