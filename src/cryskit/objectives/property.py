"""Supervised learning of any number of properties, with labels missing where they may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from cryskit.losses.supervised import Loss, Supervision, penalties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.heads import PropertyHeads
    from cryskit.types import Graph


class PropertyObjective(nn.Module):
    """The mean loss of each property over the crystals that have a label for it (`losses.supervised`).

    In training there is the loss "selector" besides: the sum over all modules that have a `penalty()`.

    Args:
        encoder: Any encoder.
        heads: Its scale is that of the training rows (`PropertyHeads.fit_scale`).
        loss: Of a label: "absolute", "squared" or "huber".
        weights: Property name to weight; 1 where absent.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: PropertyHeads,
        loss: Loss = "absolute",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.supervision = Supervision(heads, loss, weights)
        self.needs = encoder.needs

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted loss of each property, and in training penalties."""
        losses: dict[str, Tensor] = self.supervision(self.encoder(graph).crystals, graph.targets)
        return losses | (penalties(self) if self.training else {})

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return how many labels each loss is the mean of, so that batches can be averaged."""
        return self.supervision.sizes(graph.targets)
