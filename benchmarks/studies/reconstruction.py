"""How well crystals are rebuilt: CrysAE as its authors trained it, and yard-sticks that need no network.

    python -m benchmarks.studies.reconstruction --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0-80.json

Trains CGCNN (64 x 3) with the preset "code" (nothing hidden, full cells) on the training crystals of a split and judges it on the
validation crystals. The losses are those of the paper's program, without weights: binary cross-entropy of the 92 element features, and
weighted negative log-likelihood of the connectivity classes, each the mean over crystals.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import binary_cross_entropy, cross_entropy

from benchmarks.speed import machine
from cryskit import elements
from cryskit.atomic_write import write_json
from cryskit.batching import Batcher
from cryskit.cli.memory import keep_pages
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.graphs.build import build
from cryskit.layers.pool import mean_pool
from cryskit.losses.atom_pairs import pairs
from cryskit.losses.reconstruction import CLASSES
from cryskit.objectives.crysae import CrysAE
from cryskit.registry import ENCODERS
from cryskit.training.fit import fit
from cryskit.training.identity import Identity, flat
from cryskit.training.plan import Optimisation
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryskit.types import Graph

_ENCODER = {"name": "cgcnn", "width": 64, "layers": 3}
_PUBLISHED = {
    "marginal_bits": 0.2607,
    "bits_of_the_crystal": 0.1385,
    "authors_bits": 0.0957,
    "authors_connectivity": 0.663,
}
_RARITY = torch.tensor([0.1, *[1.0] * (CLASSES - 1)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, judge and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path("runs/reconstruction"))
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    keep_pages()
    torch.set_num_threads(1)
    crystals = [item for item in read(asked.data) if isinstance(item, Crystal)]
    split = Split.load(asked.split)
    parts = split.divide(crystals)[:2]
    optimisation = Optimisation(epochs=asked.epochs, edges=16_000, rate=0.003)
    torch.manual_seed(optimisation.seed)
    objective = CrysAE(ENCODERS.build(_ENCODER), preset="code")
    training, validation = (build(part, objective.needs, cache=asked.folder / "graphs") for part in parts)
    identity = Identity(flat({"split": split.hash, "optimisation": optimisation.model_dump()}))
    epoch = fit(objective, training, validation, optimisation, asked.folder, identity=identity)
    found = judged(objective, validation)
    card = {
        "title": "Reconstruction by CrysAE",
        **machine.facts(1),
        "data": {"file": Path(asked.data).name, "manifest": manifest(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash},
        "rows": {"training": training.crystals, "validation": validation.crystals},
        "encoder": _ENCODER,
        "optimisation": optimisation.model_dump(mode="json"),
        "epoch": epoch,
        "losses": [
            {"of": "bits, CrysAE code preset", "validation": found["bits"], "published": _PUBLISHED["authors_bits"]},
            {
                "of": "connectivity, CrysAE code preset",
                "validation": found["connectivity"],
                "published": _PUBLISHED["authors_connectivity"],
            },
            {
                "of": "bits, frequencies of the training crystals",
                "validation": marginal_bits(training, validation),
                "published": _PUBLISHED["marginal_bits"],
            },
            {
                "of": "bits, frequencies within the crystal",
                "validation": bits_of_the_crystal(validation),
                "published": _PUBLISHED["bits_of_the_crystal"],
            },
            {
                "of": "connectivity, class frequencies of the training crystals",
                "validation": marginal_classes(training, validation),
                "published": None,
            },
        ],
    }
    write_json(card, asked.out / "reconstruction.json")
    for line in card["losses"]:
        print(line)


@torch.inference_mode()
def judged(objective: CrysAE, graph: Graph) -> dict[str, float]:
    """Return the losses of an objective without their weights."""
    batcher = Batcher(graph)
    sums = dict.fromkeys(objective.weights, 0.0)
    for rows in batcher.batches(50_000):
        for name, loss in objective.eval()(batcher.take(rows)).items():
            sums[name] += float(loss) * len(rows) / objective.weights[name]
    return {name: round(total / graph.crystals, 4) for name, total in sums.items()}


def marginal_bits(training: Graph, validation: Graph) -> float:
    """Return the loss of the bits if each is given its frequency among the atoms of the training crystals."""
    frequency = _table()[training.numbers].mean(0)
    return _bits(frequency.expand(validation.atoms, -1), validation)


def bits_of_the_crystal(graph: Graph) -> float:
    """Return the loss of the bits if each is given its frequency among the atoms of the same crystal."""
    own = mean_pool(_table()[graph.numbers], graph)
    return _bits(own[graph.crystal_of_atom], graph)


def marginal_classes(training: Graph, validation: Graph) -> float:
    """Return the loss of the connectivity if each class is given its weighted frequency among the training pairs."""
    frequency = sum((weights.sum(0) for _, weights in _classes(training)), torch.zeros(CLASSES))
    score = frequency.clamp_min(1e-9).log()
    means = [_mean(weights, score) for _, weights in _classes(validation)]
    return round(float(torch.cat(means).mean()), 4)


def _mean(weights: Tensor, score: Tensor) -> Tensor:
    losses = cross_entropy(score.expand(CLASSES, -1), torch.arange(CLASSES), reduction="none")
    return (weights * losses).sum(1) / weights.sum(1)


def _classes(graph: Graph) -> Any:
    """Return, batch by batch and group by group, the weight of each class in each crystal."""
    batcher = Batcher(graph)
    for rows in batcher.batches(100_000):
        batch = batcher.take(rows)
        for group in pairs(batch):
            target = group.count(torch.zeros(batch.edges.shape[1], dtype=torch.int64), 1)[..., 0].clamp_max(CLASSES - 1)
            real = group.weights(batch.multiplicity)
            each = [(real * (target == number)).sum((1, 2)) for number in range(CLASSES)]
            yield group, torch.stack(each, dim=1) * _RARITY


def _bits(chances: Tensor, graph: Graph) -> float:
    each = binary_cross_entropy(chances.clamp(1e-7, 1 - 1e-7), _table()[graph.numbers], reduction="none")
    return round(float(mean_pool(each.mean(1, keepdim=True), graph).mean()), 4)


def _table() -> Tensor:
    return torch.tensor(elements.features(), dtype=torch.float32)


if __name__ == "__main__":
    main()
