"""Learn properties from labels, and atom vectors from a teacher (CrysGNN, doi 10.1609/aaai.v37i6.25892).

    L = delta L_property + (1 - delta) w L_KD,    L_KD = mean over crystals, and their atoms, of D(P z^S, z^T)

z^S are the student's atom vectors behind its last layers, z^T those of a teacher that is not trained, P is a linear map.
D is the mean square of the difference of the two vectors, each of length 1 ("square"; the paper's, which is
(2 - 2 cos) / width), 1 - cos ("cosine"), or the mean square difference from vectors standardised over the training atoms
("standard"). delta may be fixed, or rise to 1 in the course of the run, so that labels have the last word.

The epoch is chosen by labels alone: in evaluation there is no L_KD.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from cryskit.errors import PlanError
from cryskit.layers.hidden_states import encode_with_hidden_states
from cryskit.layers.pool import mean_pool
from cryskit.losses.supervised import ClassWeights, Loss, penalties
from cryskit.losses.tensors import supervision_of
from cryskit.objectives.base import Settings, chosen
from cryskit.protocols import Objective

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.layers.heads import PropertyHeads
    from cryskit.protocols import Encoder
    from cryskit.types import Graph


class DistillSettings(Settings):
    """How labels and the teacher's vectors share the loss, and how vectors are compared.

    Attributes:
        delta: Share of the labels in the loss, 0 to 1; with a rising schedule, at the start. At 1 no vectors are learned: the
            teacher gives labels only (`training.plan.Teacher`).
        schedule: Whether delta is "fixed" or "rising" (to 1, linearly in the steps of the run).
        weight: The factor w on L_KD.
        matching: How vectors are compared: "square", "cosine" or "standard".
        projector: Whether there is a linear map P: "always", "never", or where "needed" because widths differ.
        layers: Number of layers that are matched, counted from the end of both networks.
        loss: The loss of a label: "absolute", "squared" or "huber".
        weights: Property name to the weight of its loss; 1 where absent.
        class_weights: ClassWeights of the classes of a property: "balanced", so that all count the same, or "none".
    """

    delta: Annotated[float, Field(ge=0, le=1)] = 0.5
    schedule: Literal["fixed", "rising"] = "fixed"
    weight: Annotated[float, Field(ge=0)] = 1.0
    matching: Literal["square", "cosine", "standard"] = "square"
    projector: Literal["always", "never", "needed"] = "never"
    layers: Annotated[int, Field(ge=1)] = 1
    loss: Loss = "absolute"
    weights: dict[str, float] = Field(default_factory=dict)
    class_weights: ClassWeights = "balanced"


PRESETS: Mapping[str, DistillSettings] = MappingProxyType(
    {
        "paper": DistillSettings(matching="square", projector="never"),
        "standard": DistillSettings(matching="standard", projector="always", schedule="rising"),
    }
)
"""Settings by name; what a preset does not name has its default."""


class Distill(nn.Module, Objective):
    """Learn properties from labels and atom vectors from a teacher.

    Args:
        encoder: The student, any encoder.
        heads: The property heads, with the scale of the training crystals (`PropertyHeads.fit_scale`).
        teacher: Length of the teacher's vectors.
        preset: "standard" (ours) or "paper".
        settings: Settings that win over those of the preset (`DistillSettings`).

    Raises:
        PlanError: A number is out of range, or widths differ and there is to be no projector.
        UnknownNameError: There is no such preset or setting.
    """

    supervised: ClassVar[bool] = True
    learns_from_teacher: ClassVar[bool] = True
    progress: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(
        self, encoder: Encoder, heads: PropertyHeads, teacher: int, preset: str = "standard", **settings: Any
    ) -> None:
        super().__init__()
        wanted = chosen(DistillSettings, "distill", PRESETS, preset, settings)
        self.delta, self.weight = wanted.delta, wanted.weight
        self.matching, self.layers = wanted.matching, wanted.layers
        self.rising = wanted.schedule == "rising"
        self.teacher_layers = wanted.layers if wanted.delta < 1 else 0
        self.needs = replace(heads.needs(encoder.needs), origins=True)
        self.encoder = encoder
        self.supervision = supervision_of(heads, wanted.loss, wanted.weights, wanted.class_weights)
        self.projectors = nn.ModuleList(
            _projector(wanted.projector, encoder.width, teacher) for _ in range(wanted.layers)
        )
        self.register_buffer("progress", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(wanted.layers, teacher))
        self.register_buffer("deviation", torch.ones(wanted.layers, teacher))

    def prepare(self, graph: Graph) -> None:
        """Take mean and standard deviation of the teacher's vectors over the training atoms."""
        if self.matching != "standard" or not self.teacher_layers:
            return
        vectors, weight = _teacher(graph).double(), graph.multiplicity.double()[:, None, None]
        mean = (vectors * weight).sum(0) / weight.sum()
        variance = ((vectors - mean).square() * weight).sum(0) / weight.sum()
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().clamp_min(1e-6))

    def advance(self, share: float) -> None:
        """Take note of the share of the run that is done, with which delta may rise."""
        self.progress.fill_(share)

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the weighted loss of each property, and in training those of the teacher and of penalties."""
        encoding, student = encode_with_hidden_states(self.encoder, graph, self.layers)
        learned: dict[str, Tensor] = self.supervision(encoding, graph)
        if not self.training:
            return learned
        delta = self.delta + (1 - self.delta) * self.progress if self.rising else self.delta
        losses = {name: delta * loss for name, loss in learned.items()}
        if self.teacher_layers:
            losses["teacher"] = (1 - delta) * self.weight * self._distance(student, graph)
        return losses | penalties(self)

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return the number of labels that each loss is the mean of."""
        return self.supervision.sizes(graph.targets)

    def _distance(self, student: list[Tensor], graph: Graph) -> Float[Tensor, ""]:
        taught = (_teacher(graph) - self.mean) / self.deviation
        given = (project(vectors) for project, vectors in zip(self.projectors, student, strict=True))
        distance = _DISTANCES[self.matching]
        each = torch.stack([distance(s, t) for s, t in zip(given, taught.unbind(1), strict=True)], dim=1)
        return mean_pool(each, graph).mean()


_DISTANCES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "square": lambda s, t: (normalize(s, dim=1) - normalize(t, dim=1)).square().mean(1),
        "cosine": lambda s, t: 1 - cosine_similarity(s, t, dim=1),
        "standard": lambda s, t: (s - t).square().mean(1),
    }
)


def _projector(wanted: str, student: int, teacher: int) -> nn.Module:
    if wanted == "never" and student != teacher:
        raise PlanError(
            f"The student's vectors have {student} numbers, the teacher's {teacher}",
            "Give the student the teacher's width, or let there be a projector",
        )
    needed = wanted == "always" or student != teacher
    return nn.Linear(student, teacher) if needed else nn.Identity()


def _teacher(graph: Graph) -> Float[Tensor, "atoms layers width"]:
    if graph.teacher is None:
        raise PlanError("The graph has no vectors of a teacher", "Name a teacher in the plan")
    return graph.teacher
