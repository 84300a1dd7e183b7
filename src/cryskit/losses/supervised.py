"""Supervised losses: one for each property, over the crystals that have a label for it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from cryskit.losses.classes import class_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.layers.heads import PropertyHeads
    from cryskit.types import Encoding, Graph

Loss = Literal["absolute", "squared", "huber"]
"""The loss of a label: "absolute" (as in the MAE), "squared" (CGCNN's) or "huber"."""

ClassWeights = Literal["balanced", "none"]
"""Weights of classes: "balanced" lets all classes weigh the same in sum, "none" all crystals."""

LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"absolute": l1_loss, "squared": mse_loss, "huber": huber_loss}
)


class Supervision(nn.Module):
    """L_p = weight_p * mean over known labels of loss((y - mean_p) / deviation_p, prediction), or of the cross entropy of classes.

    Args:
        heads: The property heads, with the scale of the training crystals (`PropertyHeads.fit_scale`).
        loss: The loss of a label.
        weights: Property name to the weight of its loss; 1 where absent.
        class_weights: ClassWeights of the classes of a property in its cross entropy (`losses.classes`).
    """

    def __init__(
        self,
        heads: PropertyHeads,
        loss: Loss = "absolute",
        weights: Mapping[str, float] | None = None,
        class_weights: ClassWeights = "balanced",
    ) -> None:
        super().__init__()
        self.heads = heads
        self._balanced = class_weights == "balanced"
        self._loss = LOSSES[loss]
        self._weights = {p.name: (weights or {}).get(p.name, 1.0) for p in heads.properties}

    def forward(self, encoding: Encoding, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted loss of each property, zero where the batch has no label for it.

        Args:
            encoding: What the encoder gives for the graph.
            graph: The batch with its targets.
        """
        return self.losses(self.heads.of(encoding, graph), graph.targets)

    def losses(
        self, predictions: Float[Tensor, "crystals outputs"], targets: Float[Tensor, "crystals properties"]
    ) -> dict[str, Tensor]:
        """Return the weighted loss of each property, zero where there is no label for it.

        Args:
            predictions: The standardised predictions and logits of the heads.
            targets: The targets, each in the unit of its property or the number of its class, NaN where unknown.
        """
        learned = self.heads.standardised(targets)
        known = ~learned.isnan()
        scalars = predictions[:, list(self.heads.first)]
        each = self._loss(scalars, torch.where(known, learned, scalars.detach()), reduction="none")
        if any(p.classes for p in self.heads.properties):
            each = self._with_classes(each, predictions, learned)
        means = each.sum(0) / known.sum(0).clamp_min(1)
        return {name: weight * mean for (name, weight), mean in zip(self._weights.items(), means, strict=True)}

    def _with_classes(
        self,
        each: Float[Tensor, "crystals properties"],
        predictions: Float[Tensor, "crystals outputs"],
        learned: Float[Tensor, "crystals properties"],
    ) -> Float[Tensor, "crystals properties"]:
        """Return losses with those of classes in their columns, zero where there is no label."""
        columns = list(each.unbind(1))
        for position, wanted in enumerate(self.heads.properties):
            if wanted.classes:
                labels, place = learned[:, position], self.heads.columns(position)
                frequencies = self.heads.mean[place]
                loss = class_loss(
                    predictions[:, place], labels.nan_to_num(0.0), frequencies, wanted, balanced=self._balanced
                )
                columns[position] = torch.where(labels.isnan(), torch.zeros_like(loss), loss)
        return torch.stack(columns, dim=1)

    def sizes(self, targets: Float[Tensor, "crystals properties"]) -> dict[str, int]:
        """Return how many labels each loss is the mean of, so that batches can be averaged."""
        known = (~self.heads.standardised(targets).isnan()).sum(0)
        return dict(zip(self._weights, known.tolist(), strict=True))


def penalties(module: nn.Module) -> dict[str, Tensor]:
    """Return the loss "selector", the sum over all modules that have a `penalty()`; empty where there is none."""
    penalised: list[Any] = [part for part in module.modules() if hasattr(part, "penalty")]
    return {"selector": torch.stack([part.penalty() for part in penalised]).sum()} if penalised else {}
