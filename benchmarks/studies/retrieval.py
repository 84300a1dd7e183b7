"""How often a description finds its own crystal, and a crystal its own description, among 1,000.

    cryskit pretrain contrast --data runs/words/mp-small.parquet --split benchmarks/splits/mp-small-0-80.json \
        --text runs/words/mp-small-texts.parquet --config benchmarks/plans/training/contrast-steinhardt.yaml --out runs/words/contrast-steinhardt.safetensors
    python -m benchmarks.studies.retrieval --model runs/words/contrast-steinhardt.safetensors --data runs/words/mp-small.parquet \
        --split benchmarks/splits/mp-small-0-80.json --text runs/words/mp-small-texts.parquet

The crystals are those of the test part; where it has fewer than 1,000, validation crystals, which chose the epoch, fill it up. More
tables of descriptions (`benchmarks/studies/description_controls.py`) say how much hangs on what they leave out: the model is the same. A description that
several crystals share is found with any of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.text.table import read_texts
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryskit.predict.predictor import Predictor

AMONG = 1000
_AT = (1, 10)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, nargs="+")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    crystals = [item for item in read(asked.data) if isinstance(item, Crystal)]
    split = Split.load(asked.split)
    _, validation, test, *_ = split.divide(crystals)
    chosen = [*test, *validation][:AMONG]
    predictor = load(asked.model, asked.model.parent)
    card = {
        "title": "Crystals found by their descriptions",
        **machine.facts(1),
        "data": {"file": asked.data.name, "manifest": manifest(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash},
        "model": {"digest": digest(asked.model), "encoder": predictor.card.encoder, "text": predictor.card.text},
        "rows": {"test": min(len(test), AMONG), "validation": len(chosen) - min(len(test), AMONG)},
        "recall": {table.stem: recall(predictor, chosen, read_texts(table)) for table in asked.text},
    }
    print(card["recall"])
    write_json(card, asked.out / "retrieval.json")


def recall(predictor: Predictor, crystals: Sequence[Crystal], texts: dict[str, str]) -> dict[str, Any]:
    """Return the share of right answers among the first 1 and 10, both ways, and how many descriptions there are.

    Args:
        predictor: Model that a contrast has trained.
        crystals: Crystals among which is searched.
        texts: Crystal id to description.
    """
    words = [texts[crystal.id] for crystal in crystals]
    similar = normalize(_project_text(predictor, words)) @ normalize(_of_graphs(predictor, crystals)).T
    kinds = np.unique(words, return_inverse=True)[1]
    same = torch.from_numpy(kinds[:, None] == kinds)
    return {
        "descriptions": len(set(words)),
        "crystal by words": {f"at {most}": _share(similar, same, most) for most in _AT},
        "words by crystal": {f"at {most}": _share(similar.T, same.T, most) for most in _AT},
    }


def _share(similar: Tensor, same: Tensor, most: int) -> float:
    """Return for which share of the rows something that is the same is among the most similar."""
    nearest = similar.topk(most, dim=1).indices
    return round(float(same.gather(1, nearest).any(1).float().mean()), 4)


def _project_text(predictor: Predictor, words: Sequence[str]) -> Tensor:
    encoder: Any = predictor.encoder
    with torch.inference_mode():
        found: Tensor = encoder.project_text(torch.from_numpy(predictor.text_input.vectors(words)))
    return found


def _of_graphs(predictor: Predictor, crystals: Sequence[Crystal]) -> Tensor:
    encoder: Any = predictor.encoder
    rows = predictor.read_out(crystals, lambda graph: encoder.of_graph(encoder.graph(graph).crystals))
    return torch.stack([torch.from_numpy(vector) for _, vector, _ in rows])


if __name__ == "__main__":
    main()
