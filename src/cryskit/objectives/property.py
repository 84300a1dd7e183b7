"""Supervised learning of any number of properties, with labels missing where they may."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from cryskit.losses.supervised import ClassWeights, Loss, penalties
from cryskit.losses.tensors import supervision_of
from cryskit.protocols import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.layers.heads import PropertyHeads
    from cryskit.protocols import Encoder
    from cryskit.types import Graph


class PropertyObjective(nn.Module, Objective):
    """The mean loss of each property over the crystals that have a label for it (`losses.supervised`).

    In training there is the loss "selector" besides: the sum over all modules that have a `penalty()`.

    Args:
        encoder: Any encoder.
        heads: The property heads, with the scale of the training crystals (`PropertyHeads.fit_scale`).
        loss: The loss of a label: "absolute", "squared" or "huber".
        weights: Property name to the weight of its loss; 1 where absent.
        class_weights: ClassWeights of the classes of a property: "balanced", so that all count the same, or "none".
    """

    supervised: ClassVar[bool] = True

    def __init__(
        self,
        encoder: Encoder,
        heads: PropertyHeads,
        loss: Loss = "absolute",
        weights: Mapping[str, float] | None = None,
        class_weights: ClassWeights = "balanced",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.supervision = supervision_of(heads, loss, weights, class_weights)
        self.needs = heads.needs(encoder.needs)

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted loss of each property, and in training penalties."""
        losses: dict[str, Tensor] = self.supervision(self.encoder(graph), graph)
        return losses | (penalties(self) if self.training else {})

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return the number of labels that each loss is the mean of."""
        return self.supervision.sizes(graph.targets)
