"""A small network that tells crystals that did not train a model from crystals that cannot be.

    s = mean_k [w_k . GELU(A_k x + b_k) + c_k]

x are the standardised features of a crystal. Each of the K members learns from all crystals but those of its fold, so that the
scores of crystals in their own fold are those of crystals never seen: of them the thresholds are quantiles.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu

FOLDS = 4
"""Members, and parts in which the crystals are divided."""

_BATCH, _RATE, _DECAY, _DROPOUT = 256, 3e-3, 0.05, 0.2
_PASSES, _FEWEST, _MOST = 30, 200, 800  # passes over the crystals, and steps at least and at most
_LARGEST = 6.0  # standardised features count no more than this


class Classifier(nn.Module):
    """Log-odds that a crystal is a real one.

    Args:
        features: Number of features.
        hidden: Hidden units of each member.
    """

    centre: Tensor
    scale: Tensor
    first: Tensor
    bias: Tensor
    last: Tensor
    offset: Tensor

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("first", torch.zeros(FOLDS, features, hidden, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(FOLDS, hidden))
        self.register_buffer("last", torch.zeros(FOLDS, hidden))
        self.register_buffer("offset", torch.zeros(FOLDS))

    def forward(self, features: Tensor) -> Tensor:
        """Return the log-odds, (B,).

        Args:
            features: (B, F) features of crystals.
        """
        return self._members(features).mean(0)

    def fit(self, features: Tensor, real: Tensor, fold: Tensor, seed: int) -> Tensor:
        """Learn, and return the log-odds of each crystal by the member that has not seen it, (B,).

        Args:
            features: (B, F) features of crystals, real and corrupted.
            real: (B,) which are real.
            fold: (B,) the fold of each, 0 to `FOLDS` - 1, the same for a crystal and what was made of it.
            seed: Seed of the random numbers.
        """
        middle = features[real].median(0).values
        self.centre.copy_(middle)
        self.scale.copy_(features[real].std(0) + 0.1 * features.std(0) + 1e-6)
        chance = torch.Generator().manual_seed(seed)
        rows = [torch.nonzero(fold != member)[:, 0] for member in range(FOLDS)]
        balance = (~real).sum() / real.sum().clamp(min=1)
        weights = [t.requires_grad_() for t in self._start(chance)]
        steps = min(max(_PASSES * len(features) // _BATCH, _FEWEST), _MOST)
        optimiser = torch.optim.AdamW(weights, lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
        inputs, wanted = self._standard(features), real.to(features)
        for _ in range(steps):
            batch = torch.stack([each[torch.randint(len(each), (_BATCH,), generator=chance)] for each in rows])
            hidden = gelu(_dropped(inputs[batch], chance) @ weights[0] + weights[1][:, None])
            logit = (_dropped(hidden, chance) * weights[2][:, None]).sum(-1) + weights[3][:, None]
            loss = FOLDS * binary_cross_entropy_with_logits(logit, wanted[batch], pos_weight=balance)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        for buffer, found in zip((self.first, self.bias, self.last, self.offset), weights, strict=True):
            buffer.copy_(found.detach())
        return self._members(features)[fold, torch.arange(len(fold))]

    def _standard(self, features: Tensor) -> Tensor:
        return _LARGEST * torch.tanh((features - self.centre) / self.scale / _LARGEST)

    def _members(self, features: Tensor) -> Tensor:
        """Return the log-odds by each member, (FOLDS, B)."""
        hidden = gelu(self._standard(features) @ self.first.float() + self.bias[:, None])
        return (hidden * self.last[:, None]).sum(-1) + self.offset[:, None]

    def _start(self, chance: torch.Generator) -> list[Tensor]:
        """Return the weights before the first step: random ones, and biases of zero."""
        first, last = (torch.randn(t.shape, generator=chance) / t.shape[1] ** 0.5 for t in (self.first, self.last))
        return [first, torch.zeros_like(self.bias), last, torch.zeros_like(self.offset)]


def _dropped(values: Tensor, chance: torch.Generator) -> Tensor:
    """Return values of which a share is zero and the others are larger in proportion."""
    kept = torch.rand(values.shape, generator=chance) >= _DROPOUT
    return values * kept / (1 - _DROPOUT)
