"""What a model knows of its own errors, kept in its file with its weights: training crystals, where it errs, intervals, its domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from cryskit.reliability.domain import Domain
from cryskit.reliability.error_head import HIDDEN, ErrorHead
from cryskit.reliability.groups import element_counts, groups_of
from cryskit.reliability.intervals import Intervals, scores_of
from cryskit.reliability.reference import Reference
from cryskit.reliability.training_record import TrainingRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from cryskit.types import Encoding, Graph


class Judgement(NamedTuple):
    """What is known of the predictions for B crystals.

    Attributes:
        half_widths: (B, properties) for each level that was asked for: half the widths of the intervals, on the standardised scale
            of the heads.
        readings: (B, columns) what `Domain.judge` reads; no columns where the model has no domain.
    """

    half_widths: list[Float[Tensor, "crystals properties"]]
    readings: Float[Tensor, "crystals columns"]


class Reliability(nn.Module):
    """The parts by which a prediction is judged.

    Args:
        properties: Number of outputs of the heads: one for each scalar, and those of classes, which have no intervals.
        reference: Sizes of the training crystals that are kept (`Reference.sizes`).
        domain: Sizes of the domain (`Domain.sizes`); None for a model without one.
        record: Sizes of the list of training crystals (`TrainingRecord.sizes`); None for a model without one.
        hidden: Width of the network that has learned where errors are large; 0 for a model without one.
    """

    error_head: ErrorHead | None
    domain: Domain | None
    record: TrainingRecord | None

    def __init__(
        self,
        properties: int,
        reference: Mapping[str, int],
        domain: Mapping[str, int] | None = None,
        record: Mapping[str, int] | None = None,
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__()
        self.reference = Reference(**reference)
        width = self.reference.sizes["width"]
        self.register_module("error_head", ErrorHead(width, properties, hidden) if hidden else None)
        self.intervals = Intervals(properties)
        self.register_module("domain", Domain(**domain) if domain else None)
        self.register_module("record", TrainingRecord(**record) if record else None)

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes of its parts, for the card of the model."""
        parts = {"reference": self.reference, "domain": self.domain, "record": self.record}
        sizes = {name: part.sizes for name, part in parts.items() if part is not None}
        return sizes | ({} if self.error_head is not None else {"hidden": 0})

    def readings(self, encoding: Encoding, graph: Graph) -> Float[Tensor, "crystals columns"]:
        """Return what the domain reads of crystals.

        Args:
            encoding: Vectors of atoms and crystals.
            graph: Graph of the crystals.
        """
        if self.domain is None:
            return encoding.crystals.new_zeros(graph.crystals, 0)
        return self.domain.read_out(graph, encoding.atoms)

    def scores(
        self,
        encoding: Encoding,
        predictions: Float[Tensor, "crystals properties"],
        graph: Graph,
        readings: Float[Tensor, "crystals columns"],
        counts: Float[Tensor, "crystals elements"],
    ) -> Float[Tensor, "crystals properties scores"]:
        """Return what the expected error of each prediction depends on (`intervals.SCORES`).

        Args:
            encoding: Vectors of atoms and crystals.
            predictions: Standardised predictions.
            graph: Graph of the crystals.
            readings: What the domain reads of them (`readings`).
            counts: Number of atoms of each element (`groups.element_counts`).
        """
        evidence = self.reference.evidence(encoding.crystals, predictions)
        learned = torch.zeros_like(predictions)
        if self.error_head is not None:
            learned = self.error_head(encoding.crystals, predictions, counts)
        likeness = readings[:, 0] if readings.shape[1] else encoding.crystals.new_zeros(graph.crystals)
        return scores_of(predictions, evidence, learned, likeness, counts, graph)

    def forward(
        self,
        encoding: Encoding,
        predictions: Float[Tensor, "crystals properties"],
        graph: Graph,
        levels: Sequence[float],
    ) -> Judgement:
        """Judge predictions.

        Args:
            encoding: Vectors of atoms and crystals.
            predictions: Standardised predictions.
            graph: Graph of the crystals.
            levels: Shares of crystals whose labels the intervals should cover.
        """
        readings, counts = self.readings(encoding, graph), element_counts(graph)
        scores, groups = self.scores(encoding, predictions, graph, readings, counts), groups_of(counts)
        return Judgement([self.intervals(scores, groups, level) for level in levels], readings)
