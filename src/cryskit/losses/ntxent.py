"""Contrastive loss over labelled vectors: those of one label near one another, the others apart (NT-Xent)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus


class NTXent(nn.Module):
    """Normalised, temperature-scaled cross-entropy over labelled vectors (doi 10.48550/arXiv.2002.05709).

        L = mean over i, j of one label of -log[ exp(s_ij / tau) / (exp(s_ij / tau) + sum_k exp(s_ik / tau)) ]

    s is the cosine; k runs over the vectors of other labels than i's.

    Args:
        temperature: The temperature tau, by which cosines are divided.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, vectors: Float[Tensor, "crystals width"], labels: Int[Tensor, " crystals"]) -> Float[Tensor, ""]:
        """Return the loss; 0 where no two vectors have the same label."""
        unit = normalize(vectors, dim=1)
        logits = unit @ unit.T / self.temperature
        alike = labels[:, None] == labels
        others = logits.masked_fill(alike, -torch.inf).logsumexp(1, keepdim=True)
        alike = alike & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        each = softplus(others.clamp_min(torch.finfo(logits.dtype).min) - logits)
        return torch.where(alike, each, 0).sum() / alike.sum().clamp_min(1)
