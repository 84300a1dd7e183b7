"""Descriptions change encodings, their absence is learned, and a contrastive loss finds the crystal of a description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cryskit import batching
from cryskit.batching import Batcher, TextBatcher
from cryskit.data.read import read
from cryskit.errors import PlanError
from cryskit.graphs.build import build
from cryskit.objectives.contrast import Contrast
from cryskit.registry import ENCODERS
from cryskit.types import Crystal, Graph

if TYPE_CHECKING:
    from cryskit.encoders.fused import Fused

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]
WIDTH = 12
FUSING = ("concat", "gated", "attention")
KINDS = (*FUSING, "text")


def fused(fusion: str = "concat", **settings: object) -> Fused:
    torch.manual_seed(0)
    graph = {"name": "cgcnn", "width": 16, "layers": 2}
    made: Fused = ENCODERS.build(
        {"name": "fused", "graph": graph, "fusion": fusion, "text_width": WIDTH, "projected": 8, **settings}
    )
    return made


def described(encoder: Fused) -> Graph:
    """A graph of all examples, one without a description, one without a description of its sites."""
    text = torch.randn(len(CRYSTALS), 2, WIDTH, generator=torch.Generator().manual_seed(1))
    text[3], text[5, 1] = torch.nan, torch.nan
    return replace(build(CRYSTALS, encoder.needs), text=text)


@pytest.mark.parametrize("fusion", KINDS)
def test_a_batch_equals_its_parts_with_and_without_descriptions(fusion: str) -> None:
    encoder = fused(fusion).eval()
    whole = encoder(described(encoder))
    assert whole.crystals.shape == (len(CRYSTALS), encoder.width)
    parts = torch.cat([encoder(part).crystals for part in batching.split(described(encoder))])
    torch.testing.assert_close(parts, whole.crystals, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fusion", KINDS)
def test_descriptions_count_and_their_absence_is_learned(fusion: str) -> None:
    encoder = fused(fusion).eval()
    graph = described(encoder)
    other = replace(graph, text=graph.text.roll(1, dims=2))
    differs = (encoder(other).crystals - encoder(graph).crystals).abs().amax(1) > 1e-6
    assert differs.tolist() == [row != 3 for row in range(len(CRYSTALS))]
    silent = encoder(replace(graph, text=torch.full_like(graph.text, torch.nan))).crystals
    torch.testing.assert_close(silent, encoder(replace(graph, text=None)).crystals)
    torch.testing.assert_close(silent[3], encoder(graph).crystals[3])


@pytest.mark.parametrize("fusion", FUSING)
def test_gradients_reach_every_parameter(fusion: str) -> None:
    encoder = fused(fusion, dropout=0.0).train()
    encoder(described(encoder)).crystals.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("fusion", KINDS)
def test_the_graph_counts_unless_it_is_shut_out(fusion: str) -> None:
    encoder = fused(fusion).eval()
    graph = described(encoder)
    other = replace(graph, vectors=graph.vectors * 1.1)
    same = torch.equal(encoder(other).crystals, encoder(graph).crystals)
    assert same == (fusion == "text")


def test_in_training_some_descriptions_are_withheld_and_in_evaluation_none() -> None:
    encoder = fused(withheld=0.5, dropout=0.0, blurred=0.0)
    encoder.graph.eval()
    graph = described(encoder)
    expected = encoder.eval()(graph).crystals
    encoder.train().graph.eval()
    shown = (encoder(graph).crystals - expected).abs().amax(1) < 1e-6
    assert 3 <= int(shown.sum()) < len(CRYSTALS)
    none = fused(withheld=1.0, dropout=0.0, blurred=0.0).train()
    none.graph.eval()
    torch.testing.assert_close(none(graph).crystals, none(replace(graph, text=None)).crystals)


def test_in_training_some_descriptions_lose_one_part_and_in_evaluation_none() -> None:
    encoder = fused(withheld=0.0, halved=0.6, dropout=0.0, blurred=0.0)
    graph = described(encoder)
    graph.text[2, 1] = torch.nan
    inputs: list[torch.Tensor] = []
    encoder.fusion.register_forward_pre_hook(lambda _, given: inputs.append(given[0].text))
    for _ in range(20):
        encoder.train()(graph)
    encoder.eval()(graph)
    whole = inputs[-1].isnan().any(2)
    lost = torch.stack([text.isnan().any(2) for text in inputs[:-1]]) & ~whole
    both = ~whole.any(1)
    assert not lost[:, ~both].any(), "never the only part"
    assert not lost[:, both].all(2).any(), "never both"
    shares = lost[:, both].float().mean((0, 1))
    assert ((shares > 0.2) & (shares < 0.4)).all(), "either part in half of the cases"
    assert torch.equal(whole, graph.text.isnan().any(2))


def test_in_training_some_components_of_text_are_dropped_and_in_evaluation_none() -> None:
    encoder = fused(withheld=0.0, dropout=0.0, blurred=0.5)
    encoder.graph.eval()
    graph = described(encoder)
    inputs: list[torch.Tensor] = []
    encoder.fusion.register_forward_pre_hook(lambda _, given: inputs.append(given[0].text))
    encoder.train().graph.eval()
    encoder(graph)
    encoder.eval()(graph)
    known = ~graph.text.isnan()
    blurred, whole = (text[known] for text in inputs)
    hidden = blurred == 0
    assert 0.4 < float(hidden.float().mean()) < 0.6
    torch.testing.assert_close(blurred[~hidden], 2 * whole[~hidden])


def test_text_vectors_are_added_to_the_graphs_of_a_corpus() -> None:
    encoder = fused()
    graph = described(encoder)
    with_text = TextBatcher(Batcher(replace(graph, text=None)), graph.text.numpy())
    rows = torch.tensor([4, 3, 9]).numpy()
    assert torch.equal(with_text.take(rows).text.nan_to_num(), graph.text[rows].nan_to_num())
    assert torch.equal(with_text.take(rows).numbers, Batcher(graph).take(rows).numbers)
    assert len(with_text) == len(CRYSTALS)


def test_a_contrast_finds_the_crystal_of_a_description() -> None:
    objective = Contrast(fused(withheld=0.0)).train()
    graph = described(objective.encoder)
    optimiser = torch.optim.Adam(objective.parameters(), lr=3e-3)
    first = float(objective(graph)["contrast"].detach())
    for _ in range(120):
        optimiser.zero_grad()
        objective(graph)["contrast"].backward()
        optimiser.step()
    g, t = objective.eval().encoder.pair(graph)
    nearest = torch.nn.functional.cosine_similarity(g[:, None], t[None], dim=2).argmax(1)
    right = [int(nearest[row]) == row for row in range(len(CRYSTALS)) if row not in {3, 5}]
    assert sum(right) >= len(right) - 1
    assert float(objective(graph)["contrast"].detach()) < first / 2


def test_crystals_without_a_description_or_with_that_of_another_are_left_out_of_the_contrast() -> None:
    objective = Contrast(fused(withheld=0.0)).eval()
    graph = described(objective.encoder)
    assert objective.sizes(graph) == {"contrast": len(CRYSTALS) - 1}
    text = graph.text.clone()
    text[7] = text[6]
    assert objective.sizes(replace(graph, text=text)) == {"contrast": len(CRYSTALS) - 2}
    alone = Batcher(graph).take(torch.tensor([1, 3]).numpy())
    assert float(objective(alone)["contrast"].detach()) == 0
    with pytest.raises(PlanError, match="reads no descriptions"):
        Contrast(ENCODERS.build({"name": "cgcnn"}))
    with pytest.raises(PlanError, match="have no descriptions"):
        objective(replace(graph, text=None))
