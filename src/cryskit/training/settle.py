"""The one place where a plan is settled: the files that it names are found, and what it leaves open is filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryskit.errors import PlanError
from cryskit.predict.device import device_of
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.training.start import with_start_resolved
from cryskit.training.teacher import Vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.training.plan import Plan


@dataclass(frozen=True)
class SettledPlan:
    """A plan that can be carried out as it stands; `settle` makes it.

    Attributes:
        asked: The plan with the digest of every file that it names, and otherwise as it was asked for. Its hash names the run
            in cards and folders, so it does not change when an argument with a default is added.
        teacher: Vectors of the teacher that it names, if it names one.
    """

    asked: Plan
    teacher: Vectors | None = None

    @cached_property
    def plan(self) -> Plan:
        """The plan with every argument of its encoder and its objective, defaults included."""
        encoder, objective = _whole(self.asked.encoder), OBJECTIVES.complete(self.asked.objective)
        return self.asked.model_copy(update={"encoder": encoder, "objective": objective})

    def with_encoder(self, encoder: Mapping[str, Any]) -> SettledPlan:
        """Return the same with another encoder.

        Args:
            encoder: Registry name and arguments.
        """
        return replace(self, asked=self.asked.model_copy(update={"encoder": dict(encoder)}))


def settle(plan: Plan | SettledPlan, *, labels: bool = True) -> SettledPlan:
    """Return a plan that can be carried out as it stands.

    Args:
        plan: A plan; one that is settled is returned as it is.
        labels: Whether the run learns from labels, as `train` does, or without, as `pretrain` does.

    Raises:
        DataError: The teacher is no table of vectors.
        ModelError: A file that the plan names is missing or no model.
        PlanError: The plan contradicts itself or the kind of run, its hardware is not there, or a file was changed since the plan was made.
        UnknownNameError: There is no such objective, no such encoder, or the encoder has no such argument.
    """
    if isinstance(plan, SettledPlan):
        return plan
    device_of(plan.optimisation.accelerator)
    name = str(plan.objective.get("name"))
    _check(name, plan, labels=labels)
    resolved = with_start_resolved(plan if labels else plan.model_copy(update={"properties": ()}))
    ENCODERS.complete(resolved.encoder)  # names and arguments are checked here
    OBJECTIVES.complete(resolved.objective)
    if plan.teacher is None:
        return SettledPlan(resolved)
    teacher = Vectors(plan.teacher)
    return SettledPlan(resolved.model_copy(update={"teacher": teacher.named}), teacher)


def _whole(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of an encoder with the default of every argument, also of an encoder in it."""
    whole = ENCODERS.complete(encoder)
    inner = {key: value for key, value in whole.items() if isinstance(value, dict) and value.get("name") in ENCODERS}
    return whole | {key: _whole(value) for key, value in inner.items()}


def _check(name: str, plan: Plan, *, labels: bool) -> None:
    """Refuse an objective that does not go with the kind of run, the properties or the teacher."""
    objective = OBJECTIVES[name]
    if objective.supervised != labels:
        learns, verb = (
            ("learns from labels", "train") if objective.supervised else ("does not learn from labels", "pretrain")
        )
        others = ", ".join(other for other in OBJECTIVES if OBJECTIVES[other].supervised == labels)
        raise PlanError(f"The objective {name} {learns}", f"Use `cryskit {verb}`, or one of {others}")
    if plan.repeats and not labels:
        raise PlanError("A pre-training repeats no crystals", "Leave out `repeats`")
    if labels and not plan.properties:
        raise PlanError("The plan names no property to learn", "Name at least one")
    if objective.learns_from_teacher and plan.teacher is None:
        raise PlanError(f"The objective {name} needs a teacher", "Name one: teacher: {file: ...}, or `--teacher`")
    if plan.teacher is not None and not objective.learns_from_teacher:
        students = " or ".join(other for other in OBJECTIVES if OBJECTIVES[other].learns_from_teacher)
        raise PlanError(f"The plan names a teacher but its objective is {name}", f"Set the objective to {students}")
