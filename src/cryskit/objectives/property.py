"""Supervised learning of any number of properties, with labels missing where they may."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, l1_loss, mse_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.layers.heads import PropertyHeads
    from cryskit.types import Graph

_LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"absolute": l1_loss, "squared": mse_loss, "huber": huber_loss}
)


class PropertyObjective(nn.Module):
    """The mean loss of each property over the crystals that have a label for it.

    L_p = weight_p * mean over known labels of loss((y - mean_p) / deviation_p, prediction)

    In training there is the loss "selector" besides: the sum over all modules that have a `penalty()`.

    Args:
        encoder: Any encoder.
        heads: Its scale is that of the training rows (`PropertyHeads.fit_scale`).
        loss: "absolute" (what the MAE asks for), "squared" (CGCNN's) or "huber".
        weights: Property name to weight; 1 where absent.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: PropertyHeads,
        loss: Literal["absolute", "squared", "huber"] = "absolute",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = heads
        self.needs = encoder.needs
        self._loss = _LOSSES[loss]
        self._weights = {p.name: (weights or {}).get(p.name, 1.0) for p in heads.properties}

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted loss of each property, zero where the batch has no label for it, and in training penalties."""
        predictions = self.heads(self.encoder(graph).crystals)
        targets = self.heads.standardised(graph.targets)
        known = ~targets.isnan()
        each = self._loss(predictions, torch.where(known, targets, predictions.detach()), reduction="none")
        means = each.sum(0) / known.sum(0).clamp_min(1)
        losses = {name: weight * mean for (name, weight), mean in zip(self._weights.items(), means, strict=True)}
        penalties = self._penalties() if self.training else []
        return losses | {"selector": torch.stack(penalties).sum()} if penalties else losses

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return how many labels each loss is the mean of, so that batches can be averaged."""
        known = (~self.heads.standardised(graph.targets).isnan()).sum(0)
        return dict(zip(self._weights, known.tolist(), strict=True))

    def _penalties(self) -> list[Tensor]:
        penalised: list[Any] = [module for module in self.modules() if hasattr(module, "penalty")]
        return [module.penalty() for module in penalised]
