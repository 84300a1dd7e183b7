"""Supervised losses: one for each property, over the crystals that have a label for it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import huber_loss, l1_loss, mse_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.layers.heads import PropertyHeads

Loss = Literal["absolute", "squared", "huber"]
"""The loss of a label: "absolute" (as in the MAE), "squared" (CGCNN's) or "huber"."""

_LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"absolute": l1_loss, "squared": mse_loss, "huber": huber_loss}
)


class Supervision(nn.Module):
    """L_p = weight_p * mean over known labels of loss((y - mean_p) / deviation_p, prediction).

    Args:
        heads: The property heads, with the scale of the training crystals (`PropertyHeads.fit_scale`).
        loss: The loss of a label.
        weights: Property name to the weight of its loss; 1 where absent.
    """

    def __init__(
        self, heads: PropertyHeads, loss: Loss = "absolute", weights: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self._loss = _LOSSES[loss]
        self._weights = {p.name: (weights or {}).get(p.name, 1.0) for p in heads.properties}

    def forward(
        self, crystals: Float[Tensor, "crystals width"], targets: Float[Tensor, "crystals properties"]
    ) -> dict[str, Tensor]:
        """Return the weighted loss of each property, zero where the batch has no label for it."""
        predictions = self.heads(crystals)
        learned = self.heads.standardised(targets)
        known = ~learned.isnan()
        each = self._loss(predictions, torch.where(known, learned, predictions.detach()), reduction="none")
        means = each.sum(0) / known.sum(0).clamp_min(1)
        return {name: weight * mean for (name, weight), mean in zip(self._weights.items(), means, strict=True)}

    def sizes(self, targets: Float[Tensor, "crystals properties"]) -> dict[str, int]:
        """Return how many labels each loss is the mean of, so that batches can be averaged."""
        known = (~self.heads.standardised(targets).isnan()).sum(0)
        return dict(zip(self._weights, known.tolist(), strict=True))


def penalties(module: nn.Module) -> dict[str, Tensor]:
    """Return the loss "selector", the sum over all modules that have a `penalty()`; empty where there is none."""
    penalised: list[Any] = [part for part in module.modules() if hasattr(part, "penalty")]
    return {"selector": torch.stack([part.penalty() for part in penalised]).sum()} if penalised else {}
