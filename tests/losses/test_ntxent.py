"""The contrast is the published sum over pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cryskit.losses.ntxent import NTXent


def plainly(vectors: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = np.exp(unit @ unit.T / temperature)
    losses = []
    for i, own in enumerate(labels):
        others = sum(similar[i, k] for k, label in enumerate(labels) if label != own)
        losses += [
            -np.log(similar[i, j] / (similar[i, j] + others))
            for j, label in enumerate(labels)
            if label == own and j != i
        ]
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 0], [0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5], [3, 3, 3, 3, 3, 3]])
def test_it_is_the_sum_over_pairs(labels: list[int]) -> None:
    vectors = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = NTXent(0.3)(vectors, torch.tensor(labels))
    assert float(loss.detach()) == pytest.approx(plainly(vectors.detach().numpy(), np.array(labels), 0.3), abs=1e-5)
    loss.backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_it_falls_as_groups_separate() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    mixed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]])
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    loss = NTXent()
    assert float(loss(apart, labels)) < 0.01
    assert float(loss(mixed, labels)) > 1.0
