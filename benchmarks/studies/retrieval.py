"""How often a description finds its own crystal, a crystal its own description, and a phrase crystals that it is true of, among 1,000.

    python -m benchmarks.studies.retrieval --model cryskit-search --data runs/words/mp-small.parquet \
        --split benchmarks/splits/mp-small-0-80.json --text runs/words/mp-small-texts.parquet

The crystals are those of the test part; where it has fewer than 1,000, validation crystals, which chose the epoch, fill it up. More
tables of descriptions (`benchmarks/studies/description_controls.py`) say how much hangs on what they leave out: the model is the same. A description that
several crystals share is found with any of them. Phrases are as people type them, "cubic oxide" or "spinel": of those that are true of at least
ten of the crystals the share of true ones among the first ten is given, beside that among all.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pymatgen.core import Element
from torch.nn.functional import normalize

from benchmarks.speed import machine
from benchmarks.studies.phrases import KINDS
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.symmetry import SYSTEMS, space_group
from cryskit.text.table import read_texts
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryskit.predict.predictor import Predictor

AMONG = 1000
_AT = (1, 10)
STRUCTURES = (
    "perovskite",
    "rock salt",
    "spinel",
    "heusler",
    "fluorite",
    "zincblende",
    "half-heusler",
    "elpasolite",
    "caesium chloride",
)
"""Structure types in phrases; a crystal is of one whose name its own description has."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Search and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, nargs="+")
    parser.add_argument("--cache", type=Path, help="folder where the vectors of texts are kept")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    crystals = [item for item in read(asked.data) if isinstance(item, Crystal)]
    split = Split.load(asked.split)
    _, validation, test, *_ = split.divide(crystals)
    chosen = [*test, *validation][:AMONG]
    predictor = load(asked.model, asked.cache)
    card = {
        "title": "Crystals found by their descriptions",
        **machine.facts(1),
        "data": {"file": asked.data.name, "manifest": manifest(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash},
        "model": {
            "digest": digest(path_of(asked.model)),
            "encoder": predictor.card.encoder,
            "text": predictor.card.text,
        },
        "rows": {"test": min(len(test), AMONG), "validation": len(chosen) - min(len(test), AMONG)},
        "recall": {table.stem: recall(predictor, chosen, read_texts(table)) for table in asked.text},
        "phrases": phrases(predictor, chosen, read_texts(asked.text[0])),
    }
    print(card["recall"], card["phrases"])
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


def phrases(predictor: Predictor, crystals: Sequence[Crystal], texts: dict[str, str]) -> dict[str, Any]:
    """Return how many of the first ten crystals phrases are true of, by kind of phrase.

    Args:
        predictor: Model that a contrast has trained.
        crystals: Crystals among which is searched.
        texts: Crystal id to description, which names the structure type.
    """
    systems = np.array([SYSTEMS[space_group(crystal)[1]] for crystal in crystals])
    elements = {kind: _has(crystals, symbol) for symbol, kind in KINDS.items()}
    named = {name: np.array([name in texts[c.id].split("\n")[0].lower() for c in crystals]) for name in STRUCTURES}
    layered = np.array(["two-dimensional" in texts[c.id].split("\n")[0] for c in crystals])
    both = {f"{s} {kind}": (systems == s) & has for s in SYSTEMS for kind, has in elements.items()}
    flat = {f"layered {kind}": layered & has for kind, has in elements.items()}
    graphs = normalize(_of_graphs(predictor, crystals))
    return {
        "crystal system and anion": _true_of(predictor, graphs, both),
        "layers and anion": _true_of(predictor, graphs, flat),
        "anion": _true_of(predictor, graphs, elements),
        "structure type": _true_of(predictor, graphs, named),
    }


def _has(crystals: Sequence[Crystal], symbol: str) -> np.ndarray:
    return np.array([Element(symbol).Z in crystal.numbers for crystal in crystals])


def _true_of(predictor: Predictor, graphs: Tensor, truths: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the mean share of the crystals that a phrase is true of, among the first ten and among all."""
    asked = {words: truth for words, truth in truths.items() if truth.sum() >= _AT[-1]}
    first = (normalize(_project_text(predictor, list(asked))) @ graphs.T).topk(_AT[-1], dim=1).indices.numpy()
    right = {words: float(truth[rows].mean()) for (words, truth), rows in zip(asked.items(), first, strict=True)}
    return {
        "phrases": len(asked),
        "among the first 10": round(float(np.mean(list(right.values()))), 3),
        "among all": round(float(np.mean([truth.mean() for truth in asked.values()])), 3),
        "each": right,
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
