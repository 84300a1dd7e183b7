"""What a model knows of its own errors, in its file beside its weights: training crystals near a crystal, and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

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
        reference: Sizes of the training crystals that are kept (`Reference.sizes`); empty if none are.
    """

    reference: Reference | None

    def __init__(self, properties: int, reference: Mapping[str, Any]) -> None:
        super().__init__()
        self.register_module("reference", Reference(**reference) if reference else None)
        self.intervals = Intervals(properties)

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes of its parts, for the card of the model."""
        return {"reference": self.reference.sizes if self.reference is not None else {}}

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
        evidence = self.reference.evidence(vectors, predictions) if self.reference is not None else None
        return scores_of(predictions, evidence, composition(graph), graph)

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
