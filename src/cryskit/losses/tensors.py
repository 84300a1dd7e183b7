"""Losses of tensors, and of numbers that follow from them, over the crystals that have a label for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cryskit.layers.tensor_outputs import TensorOutputs
from cryskit.losses.supervised import LOSSES, ClassWeights, Loss, Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.heads import PropertyHeads
    from cryskit.types import Encoding, Graph


class TensorSupervision(nn.Module):
    """L_p = weight_p * mean over known labels of the distance between label and prediction.

    Of a tensor it is the Frobenius norm of the difference of what is learned (the logarithms of elastic and dielectric tensors) over
    its root mean square in the training rows, |H - H*| / s; "squared" and "huber" are functions of this number. Of a scalar that follows
    from a tensor it is the difference of its value, or decimal logarithm, over the standard deviation in the training rows.

    Args:
        heads: The tensor heads, with the scale of the training crystals.
        loss: The loss of a label.
        weights: Property name to the weight of its loss; 1 where absent.
    """

    def __init__(
        self, heads: TensorOutputs, loss: Loss = "absolute", weights: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self._loss = LOSSES[loss]
        self._weights = {p.name: (weights or {}).get(p.name, 1.0) for p in heads.properties}

    def forward(self, encoding: Encoding, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted loss of each property, zero where the batch has no label for it.

        Args:
            encoding: What the encoder gives for the graph.
            graph: The batch with its targets.
        """
        learned = self.heads.of(encoding, graph)
        distances = self.heads.distances(learned, graph.targets)
        losses = {}
        for name, weight in self._weights.items():
            distance = distances[name]
            known = ~distance.isnan()
            each = self._loss(torch.where(known, distance, 0.0), torch.zeros_like(distance), reduction="none")
            losses[name] = weight * each.sum() / known.sum().clamp_min(1)
        return losses

    def sizes(self, targets: Tensor) -> dict[str, int]:
        """Return how many labels each loss is the mean of, so that batches can be averaged."""
        return {name: int((~part.isnan()).all(1).sum()) for name, part in self.heads.by_property(targets).items()}


def supervision_of(
    heads: PropertyHeads | TensorOutputs, loss: Loss, weights: Mapping[str, float] | None, class_weights: ClassWeights
) -> Supervision | TensorSupervision:
    """Return the losses that fit a kind of heads.

    Args:
        heads: The heads, with the scale of the training crystals.
        loss: The loss of a label.
        weights: Property name to the weight of its loss; 1 where absent.
        class_weights: ClassWeights of the classes of a property.
    """
    if isinstance(heads, TensorOutputs):
        return TensorSupervision(heads, loss, weights)
    return Supervision(heads, loss, weights, class_weights)
