"""What a model knows of its own errors, in its file beside its weights: some training crystals, where it errs, and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from cryskit.predict.error_head import ErrorHead
from cryskit.predict.groups import composition, groups_of
from cryskit.predict.intervals import Intervals, scores_of
from cryskit.predict.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float
    from torch import Tensor

    from cryskit.types import Graph


class Reliability(nn.Module):
    """The parts by which a prediction is judged.

    Args:
        properties: Number of properties that the model predicts.
        reference: Sizes of the training crystals that are kept (`Reference.sizes`).
    """

    def __init__(self, properties: int, reference: Mapping[str, int]) -> None:
        super().__init__()
        self.reference = Reference(**reference)
        self.error_head = ErrorHead(self.reference.sizes["width"], properties)
        self.intervals = Intervals(properties)

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes of its parts, for the card of the model."""
        return {"reference": self.reference.sizes}

    def scores(
        self,
        vectors: Float[Tensor, "crystals width"],
        predictions: Float[Tensor, "crystals properties"],
        graph: Graph,
    ) -> Float[Tensor, "crystals properties scores"]:
        """Return what the expected error of each prediction depends on (`intervals.SCORES`).

        Args:
            vectors: Vectors of the crystals.
            predictions: Standardised predictions.
            graph: Graph of the crystals.
        """
        counts = composition(graph)
        learned = self.error_head(vectors, predictions, counts)
        return scores_of(predictions, self.reference.evidence(vectors, predictions), learned, counts, graph)

    def forward(
        self,
        vectors: Float[Tensor, "crystals width"],
        predictions: Float[Tensor, "crystals properties"],
        graph: Graph,
        *levels: float,
    ) -> list[Float[Tensor, "crystals properties"]]:
        """Return half the widths of the intervals of each level, on the standardised scale of the heads.

        Args:
            vectors: Vectors of the crystals.
            predictions: Standardised predictions.
            graph: Graph of the crystals.
            levels: Shares of crystals whose labels the intervals should cover.
        """
        scores = self.scores(vectors, predictions, graph)
        groups = groups_of(composition(graph))
        return [self.intervals(scores, groups, level) for level in levels]
