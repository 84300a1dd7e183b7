"""Train the small network that tells where the errors of a model are large, on the errors at its training crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryskit.reliability.error_head import ErrorHead
from cryskit.training.fit import seeded

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_PASSES, _BATCH, _RATE, _DECAY = 12, 256, 3e-3, 0.1
_TINY = 1e-3  # of a standard deviation of labels: an error below this is as good as none


def fit_error_head(
    vectors: Float[Tensor, "crystals width"],
    predictions: Float[Tensor, "crystals properties"],
    counts: Float[Tensor, "crystals elements"],
    errors: Float[Tensor, "crystals properties"],
    seed: int = 0,
) -> ErrorHead:
    """Return a network that minimises the absolute difference of logarithms of errors.

    Args:
        vectors: The vectors of training crystals.
        predictions: What the model predicts for them, standardised.
        counts: Number of atoms of each element (`groups.element_counts`).
        errors: Sizes of the errors there, standardised; NaN where there is no label.
        seed: Seed of weights and order.
    """
    wanted = (errors + _TINY).log()
    known = wanted.isfinite()
    wanted = wanted.nan_to_num()
    with seeded(seed):
        head = ErrorHead(vectors.shape[1], errors.shape[1])
        head.centre.copy_(vectors.mean(0))
        head.spread.copy_(vectors.std(0).nan_to_num().clamp_min(1e-6))
        with torch.no_grad():
            head.last.bias.copy_(wanted.sum(0) / known.sum(0).clamp_min(1))
        batches = max(1, len(vectors) // _BATCH)
        optimiser = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_PASSES * batches + 1)
        for _ in range(_PASSES):
            for rows in torch.randperm(len(vectors)).tensor_split(batches):
                differences = (head(vectors[rows], predictions[rows], counts[rows]) - wanted[rows]).abs()
                optimiser.zero_grad()
                (differences * known[rows]).sum().div(known[rows].sum().clamp_min(1)).backward()
                optimiser.step()
                schedule.step()
    return head.requires_grad_(requires_grad=False)
