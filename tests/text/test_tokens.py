"""A language model that is trained with the rest begins as the frozen one, is changed by training, and travels in the model file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cryskit.data.read import read
from cryskit.data.splits import make
from cryskit.graphs.build import build
from cryskit.predict.load import load
from cryskit.registry import ENCODERS
from cryskit.text.attach import with_text
from cryskit.text.embed import embedder
from cryskit.training.plan import Plan
from cryskit.training.train import train
from cryskit.types import Crystal

CRYSTALS = [
    replace(c, text=f"{c.id} has {len(c)} atoms\nof {len(set(c.numbers.tolist()))} kinds", targets={"x": float(len(c))})
    for c in read(Path(__file__).parents[2] / "examples")
    if isinstance(c, Crystal)
]


def config(folder: Path, **settings: Any) -> dict[str, Any]:
    graph = {"name": "cgcnn", "width": 8, "layers": 1}
    return {"name": "fused", "graph": graph, "text": str(folder), "text_width": 16, "projected": 8, **settings}


def test_it_begins_as_the_frozen_one(small: Path) -> None:
    tuned = ENCODERS.build(config(small, tuned=0.1)).eval()
    frozen = ENCODERS.build(config(small)).eval()
    frozen.load_state_dict({k: v for k, v in tuned.state_dict().items() if not k.startswith("reader.")})
    texts = [c.text for c in CRYSTALS[:4]] + [None, "Only the whole is described."]
    crystals = CRYSTALS[: len(texts)]
    by_tokens, by_vectors = (
        encoder(with_text(build(crystals, encoder.needs), texts, embedder(encoder.needs.text))).crystals
        for encoder in (tuned, frozen)
    )
    torch.testing.assert_close(by_tokens, by_vectors)
    silent = build(crystals, tuned.needs)
    torch.testing.assert_close(tuned(silent).crystals, frozen(silent).crystals)


def test_training_changes_it_slowly_and_the_file_holds_it(small: Path, tmp_path: Path) -> None:
    plan = Plan.make(
        {
            "properties": ["x"],
            "encoder": config(small, tuned=0.05),
            "optimisation": {"epochs": 2, "edges": 400, "weight_decay": 0.0, "averaging": 0.0},
        }
    )
    before = embedder(str(small)).module().state_dict()
    card = train(plan, CRYSTALS, make(CRYSTALS, seed=0), tmp_path / "m.safetensors", tmp_path / "run")
    assert card.text["name"] == "tokens:small-0"
    predictor = load(tmp_path / "m.safetensors")
    after = predictor.encoder.reader.state_dict()
    moved = max(float((after[name] - before[name]).abs().max()) for name in before)
    steps = max(1, len(CRYSTALS))  # more than there were
    assert 0 < moved <= 0.05 * plan.optimisation.rate * 2 * steps
    assert predictor.predict(CRYSTALS)["x"].notna().all()


def test_tokens_are_no_vectors(small: Path) -> None:
    tokens, vectors = embedder(f"tokens:{small}"), embedder(str(small))
    assert tokens.hash != vectors.hash
    rows = tokens.encode(["NaCl", "a much longer text than may be read at once"])
    assert rows.shape == (2, tokens.width)
    assert (rows[0] >= 0).sum() == len("NaCl") + 2
    assert (rows[1] >= 0).all()
    with pytest.raises(Exception, match="pooling"):
        embedder(f"tokens:{small}", pooling="most")
