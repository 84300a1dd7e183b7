"""Pre-training, timed against CrysAE as its authors' program does it (doi 10.1038/s41524-022-00716-8).

The reference loops over the crystals of a batch, lays the vectors of all N^2 pairs of atoms side by side and applies a
bilinear layer and one more linear map to them: the connectivity and node-feature losses weighted 0.9 to 0.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, nll_loss

from benchmarks.speed import reference
from benchmarks.speed.clock import REFERENCE
from benchmarks.speed.stages import FULL, OURS, Workload, batches
from cryskit.batching import Batcher
from cryskit.encoders.cgcnn import CGCNN
from cryskit.objectives.crysae import CrysAE

if TYPE_CHECKING:
    from collections.abc import Callable

_TARGET = 8.0
_RATE = 3e-3
_CLASS_WEIGHTS = torch.tensor([0.1, 1, 1, 1, 1, 1])


class Reference(nn.Module):
    """The authors' auto-encoder: three convolutions, a linear and a bilinear decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.network = reference.Network()
        self.features = nn.Linear(64, 92)
        self.pairs = nn.Bilinear(64, 64, 6)
        self.classes = nn.Linear(6, 6)

    def forward(self, batch: reference.Batch, counts: list[Tensor]) -> Tensor:
        """Return the loss of a batch: crystal by crystal."""
        tensors = batch.tensors
        atoms = self.network.embedding(tensors.features)
        for convolution in self.network.convs:
            atoms = convolution(atoms, tensors.bonds, tensors.neighbours)
        total = atoms.new_zeros(())
        for rows, count in zip(batch.rows, counts, strict=True):
            own, n = atoms[rows], len(rows)
            left = own[:, None].expand(n, n, 64).reshape(n * n, 64)
            right = own[None].expand(n, n, 64).reshape(n * n, 64)
            scores = log_softmax(self.classes(self.pairs(left, right)), dim=1)
            connectivity = nll_loss(scores, count.reshape(-1), weight=_CLASS_WEIGHTS)
            bits = binary_cross_entropy_with_logits(self.features(own), tensors.features[rows])
            total = total + 0.9 * connectivity + 0.1 * bits
        return total / len(counts)


def pretraining_stage(load: Workload) -> list[dict[str, Any]]:
    """An epoch of CrysAE in batches of 256: batch, forward, loss, backward, AdamW; equal width and depth."""
    contenders = {
        REFERENCE: _reference(load),
        OURS: _ours(load, preset="masked"),
        "code preset": _ours(load, preset="code", reduce=True),
        "paper preset": _ours(load, preset="paper", reduce=True),
        FULL: _ours(load, preset="code"),
    }
    return load.timed("pre-training", len(load.crystals), contenders, _TARGET)


def _counts(tensors: reference.Tensors) -> Tensor:
    """Return how often atom j is among the neighbours of atom i, at most 5, (N, N)."""
    atoms = len(tensors.features)
    counts = torch.zeros(atoms, atoms, dtype=torch.int64)
    counts.index_put_(
        (torch.arange(atoms)[:, None].expand_as(tensors.neighbours), tensors.neighbours),
        torch.ones_like(tensors.neighbours),
        accumulate=True,
    )
    return counts.clamp_max(5)


def _reference(load: Workload) -> Callable[[], None]:
    network = Reference()
    counts = [_counts(tensors) for tensors in load.tensors]
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)

    def run() -> None:
        network.train()
        for rows in batches(load):
            optimiser.zero_grad()
            batch = reference.collate([load.tensors[row] for row in rows], [0.0] * len(rows))
            network(batch, [counts[row] for row in rows]).backward()
            optimiser.step()

    return run


def _ours(load: Workload, **settings: Any) -> Callable[[], None]:
    objective = CrysAE(CGCNN(width=64, layers=3), **settings)
    batcher = Batcher(load.graph(objective.needs))
    optimiser = torch.optim.Adam(objective.parameters(), lr=_RATE)

    def run() -> None:
        objective.train()
        for rows in batches(load):
            optimiser.zero_grad()
            torch.stack(list(objective(batcher.take(rows)).values())).sum().backward()
            optimiser.step()

    return run
